/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/queue/scan.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "inboxq/queue/schedule.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"

/* Whoever sets the clock neither puts a scan off nor makes one dear. */
static double
monotonic(void)
{
	return 1e-6 * (double)clock_monotonic();
}

/* May queue/ hold what the last scan did not see?  A folder's time is too
 * coarse to tell two changes of one moment apart, so a young one counts as
 * changed; and a long scan is not repeated at once. */
static int
is_due(const struct scan *scan, const struct spool *spool)
{
	struct stat st;

	if (scan->looked == 0.0)
		return 1;
	if (monotonic() - scan->looked < 10 * scan->cost)
		return 0;
	if (fstat(spool_folder(spool, SPOOL_QUEUE), &st) < 0)
		return 1;
	return st.st_mtim.tv_sec != scan->seen.tv_sec ||
	    st.st_mtim.tv_nsec != scan->seen.tv_nsec || scan->was_young;
}

int
scan_queue(struct scan *scan, struct spool *spool, struct schedule *schedule)
{
	struct spool_numbers found = {0};
	double begin = monotonic();
	time_t now = time(NULL);
	struct stat st;
	uint64_t highest;
	int rc = -1;

	if (!is_due(scan, spool))
		return 0;
	if (spool_lock(spool) < 0)
		return -1;
	if (fstat(spool_folder(spool, SPOOL_QUEUE), &st) < 0 ||
	    spool_list(spool, SPOOL_QUEUE, &found) < 0 || spool_highest(spool, &highest) < 0)
		goto out;
	if (disk_sync_dir(spool_folder(spool, SPOOL_QUEUE)) < 0)
		goto out;
	/* Here, once a scan, rather than before each batch of answers: what is in the
	 * queue now may leave it from here on. */
	if (found.count && spool_raise_last(spool, found.at[found.count - 1]) < 0)
		goto out;
	if (schedule_merge(schedule, found.at, found.count, highest) < 0)
		goto out;
	scan->looked = begin;
	scan->seen = st.st_mtim;
	scan->was_young = now - st.st_mtim.tv_sec < 2;
	scan->cost = monotonic() - begin;
	rc = 0;
out:
	spool_unlock(spool);
	free(found.at);
	/* Here, and not at the start alone: as long as items come, so may drafts that no one
	 * finishes. */
	if (rc == 0)
		spool_sweep(spool);
	return rc;
}
