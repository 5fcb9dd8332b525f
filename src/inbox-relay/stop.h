/* SPDX-License-Identifier: ISC */
/*
 * Waiting, such that SIGTERM and SIGINT end it.  Who is at work on a batch when they come has
 * STOP_GRACE more, so that what an engine is about to say is still heard; what it does not say by
 * then is claimed, and the next start's.
 */
#ifndef INBOX_RELAY_STOP_H
#define INBOX_RELAY_STOP_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/clock.h"

#define STOP_GRACE (5 * CLOCK_SECOND)

/* Takes the signals over.  0, or -1 with errno. */
MUST_CHECK int stop_begin(void);
/* The signal that has come; 0: none has. */
int stop_asked(void);
/* Waits up to so many microseconds, or until the stop. */
void stop_sleep(int64_t span);
/* The deadline, of clock_monotonic(), or the end of the grace where that is earlier. */
int64_t stop_deadline(int64_t deadline);
/* Waits until `fd` has one of these events of poll(2), until `deadline` of clock_monotonic(), or
 * until the grace is over.  1: it has; 0: it has not; -1 with errno. */
MUST_CHECK int stop_wait(int fd, short events, int64_t deadline);

#endif
