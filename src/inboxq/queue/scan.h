/* SPDX-License-Identifier: ISC */
/*
 * What stands in queue/, taken over into the schedule: the folder as a whole, now and then;
 * or what somebody heard has come and gone (wake.h); and what the items' headers say.
 */
#ifndef INBOXQ_QUEUE_SCAN_H
#define INBOXQ_QUEUE_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/seen.h"

struct schedule;
struct spool;
struct spool_item;

/* The last look, zeroed before the first; when it began (monotonic) and what it cost, seconds. */
struct scan {
	struct seen seen;
	int is_wanted; /* it is due whatever the folder's time: what has come was not heard of */
	double looked, cost;
	size_t strays; /* of which the log has told */
};

/*
 * Looks at queue/ if it may have changed: under the spool's lock, so that no
 * number is still to come below one that is seen; and syncs queue/, so that
 * nothing is sent whose number could be given again after a crash.  What killed adds have
 * left in tmp/ is swept out behind that.  0, or -1 with errno set.
 */
MUST_CHECK int scan_queue(struct scan *scan, struct spool *spool, struct schedule *schedule);

struct scan_news {
	uint64_t n;
	int has_gone; /* else it has come */
};

/*
 * Takes over what has come and gone, in that order: numbers are given upwards, so none is to
 * come below one that is here.  It costs the same however many wait; what has come is synced
 * as by scan_queue().  0, or -1 with errno set.
 */
MUST_CHECK int scan_take(struct spool *spool, struct schedule *schedule,
    const struct scan_news *news, size_t count);

/*
 * Reads the headers of items of which nothing is known, as many as a moment allows.  How many
 * there were; 0: all are known, or we lack what it takes to read one (descriptors).  An item that
 * is itself to blame is taken for known: who sends it sets it aside.
 */
unsigned scan_learn(const struct spool *spool, struct schedule *schedule);
/* Somebody else has read this one's. */
void scan_tell(struct schedule *schedule, uint64_t n, const struct spool_item *item);

#endif
