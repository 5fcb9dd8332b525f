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
#include "lib/walk.h"

struct reading {
	struct clients *clients;
	struct replay *replay;
	struct tail_item **tail_end;
	struct walk walk;
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
add_tail(struct reading *reading, struct queue *queue, const struct record *record, int is_reuse)
{
	struct tail_item *item = must_alloc(sizeof *item);

	item->queue = queue;
	item->seq = record->seq;
	item->number = record->n;
	item->size = record->size;
	item->is_reuse = is_reuse;
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
	struct tally *tally = &queue->figures.tally;
	int is_reuse = queue_has_used(queue, record->n);

	(void)queue_add_item(queue, record);
	if (reading->walk.in_state)
		return;
	tally->stored++;
	tally->stored_bytes += record->size;
	tally->reused += (uint64_t)is_reuse;
	if (record->time > tally->last_stored)
		tally->last_stored = record->time;
	add_tail(reading, queue, record, is_reuse);
}

void
tail_void(const struct tail_item *item)
{
	struct tally *tally = &item->queue->figures.tally;
	struct known *known =
	    queue_find(item->queue, item->number, item->inbox, item->sha256);

	if (known && known->seq == item->seq)
		queue_remove(item->queue, known);
	tally->stored--;
	tally->stored_bytes -= item->size;
	tally->reused -= (uint64_t)item->is_reuse;
}

/* Takes out what is unfinished no more. */
static void
drop_tail(struct reading *reading, struct tail_item **at)
{
	struct tail_item *item = *at;

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
	if (!*at)
		return;
	tail_void(*at);
	drop_tail(reading, at);
}

static void
on_mark(struct reading *reading, const struct record *record)
{
	struct tail_item **at = &reading->replay->tail;

	reading->replay->synced = record->synced;
	reading->replay->stored = record->stored;
	while (*at) {
		if ((*at)->seq <= record->stored)
			drop_tail(reading, at);
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

	queue->figures.tally.missing += queue_settle(queue, record->n, ignore_gap, NULL);
}

static void
on_queue(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);
	struct tally counted = queue->figures.tally;

	queue_restore(queue, record);
	/* Behind the state it is counted here, record by record. */
	if (!reading->walk.in_state)
		queue->figures.tally = counted;
}

static void
on_skip(struct reading *reading, const struct record *record)
{
	struct queue *queue = find_or_add(reading, record);

	if (queue_add_skip(queue, record->n) && !reading->walk.in_state)
		queue->figures.tally.skipped++;
}

static void
apply(struct reading *reading, const struct record *record)
{
	switch (record->type) {
	case RECORD_BEGIN:
		reading->replay->synced = reading->replay->stored = record->seq - 1;
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
	case RECORD_RENAMED: /* its client was told the first one, and is told that again */
	case RECORD_STATE:
	case RECORD_GAP:
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
	reading.tail_end = &replay->tail;
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
	struct tail_item *item;

	while ((item = replay->tail)) {
		replay->tail = item->next;
		free(item);
	}
}
