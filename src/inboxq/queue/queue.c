/* SPDX-License-Identifier: ISC */
/*
 * The array is rebuilt by a scan (queue_scan.c) and otherwise only marked, so a
 * number is found by bisection and a lane's next one to send by a cursor.
 */
#include "config.h"

#include "inboxq/queue/queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/history.h"
#include "inboxq/spool/item.h"
#include "inboxq/queue/queue_parts.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

#define STUCK_SECONDS 60 /* until an item that could not leave the spool is tried again */

void
queue_reset_lanes(struct queue *queue, int64_t recheck)
{
	for (size_t i = 0; i < QUEUE_LANES; i++) {
		queue->lanes[i].cursor = 0;
		queue->lanes[i].recheck = recheck;
	}
}

struct queue *
queue_new(struct spool *spool, struct history *history)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue) {
		queue->spool = spool;
		queue->history = history;
		queue_reset_lanes(queue, QUEUE_NEVER);
	}
	return queue;
}

void
queue_be_patient(struct queue *queue)
{
	queue->is_patient = 1;
}

void
queue_free(struct queue *queue)
{
	if (!queue)
		return;
	free(queue->entries);
	free(queue);
}

static struct entry *
find(const struct queue *queue, uint64_t n)
{
	size_t low = 0, high = queue->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (queue->entries[middle].n == n)
			return &queue->entries[middle];
		if (queue->entries[middle].n < n)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void
skip_gone(struct queue *queue)
{
	while (queue->low < queue->count && queue->entries[queue->low].state == ENTRY_GONE)
		queue->low++;
}

int
queue_holds(const struct queue *queue, uint64_t n)
{
	const struct entry *entry = find(queue, n);

	return entry && entry->state != ENTRY_GONE;
}

uint64_t
queue_first(const struct queue *queue)
{
	return queue->low < queue->count ? queue->entries[queue->low].n : 0;
}

uint64_t
queue_settled(const struct queue *queue)
{
	return queue->low < queue->count ? queue->entries[queue->low].n : queue->highest + 1;
}

const struct queue_counts *
queue_counts(const struct queue *queue)
{
	return &queue->counts;
}

uint64_t
queue_next(struct queue *queue, enum queue_lane which, int64_t now)
{
	struct lane *lane = &queue->lanes[which];

	if (now >= lane->recheck) {
		lane->cursor = queue->low;
		lane->recheck = QUEUE_NEVER;
	}
	for (; lane->cursor < queue->count; lane->cursor++) {
		const struct entry *entry = &queue->entries[lane->cursor];

		if (entry->state != ENTRY_WAITING || entry->lane != which)
			continue;
		if (entry->due <= now)
			return entry->n;
		if (entry->due < lane->recheck)
			lane->recheck = entry->due;
	}
	return 0;
}

int64_t
queue_due(const struct queue *queue)
{
	int64_t small = queue->lanes[QUEUE_SMALL].recheck;
	int64_t large = queue->lanes[QUEUE_LARGE].recheck;

	return small < large ? small : large;
}

void
queue_set_lane(struct queue *queue, uint64_t n, enum queue_lane lane)
{
	struct entry *entry = find(queue, n);
	size_t at;

	if (!entry)
		return;
	at = (size_t)(entry - queue->entries);
	entry->lane = (uint8_t)lane;
	if (at < queue->lanes[lane].cursor)
		queue->lanes[lane].cursor = at;
}

int
queue_fix_lane(struct queue *queue, uint64_t n, enum queue_lane lane)
{
	struct entry *entry = find(queue, n);

	if (!entry || entry->is_fixed)
		return 0;
	queue_set_lane(queue, n, lane);
	entry->is_fixed = 1;
	return 1;
}

int
queue_is_lane_fixed(const struct queue *queue, uint64_t n)
{
	const struct entry *entry = find(queue, n);

	return entry && entry->is_fixed;
}

unsigned
queue_count_busy(struct queue *queue, uint64_t n)
{
	struct entry *entry = find(queue, n);

	if (!entry)
		return 0;
	if (entry->busy < UINT8_MAX)
		entry->busy++;
	return entry->busy;
}

static void
set_waiting(struct queue *queue, struct entry *entry, int64_t due)
{
	entry->state = ENTRY_WAITING;
	entry->due = due;
	queue->counts.waiting++;
	if (due < queue->lanes[entry->lane].recheck)
		queue->lanes[entry->lane].recheck = due;
}

/* An entry stops being what it is; who calls says what it becomes. */
static void
leave_state(struct queue *queue, const struct entry *entry)
{
	if (entry->state == ENTRY_WAITING)
		queue->counts.waiting--;
	else if (entry->state == ENTRY_SENT)
		queue->counts.sent--;
}

void
queue_mark_sent(struct queue *queue, uint64_t n, uint64_t size)
{
	struct entry *entry = find(queue, n);

	if (!entry || entry->state != ENTRY_WAITING)
		return;
	leave_state(queue, entry);
	entry->state = ENTRY_SENT;
	entry->size = size;
	queue->counts.sent++;
}

int
queue_is_sent(const struct queue *queue, uint64_t n, uint64_t *size)
{
	const struct entry *entry = find(queue, n);

	if (!entry || entry->state != ENTRY_SENT)
		return 0;
	*size = entry->size;
	return 1;
}

void
queue_put_off(struct queue *queue, uint64_t n, int64_t due)
{
	struct entry *entry = find(queue, n);

	if (!entry || (entry->state != ENTRY_SENT && entry->state != ENTRY_WAITING))
		return;
	leave_state(queue, entry);
	set_waiting(queue, entry, due);
}

void
queue_forget(struct queue *queue, uint64_t n)
{
	struct entry *entry = find(queue, n);

	if (!entry)
		return;
	leave_state(queue, entry);
	entry->state = ENTRY_GONE;
	skip_gone(queue);
}

void
queue_take_back(struct queue *queue)
{
	for (size_t i = queue->low; i < queue->count; i++) {
		struct entry *entry = &queue->entries[i];

		if (entry->state == ENTRY_SENT ||
		    (entry->state == ENTRY_WAITING && entry->due == QUEUE_NEVER)) {
			leave_state(queue, entry);
			set_waiting(queue, entry, 0);
		}
		entry->lane = QUEUE_SMALL;
		entry->is_fixed = 0;
		entry->busy = 0;
	}
	queue_reset_lanes(queue, 0);
}

/* Moves the entry into the batch. */
static int
add_answer(struct queue *queue, struct entry *entry, uint64_t size, int is_refused)
{
	queue->batch[queue->batch_count++] = (struct answer){entry->n, size, is_refused};
	leave_state(queue, entry);
	entry->state = ENTRY_ANSWERED;
	queue->counts.answered++;
	return queue->batch_count == QUEUE_BATCH ? queue_commit(queue) : 0;
}

/* What became of it stands in sent.log or is to be said again: the item stays for now. */
static void
keep(struct queue *queue, struct entry *entry)
{
	log_event(LOG_ERR, "item_stuck", "n=%" PRIu64 " error=\"%s\"", entry->n, strerror(errno));
	leave_state(queue, entry);
	set_waiting(queue, entry,
	    queue->is_patient ? clock_monotonic() / CLOCK_SECOND + STUCK_SECONDS : QUEUE_NEVER);
}

/* The header, for sent.log; an item that an operator removed meanwhile, or whose
 * header is damaged, has none. */
static void
read_header(const struct queue *queue, uint64_t n, struct spool_item *item)
{
	char why[SPOOL_WHY_ROOM];
	int fd = item_open(queue->spool, SPOOL_QUEUE, n, item, why);

	if (fd >= 0)
		close(fd);
}

int
queue_stored(struct queue *queue, uint64_t n, const char *host, const char *name)
{
	struct entry *entry = find(queue, n);
	struct spool_item item;

	if (!entry)
		return 0;
	read_header(queue, n, &item);
	if (history_add(queue->history, n, HISTORY_STORED, host, name, &item) < 0)
		return -1;
	return add_answer(queue, entry, item.size, 0);
}

int
queue_refused(struct queue *queue, uint64_t n, const char *host, const char *code,
    const char *text)
{
	struct entry *entry = find(queue, n);
	char reason[SPOOL_REASON_MAX];
	struct spool_item item;

	if (!entry || entry->state == ENTRY_ANSWERED || entry->state == ENTRY_GONE)
		return 0;
	snprintf(reason, sizeof reason, "%s: %s (%s)", code, text, host ? host : "set aside here");
	if (item_write_reason(queue->spool, n, reason) < 0) {
		keep(queue, entry);
		return 0;
	}
	read_header(queue, n, &item);
	if (history_add(queue->history, n, HISTORY_REFUSED, host, code, &item) < 0)
		return -1;
	return add_answer(queue, entry, item.size, 1);
}

/* One item leaves queue/. */
static int
carry_out(struct queue *queue, const struct answer *answer)
{
	if (!answer->is_refused)
		return item_delete(queue->spool, SPOOL_QUEUE, answer->n);
	if (item_set_aside(queue->spool, answer->n) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	/* An operator removed it meanwhile. */
	item_drop_reason(queue->spool, answer->n);
	return 0;
}

static void
end_batch(struct queue *queue)
{
	queue->batch_count = 0;
	queue->counts.answered = 0;
	skip_gone(queue);
}

/* All of it is to be sent again. */
static void
drop_batch(struct queue *queue)
{
	for (size_t i = 0; i < queue->batch_count; i++) {
		struct entry *entry = find(queue, queue->batch[i].n);

		if (entry)
			set_waiting(queue, entry, 0);
	}
	end_batch(queue);
}

int
queue_commit(struct queue *queue)
{
	int moved = 0;

	if (history_sync(queue->history) < 0) {
		drop_batch(queue);
		return -1;
	}
	for (size_t i = 0; i < queue->batch_count; i++) {
		const struct answer *answer = &queue->batch[i];
		struct entry *entry = find(queue, answer->n);

		if (carry_out(queue, answer) < 0) {
			if (entry)
				keep(queue, entry);
			continue;
		}
		if (entry)
			entry->state = ENTRY_GONE;
		queue->counts.stored += !answer->is_refused;
		queue->counts.refused += (uint64_t)answer->is_refused;
		queue->counts.stored_bytes += answer->is_refused ? 0 : answer->size;
		moved |= answer->is_refused;
	}
	end_batch(queue);
	/* In this order an item is in one of the two whatever happens; and it has left
	 * queue/ for good before SKIP says so. */
	if (moved && disk_sync_dir(spool_folder(queue->spool, SPOOL_FAILED)) < 0)
		return -1;
	return moved ? queue_sync(queue) : 0;
}

int
queue_sync(struct queue *queue)
{
	return disk_sync_dir(spool_folder(queue->spool, SPOOL_QUEUE));
}
