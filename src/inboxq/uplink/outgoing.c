/* SPDX-License-Identifier: ISC */
/*
 * One small item is loaded (opened, its header read) before it is known whether
 * the window has room for it; it then waits here.  So the order of the small ones
 * is kept.  Large ones have no part in the window, and pass.
 *
 * What is written next: the small items that fit the window, then OPEN where there
 * is room for one, then a frame of a large item; but after PUTS_A_FRAME bytes of
 * small ones large ones come first, so that neither kind starves the other.
 */
#include "config.h"

#include "inboxq/uplink/outgoing.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/queue/ends.h"
#include "inboxq/queue/life.h"
#include "inboxq/queue/scan.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "inboxq/uplink/pace.h"
#include "inboxq/uplink/say.h"
#include "lib/clock.h"
#include "lib/conn.h"
#include "lib/log.h"
#include "lib/proto.h"

/* Until READY says more: what any receiver may be trusted to take. */
#define FIRST_ITEMS 16
#define FIRST_BYTES (64 * 1024)
#define FIRST_INLINE (1024 * 1024)

#define CHUNK (64 * 1024)              /* bytes */
#define FRAME_BELOW (64 * 1024)        /* bytes of output: more may wait with no frame added */
#define PUTS_A_FRAME (4 * PROTO_DATA_MAX) /* bytes */

enum file_state { FILE_NONE, FILE_LOADED, FILE_SENDING };

struct loaded {
	uint64_t n;
	int fd;
	struct spool_item item;
};

struct outgoing {
	const struct spool *spool;
	struct schedule *schedule;
	struct ends *ends;
	const char *server; /* NULL: there is no connection yet */
	uint64_t items_max, bytes_max; /* the window */
	uint64_t inline_max, item_max; /* bytes */
	int is_ready;
	uint64_t bytes; /* of items in the window */
	enum file_state state;
	struct loaded put;
	uint64_t left;        /* bytes of it to be written */
	uint64_t since_frame; /* bytes of small items */
	struct large *large;
	int no_large; /* none is opened any more */
	unsigned allowed; /* items that may begin */
	struct pace pace;
	unsigned char chunk[CHUNK];
};

struct outgoing *
outgoing_new(const struct spool *spool, struct schedule *schedule, struct ends *ends,
    uint64_t bandwidth)
{
	struct outgoing *outgoing = calloc(1, sizeof *outgoing);

	if (!outgoing)
		return NULL;
	outgoing->large = large_new();
	if (!outgoing->large) {
		free(outgoing);
		return NULL;
	}
	outgoing->spool = spool;
	outgoing->schedule = schedule;
	outgoing->ends = ends;
	outgoing->pace.rate = bandwidth;
	outgoing->allowed = UINT_MAX;
	outgoing->items_max = FIRST_ITEMS;
	outgoing->bytes_max = FIRST_BYTES;
	outgoing->inline_max = FIRST_INLINE;
	outgoing->item_max = PROTO_NUMBER_MAX;
	return outgoing;
}

static void
unload(struct outgoing *outgoing)
{
	if (outgoing->state != FILE_NONE)
		close(outgoing->put.fd);
	outgoing->state = FILE_NONE;
}

void
outgoing_free(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	unload(outgoing);
	large_free(outgoing->large);
	free(outgoing);
}

/* What is written while nobody is there yet is no try. */
static void
note_try(const struct outgoing *outgoing, uint64_t n, uint64_t size)
{
	if (outgoing->server)
		life_trying(n, schedule_tries(outgoing->schedule, n), outgoing->server, size);
}

void
outgoing_opened(struct outgoing *outgoing, const char *server)
{
	uint64_t n = 0, size;

	outgoing->server = server;
	while ((n = schedule_next_sent(outgoing->schedule, n))) {
		if (!schedule_is_sent(outgoing->schedule, n, &size))
			continue;
		life_servicing(n);
		note_try(outgoing, n, size);
	}
}

static uint64_t
field_or(const struct proto_line *line, enum proto_field field, uint64_t fallback)
{
	return proto_has(line, field) ? line->number[field] : fallback;
}

void
outgoing_take_ready(struct outgoing *outgoing, const struct proto_line *line)
{
	outgoing->items_max = field_or(line, FIELD_WINDOW, FIRST_ITEMS);
	outgoing->bytes_max = field_or(line, FIELD_BYTES, FIRST_BYTES);
	outgoing->inline_max = field_or(line, FIELD_INLINE, PROTO_NUMBER_MAX);
	outgoing->item_max = field_or(line, FIELD_ITEM, PROTO_NUMBER_MAX);
	outgoing->is_ready = 1;
	/* What was small may be large for this server: it is looked at again. */
	if (outgoing->state == FILE_LOADED)
		unload(outgoing);
}

int
outgoing_is_midway(const struct outgoing *outgoing)
{
	return outgoing->state == FILE_SENDING;
}

int
outgoing_is_unfinished(const struct outgoing *outgoing, uint64_t n)
{
	return (outgoing->state == FILE_SENDING && outgoing->put.n == n) ||
	    large_is_unfinished(outgoing->large, n);
}

void
outgoing_answered(struct outgoing *outgoing, uint64_t n, uint64_t size)
{
	if (!large_close(outgoing->large, n))
		outgoing->bytes -= size < outgoing->bytes ? size : outgoing->bytes;
}

enum large_verdict
outgoing_take_send(struct outgoing *outgoing, uint64_t n, uint64_t offset)
{
	return large_send(outgoing->large, n, offset);
}

void
outgoing_open_no_large(struct outgoing *outgoing)
{
	outgoing->no_large = 1;
}

int
outgoing_has_large(const struct outgoing *outgoing)
{
	return large_count(outgoing->large) > 0;
}

uint64_t
outgoing_item_max(const struct outgoing *outgoing)
{
	return outgoing->item_max;
}

unsigned
outgoing_unfinished(const struct outgoing *outgoing)
{
	return large_unfinished(outgoing->large);
}

void
outgoing_look(const struct outgoing *outgoing, struct runstate_upload *uploads)
{
	large_look(outgoing->large, uploads);
}

uint64_t
outgoing_large_bytes(const struct outgoing *outgoing)
{
	return large_bytes(outgoing->large);
}

static int
set_aside(struct outgoing *outgoing, uint64_t n, const char *why)
{
	log_event(LOG_ERR, "item_damaged", "n=%" PRIu64 " error=\"%s\"", n, why);
	return ends_refused(outgoing->ends, n, NULL, "damaged", why);
}

/* A server whose `inline` is as large as its `item` needs no OPEN.  An item that takes longer than
 * a second goes in frames, which others pass. */
static enum schedule_lane
lane_of(const struct outgoing *outgoing, const struct loaded *loaded)
{
	uint64_t rate = outgoing->pace.rate, whole = outgoing->inline_max;

	if (outgoing->is_ready && whole >= outgoing->item_max)
		return SCHEDULE_SMALL;
	if (rate && rate < whole)
		whole = rate;
	return loaded->item.size <= whole ? SCHEDULE_SMALL : SCHEDULE_LARGE;
}

/* Opens the lane's next item: 1, 0 if there is none, -1 with errno set. */
static int
load_next(struct outgoing *outgoing, enum schedule_lane lane, int64_t now, struct loaded *loaded)
{
	struct why why;
	uint64_t n;

	while ((n = schedule_next(outgoing->schedule, lane, now))) {
		loaded->n = n;
		loaded->fd = item_open(outgoing->spool, SPOOL_QUEUE, n, &loaded->item, &why);
		if (loaded->fd < 0 && errno == ENOENT) {
			life_removed(n);
			schedule_forget(outgoing->schedule, n);
		} else if (loaded->fd < 0 && item_is_to_blame(errno)) {
			if (set_aside(outgoing, n, why.text) < 0)
				return -1;
		} else if (loaded->fd < 0) {
			return -1;
		} else if (lane_of(outgoing, loaded) != lane &&
		    !schedule_is_lane_fixed(outgoing->schedule, n)) {
			close(loaded->fd);
			schedule_set_lane(outgoing->schedule, n, lane_of(outgoing, loaded));
		} else {
			scan_tell(outgoing->schedule, n, &loaded->item);
			if (outgoing->server)
				life_servicing(n);
			return 1;
		}
	}
	return 0;
}

void
outgoing_allow(struct outgoing *outgoing, unsigned items)
{
	outgoing->allowed = items;
}

static void
count_begun(struct outgoing *outgoing)
{
	if (outgoing->allowed != UINT_MAX)
		outgoing->allowed--;
}

/* Announces the next large item: 1, 0 if there is none or no room, or -1.  Not before READY, which
 * may say that this receiver takes it by PUT. */
static int
open_large(struct outgoing *outgoing, struct conn *conn, int64_t now)
{
	struct loaded loaded;
	int rc;

	if (!outgoing->is_ready || outgoing->no_large || outgoing->allowed == 0 ||
	    !large_has_room(outgoing->large))
		return 0;
	rc = load_next(outgoing, SCHEDULE_LARGE, now, &loaded);
	if (rc > 0) {
		large_open(outgoing->large, conn, loaded.n, loaded.fd, &loaded.item);
		schedule_mark_sent(outgoing->schedule, loaded.n, loaded.item.size);
		count_begun(outgoing);
		note_try(outgoing, loaded.n, loaded.item.size);
	}
	return rc;
}

/* Before READY only small items go, since a larger one might need OPEN; after it
 * one item may always be under way, whatever its size. */
static int
has_room(const struct outgoing *outgoing)
{
	uint64_t sent = schedule_counts(outgoing->schedule)->sent - large_count(outgoing->large);

	if (sent == 0 && outgoing->is_ready)
		return 1;
	return sent < outgoing->items_max && outgoing->bytes <= outgoing->bytes_max &&
	    outgoing->put.item.size <= outgoing->bytes_max - outgoing->bytes;
}

/* Begins the PUT of the next small item: 1, 0 if there is none or no room, or -1. */
static int
begin_small(struct outgoing *outgoing, struct conn *conn, int64_t now)
{
	uint64_t size;
	int rc;

	if (outgoing->allowed == 0)
		return 0;
	if (outgoing->state == FILE_NONE) {
		rc = load_next(outgoing, SCHEDULE_SMALL, now, &outgoing->put);
		if (rc <= 0)
			return rc;
		outgoing->state = FILE_LOADED;
	}
	if (!has_room(outgoing))
		return 0;
	size = outgoing->put.item.size;
	say_item(conn, VERB_PUT, outgoing->put.n, &outgoing->put.item);
	schedule_mark_sent(outgoing->schedule, outgoing->put.n, size);
	count_begun(outgoing);
	note_try(outgoing, outgoing->put.n, size);
	outgoing->bytes += size;
	outgoing->left = size;
	outgoing->since_frame += size;
	outgoing->state = FILE_SENDING;
	return 1;
}

static enum outgoing_result
send_chunk(struct outgoing *outgoing, struct conn *conn, size_t room)
{
	size_t most = room < CHUNK ? room : CHUNK;
	size_t want = outgoing->left < most ? (size_t)outgoing->left : most;
	ssize_t len = want ? read(outgoing->put.fd, outgoing->chunk, want) : 0;

	if (len < 0 && errno == EINTR)
		return OUTGOING_OK;
	if (want && len <= 0) {
		const char *why = len < 0 ? strerror(errno) : "its file became shorter";
		int rc = set_aside(outgoing, outgoing->put.n, why);

		unload(outgoing);
		return rc < 0 ? OUTGOING_TROUBLE : OUTGOING_BROKEN;
	}
	conn_write(conn, outgoing->chunk, (size_t)len);
	outgoing->left -= (uint64_t)len;
	if (outgoing->left == 0)
		unload(outgoing);
	return OUTGOING_OK;
}

/* A frame of a large item: 1, 0 if there is none or enough output waits, or -1.  An
 * item whose file fails us is set aside; since it ends between two frames, the
 * connection goes on, and SKIP tells the server. */
static int
send_frame(struct outgoing *outgoing, struct conn *conn, size_t room)
{
	const char *why = "";
	uint64_t n;

	if (!large_has_frame(outgoing->large) || conn_pending(conn) >= FRAME_BELOW)
		return 0;
	n = large_write_frame(outgoing->large, conn, room, &why);
	outgoing->since_frame = 0;
	if (n == 0)
		return 1;
	large_close(outgoing->large, n);
	return set_aside(outgoing, n, why) < 0 ? -1 : 1;
}

/* Writes the next thing, up to about `room` bytes of it: 1, 0 if there is none, or -1. */
static int
write_next(struct outgoing *outgoing, struct conn *conn, int64_t now, size_t room)
{
	int rc = outgoing->since_frame < PUTS_A_FRAME ? begin_small(outgoing, conn, now) : 0;

	if (rc == 0)
		rc = open_large(outgoing, conn, now);
	if (rc == 0)
		rc = send_frame(outgoing, conn, room);
	if (rc == 0 && outgoing->since_frame >= PUTS_A_FRAME &&
	    !large_has_frame(outgoing->large)) {
		outgoing->since_frame = 0; /* nobody used the turn */
		rc = 1;
	}
	return rc;
}

enum outgoing_result
outgoing_pump(struct outgoing *outgoing, struct conn *conn, int64_t now, int no_more)
{
	enum outgoing_result result = OUTGOING_OK;
	int rc = 1;

	while (result == OUTGOING_OK && rc > 0) {
		size_t before = conn_pending(conn);
		size_t room = pace_room(&outgoing->pace, clock_monotonic());

		if (before >= OUTGOING_MAX || room == 0)
			break;
		if (outgoing->state == FILE_SENDING)
			result = send_chunk(outgoing, conn, room);
		else
			rc = no_more ? 0 : write_next(outgoing, conn, now, room);
		pace_take(&outgoing->pace, conn_pending(conn) - before);
	}
	return rc < 0 ? OUTGOING_TROUBLE : result;
}

int64_t
outgoing_wait(const struct outgoing *outgoing)
{
	return pace_wait(&outgoing->pace);
}

void
outgoing_count(struct outgoing *outgoing, size_t bytes)
{
	pace_take(&outgoing->pace, bytes);
}
