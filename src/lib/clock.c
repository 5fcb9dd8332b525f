/* SPDX-License-Identifier: ISC */
#include "lib/clock.h"

#include <time.h>

static int64_t
read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000;
}

int64_t
clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
clock_seconds(void)
{
	return clock_monotonic() / CLOCK_SECOND;
}

int64_t
clock_utc(void)
{
	return read_clock(CLOCK_REALTIME);
}
