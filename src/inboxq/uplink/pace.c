/* SPDX-License-Identifier: ISC */
#include "inboxq/uplink/pace.h"

#include <stdint.h>

#define SECOND INT64_C(1000000)
#define DEPTH 10 /* the bucket is a second's worth divided by this */

static int64_t
most(const struct pace *pace)
{
	int64_t bytes = (int64_t)(pace->rate / DEPTH);

	return bytes < 2 * PACE_LEAST ? 2 * PACE_LEAST : bytes;
}

/* Below it a wake-up is not worth its cost. */
static int64_t
worth(const struct pace *pace)
{
	return most(pace) / 2;
}

static void
fill(struct pace *pace, int64_t now)
{
	int64_t span = now - pace->then < SECOND ? now - pace->then : SECOND;
	int64_t parts = span * (int64_t)pace->rate + pace->part;

	pace->then = now;
	pace->bytes += parts / SECOND;
	pace->part = parts % SECOND;
	if (pace->bytes > most(pace))
		pace->bytes = most(pace);
}

size_t
pace_room(struct pace *pace, int64_t now)
{
	if (pace->rate == 0)
		return SIZE_MAX;
	fill(pace, now);
	pace->is_empty = pace->bytes < (pace->is_empty ? worth(pace) : 1);
	if (pace->is_empty)
		return 0;
	return pace->bytes < PACE_LEAST ? PACE_LEAST : (size_t)pace->bytes;
}

void
pace_take(struct pace *pace, size_t bytes)
{
	if (pace->rate)
		pace->bytes -= (int64_t)bytes;
}

int64_t
pace_wait(const struct pace *pace)
{
	if (!pace->is_empty)
		return 0;
	return (worth(pace) - pace->bytes) * SECOND / (int64_t)pace->rate + 1;
}
