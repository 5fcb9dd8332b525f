/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/backoff.h"

#define SECOND UINT64_C(1000000)

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
backoff_first(struct backoff *backoff, uint64_t min)
{
	return spread_draw(&backoff->spread, 0, min * SECOND);
}

uint64_t
backoff_next(struct backoff *backoff, uint64_t min, uint64_t max)
{
	uint64_t high = least(3 * backoff->wait, max) * SECOND;
	uint64_t low = least(backoff->wait * SECOND, high / 2);

	backoff->wait = least(2 * backoff->wait, max);
	return spread_draw(&backoff->spread, low < min * SECOND ? min * SECOND : low, high);
}

uint64_t
backoff_asked(struct backoff *backoff, uint64_t seconds)
{
	return spread_wait(&backoff->spread, seconds * SECOND);
}
