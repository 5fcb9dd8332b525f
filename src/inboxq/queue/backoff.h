/* SPDX-License-Identifier: ISC */
/*
 * How long to wait between two copy cycles.  It doubles from [server] retry-min to retry-max, and
 * is drawn by lot, since a fleet whose receiver stops sees that in one moment.
 */
#ifndef INBOXQ_QUEUE_BACKOFF_H
#define INBOXQ_QUEUE_BACKOFF_H

#include <stdint.h>

#include "lib/spread.h"

struct backoff {
	struct spread spread;
	uint64_t wait; /* seconds, before the lot: the next one */
};

/* Before the first cycle of a runner: microseconds, up to `min` seconds. */
uint64_t backoff_first(struct backoff *backoff, uint64_t min);
/* The next one, in microseconds, `min` and `max` being in seconds: from the wait to three times
 * that, but up to `max`, and near that from half of it; never less than `min`. */
uint64_t backoff_next(struct backoff *backoff, uint64_t min, uint64_t max);
/* What a server asked for, microseconds, or up to a quarter more. */
uint64_t backoff_asked(struct backoff *backoff, uint64_t seconds);

#endif
