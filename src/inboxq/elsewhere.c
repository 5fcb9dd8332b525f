/* SPDX-License-Identifier: ISC */
#include "inboxq/elsewhere.h"

#include "inboxq/base/settings.h"
#include "inboxq/credentials.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/queue/servers.h"
#include "inboxq/uplink/probe.h"
#include "inboxq/uplink/uplink.h"
#include "lib/clock.h"
#include "lib/log.h"

void
elsewhere_begin(struct elsewhere *elsewhere, struct uplink *uplink, size_t server)
{
	elsewhere->uplink = uplink;
	elsewhere->server = server;
	elsewhere->bytes = 0;
	elsewhere->is_back = 0;
}

void
elsewhere_end(struct elsewhere *elsewhere)
{
	probe_free(elsewhere->probe);
	elsewhere->probe = NULL;
	elsewhere->uplink = NULL;
}

/* Is there something for a server that may be tried, and is not ours?  It looks at many items: once
 * a second is enough. */
static int
has_work_for_others(struct elsewhere *elsewhere)
{
	int64_t now = clock_monotonic(), seconds = now / CLOCK_SECOND;

	if (elsewhere->considered == seconds)
		return 0;
	elsewhere->considered = seconds;
	for (size_t i = 0; i < servers_count(elsewhere->servers); i++)
		if (i != elsewhere->server && servers_may_try(elsewhere->servers, i, now) &&
		    schedule_due_for(elsewhere->setup->schedule,
		        servers_id(elsewhere->servers, i), seconds) <= seconds)
			return 1;
	return 0;
}

enum elsewhere_verdict
elsewhere_at_rest(struct elsewhere *elsewhere)
{
	return has_work_for_others(elsewhere) ? ELSEWHERE_UNUSED : ELSEWHERE_STAY;
}

/* Where all is put off, but some of it is always due again, there is never a rest. */
static int
is_in_vain(struct elsewhere *elsewhere)
{
	uint64_t bytes = uplink_bytes(elsewhere->uplink), before = elsewhere->bytes;

	elsewhere->bytes = bytes;
	return bytes == before &&
	    uplink_puts_off(elsewhere->uplink) > elsewhere->setup->settings->timeout;
}

/* One that may have stored items that wait for it here; as has_work_for_others(). */
static size_t
find_holder(const struct elsewhere *elsewhere, int64_t now)
{
	for (size_t i = 0; i < servers_count(elsewhere->servers); i++)
		if (i != elsewhere->server && servers_may_try(elsewhere->servers, i, now) &&
		    schedule_waits_for(elsewhere->setup->schedule,
		        servers_id(elsewhere->servers, i), now / CLOCK_SECOND))
			return i;
	return SERVERS_NONE;
}

/* Is a server that we prefer there again, or one that can tell whether it has what waits? */
static void
look_for_better(struct elsewhere *elsewhere)
{
	struct servers *servers = elsewhere->servers;
	int64_t now = clock_monotonic();

	if (!elsewhere->probe) {
		elsewhere->probed = servers_better(servers, elsewhere->server, now);
		if (elsewhere->probed == SERVERS_NONE)
			elsewhere->probed = find_holder(elsewhere, now);
		if (elsewhere->probed == SERVERS_NONE)
			return;
		credentials_read(elsewhere->credentials, elsewhere->setup->settings,
		    &elsewhere->setup->tls);
		elsewhere->probe =
		    probe_new(elsewhere->setup, servers_name(servers, elsewhere->probed));
		return;
	}
	switch (probe_look(elsewhere->probe)) {
	case PROBE_GOES_ON:
		return;
	case PROBE_GOOD:
		log_event(LOG_NOTICE, "server_back", "server=%s",
		    servers_name(servers, elsewhere->probed));
		elsewhere->is_back = 1;
		uplink_open_no_large(elsewhere->uplink);
		break;
	case PROBE_BAD:
		servers_failed(servers, elsewhere->probed, now);
		break;
	}
	probe_free(elsewhere->probe);
	elsewhere->probe = NULL;
}

enum elsewhere_verdict
elsewhere_tick(struct elsewhere *elsewhere, int has_work)
{
	int is_vain = is_in_vain(elsewhere);

	if (has_work && (is_vain || uplink_is_at_rest(elsewhere->uplink)) &&
	    has_work_for_others(elsewhere))
		return ELSEWHERE_UNUSED;
	if (!elsewhere->is_back && uplink_is_ready(elsewhere->uplink))
		look_for_better(elsewhere);
	/* What is half sent would begin anew with another server. */
	if (elsewhere->is_back && !uplink_has_large(elsewhere->uplink))
		return elsewhere->probed < elsewhere->server ? ELSEWHERE_BETTER : ELSEWHERE_HOLDER;
	return ELSEWHERE_STAY;
}
