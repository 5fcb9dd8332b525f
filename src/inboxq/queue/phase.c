/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/phase.h"

#include "lib/mix.h"

uint64_t
phase_own(const char *identity, const char *queue)
{
	return mix_text(mix_text(0, identity), queue);
}

/* In unsigned numbers, since the date may be anything. */
int64_t
phase_wait(uint64_t phase, int64_t utc, uint64_t period)
{
	uint64_t passed = utc < 0 ? 0 : (uint64_t)utc % period;

	return (int64_t)((phase % period + period - passed) % period);
}
