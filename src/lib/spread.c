/* SPDX-License-Identifier: ISC */
#include "lib/spread.h"

#include <unistd.h>

#include "lib/clock.h"
#include "lib/mix.h"

#define A_SECOND 250 /* connections: handshakes cost more than anything else */

void
spread_begin(struct spread *spread)
{
	if (getentropy(&spread->state, sizeof spread->state) < 0)
		spread->state = (uint64_t)clock_utc() ^ (uint64_t)getpid() << 32;
}

/* SplitMix64: enough for lots, of which nothing depends on not being guessed. */
static uint64_t
next(struct spread *spread)
{
	spread->state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(spread->state);
}

uint64_t
spread_draw(struct spread *spread, uint64_t low, uint64_t high)
{
	return low + next(spread) % (high - low + 1);
}

uint64_t
spread_wait(struct spread *spread, uint64_t wait)
{
	return spread_draw(spread, wait, wait + wait / 4);
}

uint64_t
spread_crowd(struct spread *spread, uint64_t connections)
{
	return spread_draw(spread, 0, connections / A_SECOND);
}
