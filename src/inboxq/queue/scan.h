/* SPDX-License-Identifier: ISC */
/*
 * What stands in queue/, looked at now and then.
 *
 * Rejected: inotify, whose queue overflows just when much is added; a look at the
 * folder's time costs one call a second.
 */
#ifndef INBOXQ_QUEUE_SCAN_H
#define INBOXQ_QUEUE_SCAN_H

#include <time.h>

#include "lib/attr.h"

struct schedule;
struct spool;

/* The last look, zeroed before the first: the folder's time then, and whether that was
 * young; when it began (monotonic) and what it cost, seconds. */
struct scan {
	struct timespec seen;
	int was_young;
	double looked, cost;
};

/*
 * Looks at queue/ if it may have changed: under the spool's lock, so that no
 * number is still to come below one that is seen; and syncs queue/, so that
 * nothing is sent whose number could be given again after a crash.  What killed adds have
 * left in tmp/ is swept out behind that.  0, or -1 with errno set.
 */
MUST_CHECK int scan_queue(struct scan *scan, struct spool *spool, struct schedule *schedule);

#endif
