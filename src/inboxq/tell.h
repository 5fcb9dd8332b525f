/* SPDX-License-Identifier: ISC */
/*
 * What a runner tells of itself: to its supervisor (sd_notify(3): ready, a status line, the
 * watchdog), and in run.state to whoever asks.  A second late at most, and only when something has
 * changed, so that a client with nothing to do writes nothing.
 */
#ifndef INBOXQ_TELL_H
#define INBOXQ_TELL_H

#include "lib/attr.h"

struct cycle;
struct ends;
struct schedule;
struct spool;
struct tell;

/* Borrows all.  `once`: one cycle, which is no supervisor's business.  NULL: out of memory.  That
 * run.state cannot be made is logged, and no more. */
MUST_CHECK struct tell *tell_new(const struct spool *spool, const struct schedule *schedule,
    const struct ends *ends, int once);
void tell_free(struct tell *tell);

/* The loop runs. */
void tell_ready(struct tell *tell);
/* To be called every second. */
void tell_tick(struct tell *tell, const struct cycle *cycle);
/* Somebody wants it to try now; before cycle_hurry(). */
void tell_hurried(struct tell *tell, const struct cycle *cycle);
/* A reload has begun; it is over, and `error` says why it was not taken, or is "". */
void tell_reloading(struct tell *tell);
void tell_reloaded(struct tell *tell, const char *error);
void tell_stopping(struct tell *tell);
/* The last word. */
void tell_ended(struct tell *tell, const struct cycle *cycle);

#endif
