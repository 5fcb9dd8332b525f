/* SPDX-License-Identifier: ISC */
/* The two clocks: one that nobody sets, for waits and durations, and the time of day. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000) /* microseconds */

/* Microseconds since some moment, on Linux since the machine was started; never goes back.  While
 * the machine sleeps it stands still, but behind clock_count_sleep(). */
int64_t clock_monotonic(void);
/* The same in whole seconds. */
int64_t clock_seconds(void);
/* For a program whose waits may be as long as a night: from here on clock_monotonic() goes on while
 * the machine sleeps, where the system can tell.  Before other threads begin. */
void clock_count_sleep(void);
/* Microseconds since 1970, UTC. */
int64_t clock_utc(void);

#endif
