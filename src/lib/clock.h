/* SPDX-License-Identifier: ISC */
/* The two clocks: one that nobody sets, for waits and durations, and the time of day. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>

#define CLOCK_SECOND INT64_C(1000000) /* microseconds */

/* Microseconds since some moment; never goes back. */
int64_t clock_monotonic(void);
/* The same in whole seconds. */
int64_t clock_seconds(void);
/* Microseconds since 1970, UTC. */
int64_t clock_utc(void);

#endif
