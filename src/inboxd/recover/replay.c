/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/record.h"

struct reading {
	struct clients *clients;
	struct replay *replay;
	struct tail_item **tail_end;
	int in_state;  /* between the begin record and the state record */
	uint64_t line; /* counted from 1 */
	uint64_t bad_line; /* the first that is no record, 0: none */
};

static struct queue *
find_or_add(struct reading *reading, const struct record *record)
{
	struct queue *queue =
	    clients_find(reading->clients, record->identity, record->queue);

	/* A queue whose own record was torn off still counts from its mark. */
	return queue ? queue
	             : clients_add(reading->clients, record->identity, record->queue, 1);
}

static void
add_tail(struct reading *reading, struct queue *queue, const struct record *record)
{
	struct tail_item *item = must_alloc(sizeof *item);

	item->queue = queue;
	item->seq = record->seq;
	item->number = record->n;
	item->size = record->size;
	memcpy(item->sha256, record->sha256, DIGEST_SIZE);
	snprintf(item->inbox, sizeof item->inbox, "%s", record->inbox);
	snprintf(item->name, sizeof item->name, "%s", record->name);
	*reading->tail_end = item;
	reading->tail_end = &item->next;
}

static void
on_accept(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);

	(void)queue_add_item(queue, record);
	if (reading->in_state)
		return;
	if (record->seq >= reading->replay->next_seq)
		reading->replay->next_seq = record->seq + 1;
	queue->stored++;
	queue->bytes += record->size;
	if (record->time > queue->last_stored)
		queue->last_stored = record->time;
	add_tail(reading, queue, record);
}

/* Takes a tail item out: void (forgotten) or stored (remembered). */
static void
drop_tail(struct reading *reading, struct tail_item **at, int is_void)
{
	struct tail_item *item = *at;
	struct known *known =
	    queue_find(item->queue, item->number, item->inbox, item->sha256);

	if (is_void) {
		if (known && known->seq == item->seq)
			queue_remove(item->queue, known);
		item->queue->stored--;
		item->queue->bytes -= item->size;
	}
	*at = item->next;
	if (!*at)
		reading->tail_end = at;
	free(item);
}

static void
on_void(struct reading *reading, uint64_t seq)
{
	struct tail_item **at = &reading->replay->tail;

	while (*at && (*at)->seq != seq)
		at = &(*at)->next;
	if (*at)
		drop_tail(reading, at, 1);
}

static void
on_mark(struct reading *reading, const struct record *record)
{
	struct tail_item **at = &reading->replay->tail;

	reading->replay->synced = record->synced;
	reading->replay->stored = record->stored;
	while (*at) {
		if ((*at)->seq <= record->stored)
			drop_tail(reading, at, 0);
		else
			at = &(*at)->next;
	}
}

static void
ignore_gap(void *ctx, struct queue *queue, uint64_t first, uint64_t last)
{
	(void)ctx, (void)queue, (void)first, (void)last;
}

static void
on_settled(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);

	queue->missing += queue_settle(queue, record->n, ignore_gap, NULL);
}

static void
on_queue(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);
	struct queue before = *queue;

	queue_restore(queue, record);
	if (reading->in_state)
		return;
	/* Behind the state these are counted here, record by record. */
	queue->stored = before.stored;
	queue->bytes = before.bytes;
	queue->skipped = before.skipped;
	queue->missing = before.missing;
	queue->last_stored = before.last_stored;
}

static void
on_skip(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);

	if (queue_add_skip(queue, record->n) && !reading->in_state)
		queue->skipped++;
}

static void
apply(struct reading *reading, const struct record *record)
{
	switch (record->type) {
	case RECORD_BEGIN:
		reading->replay->next_seq = record->seq;
		reading->replay->synced = reading->replay->stored = record->seq - 1;
		reading->in_state = 1;
		break;
	case RECORD_STATE:
		reading->in_state = 0;
		break;
	case RECORD_QUEUE:
		on_queue(reading, record);
		break;
	case RECORD_ACCEPT:
		on_accept(reading, record);
		break;
	case RECORD_MARK:
		on_mark(reading, record);
		break;
	case RECORD_VOID:
		on_void(reading, record->seq);
		break;
	case RECORD_SKIP:
		on_skip(reading, record);
		break;
	case RECORD_SETTLED:
		on_settled(reading, record);
		break;
	case RECORD_END:
		snprintf(reading->replay->next, sizeof reading->replay->next, "%s",
		    record->name);
		break;
	case RECORD_GAP:
	case RECORD_TYPES:
		break;
	}
	reading->replay->records++;
}

/* What makes a segment ours at all: its first line, and its version. */
static int
check_first(const struct record *record, int is_good, const char *name,
    char error[REPLAY_ERROR_ROOM])
{
	if (is_good && record->type == RECORD_BEGIN && record->version == RECORD_VERSION)
		return 0;
	if (is_good && record->type == RECORD_BEGIN)
		snprintf(error, REPLAY_ERROR_ROOM, "ledger/%s has version %" PRIu64
		    "; this receiver reads version %d", name, record->version, RECORD_VERSION);
	else
		snprintf(error, REPLAY_ERROR_ROOM,
		    "ledger/%s:1: want a begin record with a right checksum", name);
	errno = EBADMSG;
	return -1;
}

static int
take_line(struct reading *reading, const char *line, size_t len, const char *name,
    char error[REPLAY_ERROR_ROOM])
{
	struct record record;
	int is_good = record_parse(line, len, &record) == 0;

	reading->line++;
	if (reading->line == 1 && check_first(&record, is_good, name, error) < 0)
		return -1;
	if (!is_good && reading->in_state) {
		snprintf(error, REPLAY_ERROR_ROOM,
		    "ledger/%s:%" PRIu64 ": a damaged record within the state", name,
		    reading->line);
		errno = EBADMSG;
		return -1;
	}
	if (!is_good && !reading->bad_line)
		reading->bad_line = reading->line;
	if (!reading->bad_line) {
		apply(reading, &record);
		reading->replay->good_bytes += len + 1;
		return 0;
	}
	reading->replay->torn_bytes += len + 1;
	if (is_good && record.type == RECORD_MARK) {
		snprintf(error, REPLAY_ERROR_ROOM,
		    "ledger/%s:%" PRIu64 ": a damaged record, and the mark in line %" PRIu64
		    " says that it was whole", name, reading->bad_line, reading->line);
		errno = EBADMSG;
		return -1;
	}
	return 0;
}

int
replay_segment(int fd, const char *name, struct clients *clients, struct replay *replay,
    char error[REPLAY_ERROR_ROOM])
{
	struct reading reading = {.clients = clients, .replay = replay};
	char buffer[64 * 1024];
	size_t held = 0, start;
	ssize_t got;
	char *end;

	memset(replay, 0, sizeof *replay);
	reading.tail_end = &replay->tail;
	while ((got = read(fd, buffer + held, sizeof buffer - held)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			snprintf(error, REPLAY_ERROR_ROOM, "ledger/%s: %s", name, strerror(errno));
			return -1;
		}
		held += (size_t)got;
		for (start = 0; (end = memchr(buffer + start, '\n', held - start));
		     start = (size_t)(end - buffer) + 1) {
			if (take_line(&reading, buffer + start,
			        (size_t)(end - buffer) - start, name, error) < 0)
				return -1;
		}
		held -= start;
		memmove(buffer, buffer + start, held);
		if (held < sizeof buffer)
			continue;
		/* No record is so long: it is a bad line, whatever it was. */
		if (take_line(&reading, buffer, held - 1, name, error) < 0)
			return -1;
		held = 0;
	}
	replay->torn_bytes += held;
	if (reading.line > 0 && !reading.in_state)
		return 0;
	snprintf(error, REPLAY_ERROR_ROOM, "ledger/%s ends within its state", name);
	errno = EBADMSG;
	return -1;
}

void
replay_free(struct replay *replay)
{
	struct tail_item *item;

	while ((item = replay->tail)) {
		replay->tail = item->next;
		free(item);
	}
}
