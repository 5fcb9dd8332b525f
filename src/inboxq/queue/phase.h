/* SPDX-License-Identifier: ISC */
/*
 * When a client shows up that has nothing to send: at a time of its own in each period, by what
 * it is called.  So a fleet is spread evenly, whatever stopped or started it, and each client
 * keeps its time.
 *
 * Rejected: a lot each time.  It spreads as well, but nobody can tell a client that is late from
 * one that has drawn badly.
 */
#ifndef INBOXQ_QUEUE_PHASE_H
#define INBOXQ_QUEUE_PHASE_H

#include <stdint.h>

/* Of all clients this one: by the name in its certificate and its queue, since a fleet may have
 * one certificate. */
uint64_t phase_own(const char *identity, const char *queue);
/* From `utc` on, how long it is until its time comes; both, and the period, which is not 0, in
 * microseconds. */
int64_t phase_wait(uint64_t phase, int64_t utc, uint64_t period);

#endif
