/* SPDX-License-Identifier: ISC */
/*
 * The array is rebuilt by a scan (a merge of what stands on disk with the
 * states known) and otherwise only marked, so a number is found by bisection
 * and the next one to send by a cursor.
 */
#include "config.h"

#include "inboxq/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/history.h"
#include "inboxq/item.h"
#include "inboxq/spool.h"
#include "lib/disk.h"

enum entry_state { ENTRY_WAITING, ENTRY_SENT, ENTRY_ANSWERED, ENTRY_GONE };

struct entry {
	uint64_t n;
	union {
		int64_t due;   /* WAITING: monotonic seconds; 0: at once */
		uint64_t size; /* SENT: bytes */
	};
	enum entry_state state;
};

struct answer {
	uint64_t n, size;
	int is_refused;
};

struct queue {
	struct spool *spool;
	struct history *history;
	struct entry *entries;
	size_t count;
	size_t low;    /* nothing below it is in the queue */
	size_t cursor; /* nothing below it can be sent before `recheck` */
	int64_t recheck;
	uint64_t highest; /* number ever seen */
	struct answer *batch;
	size_t batch_count, batch_room;
	struct queue_counts counts;
	/* The last scan: the folder's time then, and what the scan cost. */
	struct timespec seen, looked;
	double cost;
};

struct queue *
queue_new(struct spool *spool, struct history *history)
{
	struct queue *queue = calloc(1, sizeof *queue);

	if (queue) {
		queue->spool = spool;
		queue->history = history;
		queue->recheck = QUEUE_NEVER;
	}
	return queue;
}

void
queue_free(struct queue *queue)
{
	if (!queue)
		return;
	free(queue->entries);
	free(queue->batch);
	free(queue);
}

static double
seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

/* Both lists ascend: numbers known keep their state, new ones wait, and those
 * gone from disk go, unless an answer is due. */
static int
merge(struct queue *queue, const struct spool_numbers *found)
{
	size_t room = queue->count + found->count;
	struct entry *merged = calloc(room ? room : 1, sizeof *merged);
	const struct entry *old = queue->entries, *end = old + queue->count;
	size_t count = 0;

	if (!merged)
		return -1;
	queue->counts.waiting = 0;
	for (size_t i = 0; i <= found->count; i++) {
		uint64_t n = i < found->count ? found->at[i] : UINT64_MAX;

		for (; old < end && old->n < n; old++)
			if (old->state == ENTRY_SENT || old->state == ENTRY_ANSWERED)
				merged[count++] = *old;
		if (i == found->count)
			break;
		if (old < end && old->n == n) {
			merged[count] = *old++;
			if (merged[count].state == ENTRY_GONE) {
				merged[count].state = ENTRY_WAITING;
				merged[count].due = 0;
			}
		} else {
			merged[count].n = n;
		}
		queue->counts.waiting += merged[count].state == ENTRY_WAITING;
		count++;
	}
	free(queue->entries);
	queue->entries = merged;
	queue->count = count;
	queue->low = 0;
	queue->cursor = 0;
	queue->recheck = QUEUE_NEVER;
	return 0;
}

/* May queue/ hold what the last scan did not see?  A folder's time is too
 * coarse to tell two changes of one moment apart, so a young one counts as
 * changed; and a long scan is not repeated at once. */
static int
is_scan_due(struct queue *queue)
{
	struct stat st;

	if (queue->looked.tv_sec == 0)
		return 1;
	if (seconds_since(&queue->looked) < 10 * queue->cost)
		return 0;
	if (fstat(spool_folder(queue->spool, SPOOL_QUEUE), &st) < 0)
		return 1;
	return st.st_mtim.tv_sec != queue->seen.tv_sec ||
	    st.st_mtim.tv_nsec != queue->seen.tv_nsec ||
	    queue->looked.tv_sec - queue->seen.tv_sec < 2;
}

int
queue_scan(struct queue *queue)
{
	struct spool_numbers found = {0};
	struct timespec begin;
	struct stat st;
	uint64_t highest;
	int rc = -1;

	if (!is_scan_due(queue))
		return 0;
	clock_gettime(CLOCK_REALTIME, &begin);
	if (spool_lock(queue->spool) < 0)
		return -1;
	if (fstat(spool_folder(queue->spool, SPOOL_QUEUE), &st) < 0 ||
	    spool_list(queue->spool, SPOOL_QUEUE, &found) < 0 ||
	    spool_highest(queue->spool, &highest) < 0)
		goto out;
	if (disk_sync_dir(spool_folder(queue->spool, SPOOL_QUEUE)) < 0)
		goto out;
	/* Here, once a scan, rather than before each batch of answers: what is in the
	 * queue now may leave it from here on. */
	if (found.count && spool_raise_last(queue->spool, found.at[found.count - 1]) < 0)
		goto out;
	if (merge(queue, &found) < 0)
		goto out;
	queue->highest = highest;
	queue->looked = begin;
	queue->seen = st.st_mtim;
	queue->cost = seconds_since(&begin);
	rc = 0;
out:
	spool_unlock(queue->spool);
	free(found.at);
	return rc;
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
queue_next(struct queue *queue, int64_t now)
{
	if (now >= queue->recheck) {
		queue->cursor = queue->low;
		queue->recheck = QUEUE_NEVER;
	}
	for (; queue->cursor < queue->count; queue->cursor++) {
		const struct entry *entry = &queue->entries[queue->cursor];

		if (entry->state != ENTRY_WAITING)
			continue;
		if (entry->due <= now)
			return entry->n;
		if (entry->due < queue->recheck)
			queue->recheck = entry->due;
	}
	return 0;
}

static void
set_waiting(struct queue *queue, struct entry *entry, int64_t due)
{
	entry->state = ENTRY_WAITING;
	entry->due = due;
	queue->counts.waiting++;
	if (due < queue->recheck)
		queue->recheck = due;
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
	}
	queue->recheck = 0;
}

/* Moves the entry into the batch. */
static int
add_answer(struct queue *queue, struct entry *entry, uint64_t size, int is_refused)
{
	if (queue->batch_count == queue->batch_room) {
		size_t room = queue->batch_room ? 2 * queue->batch_room : 64;
		struct answer *more = realloc(queue->batch, room * sizeof *more);

		if (!more)
			return -1;
		queue->batch = more;
		queue->batch_room = room;
	}
	queue->batch[queue->batch_count++] = (struct answer){entry->n, size, is_refused};
	leave_state(queue, entry);
	entry->state = ENTRY_ANSWERED;
	queue->counts.answered++;
	return 0;
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
	if (item_write_reason(queue->spool, n, reason) < 0)
		return -1;
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

int
queue_commit(struct queue *queue)
{
	size_t done = 0;
	int moved = 0, rc = history_sync(queue->history);

	for (; rc == 0 && done < queue->batch_count; done++) {
		const struct answer *answer = &queue->batch[done];
		struct entry *entry = find(queue, answer->n);

		rc = carry_out(queue, answer);
		if (rc < 0)
			break;
		if (entry)
			entry->state = ENTRY_GONE;
		queue->counts.stored += !answer->is_refused;
		queue->counts.refused += (uint64_t)answer->is_refused;
		queue->counts.stored_bytes += answer->is_refused ? 0 : answer->size;
		moved |= answer->is_refused;
	}
	for (size_t i = done; i < queue->batch_count; i++) {
		struct entry *entry = find(queue, queue->batch[i].n);
		if (entry)
			set_waiting(queue, entry, 0);
	}
	queue->batch_count = 0;
	queue->counts.answered = 0;
	skip_gone(queue);
	if (rc == 0 && moved)
		rc = disk_sync_dir(spool_folder(queue->spool, SPOOL_FAILED));
	return rc;
}

int
queue_sync(struct queue *queue)
{
	return disk_sync_dir(spool_folder(queue->spool, SPOOL_QUEUE));
}
