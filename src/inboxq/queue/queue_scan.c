/* SPDX-License-Identifier: ISC */
/*
 * A scan merges what stands on disk with the states known, into a new array: both
 * ascend, so it is one pass.
 *
 * Rejected: inotify, whose queue overflows just when much is added; a look at the
 * folder's time costs one call a second.
 */
#include "config.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "inboxq/queue/queue.h"
#include "inboxq/queue/queue_parts.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"

/* Whoever sets the clock neither puts a scan off nor makes one dear. */
static double
monotonic(void)
{
	return 1e-6 * (double)clock_monotonic();
}

/* Both lists ascend: numbers known keep their state, new ones wait, and those
 * gone from disk go, unless an answer is due. */
static int
merge(struct queue *queue, const struct spool_numbers *found)
{
	size_t room = queue->count + found->count;
	struct entry *merged = calloc(room ? room : 1, sizeof *merged);
	const struct entry *old = queue->entries, *end = old;
	size_t count = 0;

	if (!merged)
		return -1;
	if (queue->count) /* else `old` is NULL, to which C adds nothing, not even 0 */
		end += queue->count;
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
	queue_reset_lanes(queue, QUEUE_NEVER);
	return 0;
}

/* May queue/ hold what the last scan did not see?  A folder's time is too
 * coarse to tell two changes of one moment apart, so a young one counts as
 * changed; and a long scan is not repeated at once. */
static int
is_scan_due(struct queue *queue)
{
	struct stat st;

	if (queue->looked == 0.0)
		return 1;
	if (monotonic() - queue->looked < 10 * queue->cost)
		return 0;
	if (fstat(spool_folder(queue->spool, SPOOL_QUEUE), &st) < 0)
		return 1;
	return st.st_mtim.tv_sec != queue->seen.tv_sec ||
	    st.st_mtim.tv_nsec != queue->seen.tv_nsec || queue->was_young;
}

int
queue_scan(struct queue *queue)
{
	struct spool_numbers found = {0};
	double begin = monotonic();
	time_t now = time(NULL);
	struct stat st;
	uint64_t highest;
	int rc = -1;

	if (!is_scan_due(queue))
		return 0;
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
	queue->was_young = now - st.st_mtim.tv_sec < 2;
	queue->cost = monotonic() - begin;
	rc = 0;
out:
	spool_unlock(queue->spool);
	free(found.at);
	return rc;
}
