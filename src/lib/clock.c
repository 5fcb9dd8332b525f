/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/clock.h"

#include <time.h>

static clockid_t steady = CLOCK_MONOTONIC;

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
	return read_clock(steady);
}

void
clock_count_sleep(void)
{
#ifdef CLOCK_BOOTTIME
	struct timespec now;

	if (clock_gettime(CLOCK_BOOTTIME, &now) == 0)
		steady = CLOCK_BOOTTIME;
#endif
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
