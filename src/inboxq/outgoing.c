/* SPDX-License-Identifier: ISC */
/*
 * One item is loaded (opened, its header read) before it is known whether the
 * window has room for it; it then waits here.  So the order of the queue is
 * kept, and a large item is not overtaken for ever by small ones.
 */
#include "config.h"

#include "inboxq/outgoing.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/item.h"
#include "inboxq/queue.h"
#include "inboxq/say.h"
#include "inboxq/spool.h"
#include "lib/conn.h"
#include "lib/log.h"
#include "lib/proto.h"

/* Until READY says more: what any receiver may be trusted to take. */
#define FIRST_ITEMS 16
#define FIRST_BYTES (64 * 1024)

#define CHUNK (64 * 1024) /* bytes */
#define HELD_FOR 3600     /* seconds: an item that this server needs OPEN for */

enum file_state { FILE_NONE, FILE_LOADED, FILE_SENDING };

struct outgoing {
	const struct spool *spool;
	struct queue *queue;
	uint64_t items_max, bytes_max;  /* the window */
	uint64_t inline_max, item_max; /* bytes */
	int is_ready;
	uint64_t bytes; /* of items not answered */
	enum file_state state;
	int fd;
	uint64_t n, left; /* bytes of it to be written */
	struct spool_item item;
	unsigned char chunk[CHUNK];
};

struct outgoing *
outgoing_new(const struct spool *spool, struct queue *queue)
{
	struct outgoing *outgoing = calloc(1, sizeof *outgoing);

	if (!outgoing)
		return NULL;
	outgoing->spool = spool;
	outgoing->queue = queue;
	outgoing->fd = -1;
	outgoing->items_max = FIRST_ITEMS;
	outgoing->bytes_max = FIRST_BYTES;
	return outgoing;
}

static void
unload(struct outgoing *outgoing)
{
	if (outgoing->fd >= 0)
		close(outgoing->fd);
	outgoing->fd = -1;
	outgoing->state = FILE_NONE;
}

void
outgoing_free(struct outgoing *outgoing)
{
	if (!outgoing)
		return;
	unload(outgoing);
	free(outgoing);
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
}

int
outgoing_is_midway(const struct outgoing *outgoing)
{
	return outgoing->state == FILE_SENDING;
}

int
outgoing_is_sending(const struct outgoing *outgoing, uint64_t n)
{
	return outgoing->state == FILE_SENDING && outgoing->n == n;
}

void
outgoing_answered(struct outgoing *outgoing, uint64_t size)
{
	outgoing->bytes -= size < outgoing->bytes ? size : outgoing->bytes;
}

static int
set_aside(struct outgoing *outgoing, uint64_t n, const char *why)
{
	log_event(LOG_ERR, "item_damaged", "n=%" PRIu64 " why=\"%s\"", n, why);
	return queue_refused(outgoing->queue, n, NULL, "damaged", why);
}

/* Opens the next item to send; FILE_NONE if there is none. */
static int
load_next(struct outgoing *outgoing, int64_t now)
{
	char why[SPOOL_WHY_ROOM];
	uint64_t n;

	while (outgoing->state == FILE_NONE && (n = queue_next(outgoing->queue, now))) {
		outgoing->fd = item_open(outgoing->spool, SPOOL_QUEUE, n, &outgoing->item, why);
		if (outgoing->fd < 0 && errno == ENOENT) {
			queue_forget(outgoing->queue, n);
		} else if (outgoing->fd < 0 && (errno == EILSEQ || errno == EIO)) {
			if (set_aside(outgoing, n, why) < 0)
				return -1;
		} else if (outgoing->fd < 0) {
			return -1;
		} else if (outgoing->is_ready && outgoing->item.size > outgoing->inline_max &&
		    outgoing->item.size <= outgoing->item_max) {
			log_event(LOG_WARNING, "item_held",
			    "n=%" PRIu64 " size=%" PRIu64 " inline=%" PRIu64
			    " why=\"the server takes items of this size by OPEN only\"",
			    n, outgoing->item.size, outgoing->inline_max);
			unload(outgoing);
			queue_put_off(outgoing->queue, n, now + HELD_FOR);
		} else {
			outgoing->n = n;
			outgoing->state = FILE_LOADED;
		}
	}
	return 0;
}

/* Before READY only small items go, since a larger one might need OPEN; after it
 * one item may always be under way, whatever its size. */
static int
has_room(const struct outgoing *outgoing)
{
	uint64_t sent = queue_counts(outgoing->queue)->sent;

	if (sent == 0 && outgoing->is_ready)
		return 1;
	return sent < outgoing->items_max && outgoing->bytes <= outgoing->bytes_max &&
	    outgoing->item.size <= outgoing->bytes_max - outgoing->bytes;
}

static void
begin_item(struct outgoing *outgoing, struct conn *conn)
{
	say_put(conn, outgoing->n, &outgoing->item);
	queue_mark_sent(outgoing->queue, outgoing->n, outgoing->item.size);
	outgoing->bytes += outgoing->item.size;
	outgoing->left = outgoing->item.size;
	outgoing->state = FILE_SENDING;
}

static enum outgoing_result
send_chunk(struct outgoing *outgoing, struct conn *conn)
{
	size_t want = outgoing->left < CHUNK ? (size_t)outgoing->left : CHUNK;
	ssize_t len = want ? read(outgoing->fd, outgoing->chunk, want) : 0;

	if (len < 0 && errno == EINTR)
		return OUTGOING_OK;
	if (want && len <= 0) {
		const char *why = len < 0 ? strerror(errno) : "its file became shorter";
		int rc = set_aside(outgoing, outgoing->n, why);

		unload(outgoing);
		return rc < 0 ? OUTGOING_TROUBLE : OUTGOING_BROKEN;
	}
	conn_write(conn, outgoing->chunk, (size_t)len);
	outgoing->left -= (uint64_t)len;
	if (outgoing->left == 0)
		unload(outgoing);
	return OUTGOING_OK;
}

enum outgoing_result
outgoing_pump(struct outgoing *outgoing, struct conn *conn, int64_t now, int no_more)
{
	while (conn_pending(conn) < OUTGOING_MAX) {
		if (outgoing->state == FILE_SENDING) {
			enum outgoing_result result = send_chunk(outgoing, conn);

			if (result != OUTGOING_OK)
				return result;
			continue;
		}
		if (no_more)
			return OUTGOING_OK;
		if (load_next(outgoing, now) < 0)
			return OUTGOING_TROUBLE;
		if (outgoing->state == FILE_NONE || !has_room(outgoing))
			return OUTGOING_OK;
		begin_item(outgoing, conn);
	}
	return OUTGOING_OK;
}
