/* SPDX-License-Identifier: ISC */
/*
 * How long to leave a server alone that did not do.  What it is at most doubles from thrice
 * [server] retry-min to retry-max, and of that it is any part, by lot: a fleet whose receiver
 * stops sees that in one moment, and the wider the range, the thinner it comes back.
 *
 * Rejected: a range that begins higher each time, which is as wide as its end is high and no
 * wider: those who wait longest for their server would come back in half of that time.
 */
#ifndef INBOXQ_QUEUE_BACKOFF_H
#define INBOXQ_QUEUE_BACKOFF_H

#include <stdint.h>

#include "lib/spread.h"

struct backoff {
	uint64_t wait; /* seconds, before the lot: the next one */
};

/* The next wait, in microseconds, `min` and `max` being in seconds: from `min` to thrice what
 * the wait is, but never above `max`. */
uint64_t backoff_next(struct backoff *backoff, struct spread *spread, uint64_t min, uint64_t max);

#endif
