/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/base/news.h"
#include "inboxq/cycle.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/runstate.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"

#define STATUS_ROOM (RUNSTATE_TROUBLE_ROOM + RUNSTATE_SERVER_ROOM + 128)

struct tell {
	const struct schedule *schedule;
	const struct ends *ends;
	int fd; /* run.state; -1: it could not be made */
	int once, stopping;
	uint64_t hurries, hurry_waits; /* as in struct runstate */
	struct runstate told; /* as it stands there */
	char status[STATUS_ROOM];
	int64_t fed;      /* when the watchdog was, clock_monotonic() */
	int64_t interval; /* within which it wants to be; microseconds, 0: never */
};

struct tell *
tell_new(const struct spool *spool, const struct schedule *schedule, const struct ends *ends,
    int once)
{
	struct tell *tell = calloc(1, sizeof *tell);

	if (!tell)
		return NULL;
	tell->schedule = schedule;
	tell->ends = ends;
	tell->once = once;
	tell->interval = once ? 0 : (int64_t)notify_watchdog_interval();
	tell->told.process = (uint64_t)getpid();
	tell->told.began = (uint64_t)time(NULL);
	tell->told.once = once != 0;
	tell->fd = runstate_open(spool);
	if (tell->fd < 0 || runstate_write(tell->fd, &tell->told) < 0)
		log_event(LOG_WARNING, "state_untold", "file=run.state error=\"%s\"",
		    strerror(errno));
	return tell;
}

void
tell_free(struct tell *tell)
{
	if (!tell)
		return;
	if (tell->fd >= 0)
		close(tell->fd);
	free(tell);
}

/* What holds now. */
static void
compose(const struct tell *tell, const struct cycle *cycle, struct runstate *state)
{
	const struct schedule_counts *counts = schedule_counts(tell->schedule);
	const struct ends_counts *ends = ends_counts(tell->ends);

	*state = tell->told;
	cycle_look(cycle, state);
	if (tell->stopping)
		state->phase = RUNSTATE_STOPPING;
	state->hurries = tell->hurries;
	state->hurry_waits = tell->hurry_waits;
	state->waiting = counts->waiting;
	state->sent = counts->sent;
	state->stored = ends->stored;
	state->refused = ends->refused;
	state->trouble_time = (uint64_t)news_time();
	snprintf(state->trouble, sizeof state->trouble, "%s", news_text());
}

/* Is it worth a word?  When the next try is due is told anew only if it moves by more than the
 * clock's own seconds do. */
static int
has_changed(const struct runstate *old, const struct runstate *new)
{
	struct runstate was = *old;

	if (new->next && was.next && new->next + 1 >= was.next && new->next <= was.next + 1)
		was.next = new->next;
	return memcmp(&was, new, sizeof was) != 0;
}

static void
write_state(struct tell *tell, const struct runstate *state)
{
	tell->told = *state;
	/* A state that is not told harms nobody. */
	if (tell->fd >= 0)
		(void)!runstate_write(tell->fd, state);
}

/* "14:03:20", of the day that people here have. */
static void
print_clock(char dst[16], uint64_t when)
{
	time_t seconds = (time_t)when;
	struct tm tm;

	if (!localtime_r(&seconds, &tm) || strftime(dst, 16, "%H:%M:%S", &tm) == 0)
		dst[0] = '\0';
}

static void
print_status(const struct runstate *state, char status[STATUS_ROOM])
{
	uint64_t items = state->waiting + state->sent;
	const char *colon = state->trouble[0] ? ": " : "";
	char at[16];
	int len = snprintf(status, STATUS_ROOM, "%" PRIu64 " item%s; ", items,
	    items == 1 ? " waits" : "s wait");
	char *rest = status + len;
	size_t room = STATUS_ROOM - (size_t)len;

	switch ((enum runstate_phase)state->phase) {
	case RUNSTATE_WAITING:
		print_clock(at, state->next);
		snprintf(rest, room, "next try at %s%s%s", at, colon, state->trouble);
		break;
	case RUNSTATE_RESTING:
		snprintf(rest, room, "%s wants to hear of the next", state->server);
		break;
	case RUNSTATE_CONNECTING:
		snprintf(rest, room, "connecting to %s%s%s", state->server, colon, state->trouble);
		break;
	case RUNSTATE_CONNECTED:
		snprintf(rest, room, "connected to %s%s%s", state->server, colon, state->trouble);
		break;
	case RUNSTATE_STARTING:
	case RUNSTATE_STOPPING:
	case RUNSTATE_ENDED:
	case RUNSTATE_PHASES:
		snprintf(rest, room, "%s", runstate_phase_text(state->phase));
	}
}

static void
tell_supervisor(struct tell *tell)
{
	char status[STATUS_ROOM];

	if (tell->once)
		return;
	print_status(&tell->told, status);
	if (strcmp(status, tell->status) == 0)
		return;
	memcpy(tell->status, status, sizeof status);
	notify_status(status);
}

void
tell_ready(struct tell *tell)
{
	if (!tell->once)
		notify_ready();
}

void
tell_tick(struct tell *tell, const struct cycle *cycle)
{
	int64_t now = clock_monotonic();
	struct runstate state;

	compose(tell, cycle, &state);
	if (has_changed(&tell->told, &state)) {
		write_state(tell, &state);
		tell_supervisor(tell);
	}
	/* The loop turns: that is what there is to know. */
	if (tell->interval && now - tell->fed >= tell->interval / 3) {
		notify_watchdog();
		tell->fed = now;
	}
}

void
tell_hurried(struct tell *tell, const struct cycle *cycle)
{
	struct runstate state;

	compose(tell, cycle, &state);
	tell->hurries++;
	tell->hurry_waits = state.waits;
}

void
tell_reloading(struct tell *tell)
{
	if (!tell->once)
		notify_reloading();
}

void
tell_reloaded(struct tell *tell, const char *error)
{
	struct runstate state = tell->told;

	/* At once: somebody waits for it. */
	state.reloads++;
	snprintf(state.reload_error, sizeof state.reload_error, "%s", error);
	write_state(tell, &state);
	if (!tell->once)
		notify_ready();
}

void
tell_stopping(struct tell *tell)
{
	tell->stopping = 1;
	if (!tell->once)
		notify_stopping();
}

void
tell_ended(struct tell *tell, const struct cycle *cycle)
{
	struct runstate state;

	compose(tell, cycle, &state);
	state.phase = RUNSTATE_ENDED;
	write_state(tell, &state);
}
