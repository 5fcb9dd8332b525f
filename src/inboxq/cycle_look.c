/* SPDX-License-Identifier: ISC */
/* What the copy cycles tell of themselves: to run.state, to the progress, and in the end. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxq/cycle_parts.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/queue/servers.h"
#include "inboxq/spool/runstate.h"
#include "lib/clock.h"

int
cycle_has_work(const struct cycle *cycle)
{
	const struct schedule_counts *counts = schedule_counts(cycle->with.schedule);

	return counts->waiting + counts->sent > 0;
}

static enum runstate_phase
phase_of(const struct cycle *cycle)
{
	if (cycle->uplink)
		return uplink_is_ready(cycle->uplink) ? RUNSTATE_CONNECTED : RUNSTATE_CONNECTING;
	return cycle->waits.rest ? RUNSTATE_RESTING : RUNSTATE_WAITING;
}

void
cycle_look(const struct cycle *cycle, struct runstate *state)
{
	int64_t wait = cycle->waits.due - clock_monotonic();

	state->phase = phase_of(cycle);
	state->next = 0;
	if (state->phase == RUNSTATE_WAITING)
		state->next = (uint64_t)(time(NULL) + (wait > 0 ? wait / CLOCK_SECOND : 0));
	state->waits = cycle->cycles;
	servers_print(cycle->servers, state->order, sizeof state->order);
	memset(state->upload, 0, sizeof state->upload);
	if (!cycle->uplink)
		return;
	snprintf(state->server, sizeof state->server, "%s",
	    servers_name(cycle->servers, cycle->server));
	uplink_look(cycle->uplink, state->upload);
}

uint64_t
cycle_bytes(const struct cycle *cycle)
{
	return cycle->uplink ? uplink_bytes(cycle->uplink) : 0;
}

int
cycle_exit_code(const struct cycle *cycle)
{
	if (cycle->exit_code == EX_OK && cycle->with.once &&
	    (!cycle->has_looked || !cycle->reached || cycle_has_work(cycle)))
		return EX_TEMPFAIL;
	return cycle->exit_code;
}
