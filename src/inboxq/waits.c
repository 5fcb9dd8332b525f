/* SPDX-License-Identifier: ISC */
#include "inboxq/waits.h"

#include "inboxq/queue/phase.h"
#include "inboxq/queue/servers.h"
#include "lib/clock.h"
#include "lib/log.h"

/* So long after the machine's start it is the power's return, microseconds; and so long it takes
 * until all are there. */
#define BOOT (600 * CLOCK_SECOND)
#define BOOT_SPREAD ((uint64_t)(60 * CLOCK_SECOND))

#define SHARED 3
#define TELL_EVERY (3600 * CLOCK_SECOND)

/* A fleet may be switched on in one moment, and more of it at once where the power returns. */
void
waits_begin(struct waits *waits)
{
	int64_t now = clock_monotonic();

	servers_pause(waits->servers, now);
	if (now < BOOT)
		servers_wait(waits->servers, now + phase_wait(waits->phase, 0, BOOT_SPREAD));
}

/* Once it may have been our own last connection, which the server still held.  Two that share a
 * queue push each other away in turns. */
static void
note_superseded(struct waits *waits, int64_t now)
{
	if (++waits->superseded < SHARED || (waits->told && now - waits->told < TELL_EVERY))
		return;
	waits->told = now;
	log_event(LOG_WARNING, "queue_shared",
	    "note=\"another inboxq speaks for this queue: is the spool, or the machine, a copy?\"");
}

void
waits_end(struct waits *waits, size_t which, enum waits_end end, uint64_t seconds, int was_open)
{
	int64_t now = clock_monotonic();

	if (end != WAITS_SUPERSEDED)
		waits->superseded = 0;
	switch (end) {
	case WAITS_ASKED:
		servers_left(waits->servers, which);
		return;
	case WAITS_UNUSED:
		servers_failed(waits->servers, which, now);
		return;
	case WAITS_LOST:
		servers_failed(waits->servers, which, now);
		break;
	case WAITS_SUPERSEDED:
		note_superseded(waits, now);
		servers_away(waits->servers, which, now, seconds);
		break;
	case WAITS_AWAY:
		servers_away(waits->servers, which, now, seconds);
		break;
	case WAITS_IDLE:
		waits->rest = now + phase_wait(waits->phase, clock_utc(), waits->report);
		servers_rest(waits->servers, which, now);
		return;
	case WAITS_OVERSLEPT:
		servers_rest(waits->servers, which, now);
		break;
	case WAITS_OURS:
		servers_hold(waits->servers, now);
		return;
	}
	if (was_open)
		servers_pause(waits->servers, now);
}

int
waits_is_over(struct waits *waits, int has_work)
{
	waits->due = servers_due(waits->servers);
	if (waits->rest > waits->due && !has_work)
		waits->due = waits->rest;
	return waits->due <= clock_monotonic();
}
