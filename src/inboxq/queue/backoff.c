/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/backoff.h"

#define SECOND UINT64_C(1000000)

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
backoff_next(struct backoff *backoff, struct spread *spread, uint64_t min, uint64_t max)
{
	uint64_t most = least(3 * backoff->wait, max);

	backoff->wait = least(2 * backoff->wait, max);
	return spread_draw(spread, min * SECOND, most * SECOND);
}
