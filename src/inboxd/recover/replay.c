/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inboxd/base/fatal.h"
#include "inboxd/commit/missing.h"
#include "lib/walk.h"

struct reading {
	struct clients *clients;
	struct replay *replay;
	struct walk walk;
	int64_t since; /* of the gap records that a settled record is to follow */
};

static struct queue *
find_or_add(struct clients *clients, const struct record *record)
{
	struct queue *queue = clients_find(clients, record->identity, record->queue);

	/* A queue whose own record was torn off still counts from its mark. */
	return queue ? queue : clients_add(clients, record->identity, record->queue, 1);
}

/* ---- the tail */

void
replay_describe(struct clients *clients, const struct record *record, struct tail_item *out)
{
	memset(out, 0, sizeof *out);
	out->queue = find_or_add(clients, record);
	out->seq = record->seq;
	out->number = record->n;
	out->size = record->size;
	memcpy(out->sha256, record->sha256, DIGEST_SIZE);
	snprintf(out->inbox, sizeof out->inbox, "%s", record->inbox);
	snprintf(out->name, sizeof out->name, "%s", record->name);
}

static struct tail_item *
grow_tail(struct replay *replay)
{
	replay->tail = must_grow(replay->tail, replay->count, &replay->room, sizeof *replay->tail);
	return &replay->tail[replay->count++];
}

struct tail_item *
replay_add(struct replay *replay, struct clients *clients, const struct record *record)
{
	struct tail_item *item = grow_tail(replay);
	struct tally *tally;

	replay_describe(clients, record, item);
	queue_hold(item->queue);
	item->is_reuse = queue_has_used(item->queue, record->n);
	(void)missing_end(item->queue, record->n, &item->was);
	(void)queue_add_item(item->queue, record);
	tally = &item->queue->figures.tally;
	tally->stored++;
	tally->stored_bytes += record->size;
	tally->reused += (uint64_t)item->is_reuse;
	if (record->time > tally->last_stored)
		tally->last_stored = record->time;
	replay->next_seq = record->seq + 1;
	return item;
}

struct tail_item *
replay_find(const struct replay *replay, uint64_t seq)
{
	size_t low = replay->first, high = replay->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (replay->tail[middle].seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low < replay->count && replay->tail[low].seq == seq ? &replay->tail[low] : NULL;
}

static void
on_accept(struct reading *reading, const struct record *record)
{
	if (reading->walk.in_state)
		(void)queue_add_item(find_or_add(reading->clients, record), record);
	else
		replay_add(reading->replay, reading->clients, record)->end = reading->walk.offset;
}

void
tail_void(struct tail_item *item)
{
	struct tally *tally = &item->queue->figures.tally;

	item->is_void = 1;
	(void)queue_void(item->queue, item->number, item->inbox, item->sha256, item->seq);
	tally->stored--;
	tally->stored_bytes -= item->size;
	tally->reused -= (uint64_t)item->is_reuse;
	if (item->was.count > 0)
		missing_undo(item->queue, &item->was);
}

static void
on_void(struct reading *reading, uint64_t seq)
{
	struct tail_item *item = replay_find(reading->replay, seq);

	if (item && !item->is_void)
		tail_void(item);
}

/* Its client was told the first name, and is told that again. */
static void
on_renamed(struct reading *reading, uint64_t seq)
{
	struct tail_item *item = replay_find(reading->replay, seq);

	if (item)
		item->is_renamed = 1;
}

/* The mark lags behind in a busy ledger, all of which would be here else.  Half of what is kept at
 * most is moved, and as much goes. */
static void
drop_covered(struct replay *replay)
{
	size_t left = replay->count - replay->first;

	if (replay->first < left)
		return;
	if (left > 0)
		memmove(replay->tail, &replay->tail[replay->first], left * sizeof *replay->tail);
	replay->first = 0;
	replay->count = left;
}

static void
on_mark(struct reading *reading, const struct record *record)
{
	struct replay *replay = reading->replay;

	replay->synced = record->synced;
	replay->stored = record->stored;
	while (replay->first < replay->count &&
	    replay->tail[replay->first].seq <= record->stored) {
		struct tail_item *item = &replay->tail[replay->first++];
		replay->synced_bytes = item->end;
		queue_release(item->queue);
	}
	drop_covered(replay);
}

static void
on_begin(struct replay *replay, const struct record *record)
{
	replay->version = record->version;
	replay->first_seq = record->seq;
	memcpy(replay->journal, record->journal, sizeof replay->journal);
	/* Before there was a journal a segment was begun when all was stored. */
	if (record->version < RECORD_VERSION_JOURNAL)
		replay->synced = replay->stored = record->seq - 1;
}

static void
on_missing(void *ctx, struct queue *queue, uint64_t first, uint64_t last)
{
	const struct reading *reading = ctx;

	missing_add(queue, first, last, reading->since);
}

static void
on_settled(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading->clients, record);

	queue->figures.tally.missing += queue_settle(queue, record->n, on_missing, reading);
	reading->since = 0;
}

/* What a settled record makes missing is found by that record alone, which may be torn off. */
static void
on_gap(struct reading *reading, const struct record *record)
{
	struct queue *queue = clients_find(reading->clients, record->identity, record->queue);
	uint64_t count;

	if (!queue)
		return;
	if (record->kept)
		missing_restore(queue, record);
	else if (record->known)
		(void)missing_confirm(queue, record->n, record->to, &count);
	else
		reading->since = record->since;
}

/* None is while an item of it is in the tail: a record that says so is not ours, and the queue
 * stays known. */
static void
on_forgotten(struct reading *reading, const struct record *record)
{
	struct queue *queue = clients_find(reading->clients, record->identity, record->queue);

	if (queue && queue->holds == 0)
		clients_remove(reading->clients, queue);
}

static void
on_queue(struct reading *reading, const struct record *record)
{
	struct queue *queue;
	struct tally counted;

	if (record->forgotten) {
		on_forgotten(reading, record);
		return;
	}
	queue = find_or_add(reading->clients, record);
	counted = queue->figures.tally;
	queue_restore(queue, record);
	if (reading->walk.in_state)
		return;
	/* Behind the state it is counted here, record by record, but for what has none. */
	counted.again = record->figures.tally.again;
	counted.later = record->figures.tally.later;
	counted.refused = record->figures.tally.refused;
	queue->figures.tally = counted;
}

static void
on_skip(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading->clients, record);

	struct gap was;

	if (missing_end(queue, record->n, &was) ||
	    (queue_add_skip(queue, record->n) && !reading->walk.in_state))
		queue->figures.tally.skipped++;
}

static void
apply(struct reading *reading, const struct record *record)
{
	switch (record->type) {
	case RECORD_BEGIN:
		on_begin(reading->replay, record);
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
	case RECORD_RENAMED:
		on_renamed(reading, record->seq);
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
	case RECORD_STATE:
		reading->replay->synced_bytes = reading->walk.offset;
		break;
	case RECORD_GAP:
		on_gap(reading, record);
		break;
	case RECORD_TYPES:
		break;
	}
	if (record->age > reading->replay->age)
		reading->replay->age = record->age;
	reading->replay->records++;
}

/* How far it is whole, and what is left of it. */
static int
measure(struct reading *reading, int fd)
{
	struct replay *replay = reading->replay;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	replay->next_seq = reading->walk.next_seq;
	replay->good_bytes = reading->walk.offset;
	replay->torn_bytes = (uint64_t)st.st_size - replay->good_bytes;
	return 0;
}

int
replay_segment(int fd, const char *name, struct clients *clients, struct replay *replay,
    struct why *error)
{
	struct reading reading = {.clients = clients, .replay = replay};
	struct record record;
	enum walk_step step;

	memset(replay, 0, sizeof *replay);
	walk_start(&reading.walk, fd, name, NULL);
	while ((step = walk_next(&reading.walk, &record)) == WALK_RECORD)
		apply(&reading, &record);
	if (step == WALK_DAMAGED || step == WALK_FAILED) {
		*error = reading.walk.why;
		errno = step == WALK_DAMAGED ? EBADMSG : errno;
		return -1;
	}
	if (measure(&reading, fd) == 0)
		return 0;
	return why_say(error, "ledger/%s: fstat: %s", name, strerror(errno));
}

void
replay_free(struct replay *replay)
{
	for (size_t i = replay->first; i < replay->count; i++)
		queue_release(replay->tail[i].queue);
	free(replay->tail);
	replay->tail = NULL;
	replay->first = replay->count = 0;
}
