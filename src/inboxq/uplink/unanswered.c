/* SPDX-License-Identifier: ISC */
#include "inboxq/uplink/unanswered.h"

#include <inttypes.h>
#include <stdio.h>

#include "inboxq/queue/life.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/uplink/outgoing.h"
#include "lib/clock.h"
#include "lib/log.h"

/* An item of which the server lacks bytes it cannot have stored. */
void
unanswered_end(struct schedule *schedule, const struct outgoing *outgoing, const char *server,
    int has_parted)
{
	int64_t now = clock_seconds();
	uint64_t n = 0;

	while ((n = schedule_next_sent(schedule, n))) {
		int64_t until = 0;

		if (!has_parted && !outgoing_is_unfinished(outgoing, n))
			until = schedule_doubt(schedule, n, now);
		life_unanswered(n, server,
		    until && until != SCHEDULE_HELD ? (uint64_t)(until - now) : 0);
	}
}

void
unanswered_tell(const struct schedule *schedule, const char *server)
{
	int64_t now = clock_seconds(), until;
	uint64_t count = schedule_count_held(schedule, now, &until);
	char wait[32] = "";

	if (count == 0)
		return;
	if (until != SCHEDULE_HELD)
		snprintf(wait, sizeof wait, " in=%" PRId64, until - now);
	log_event(LOG_NOTICE, "items_held",
	    "server=%s items=%" PRIu64 "%s note=\"another receiver may have stored them\"",
	    server, count, wait);
}
