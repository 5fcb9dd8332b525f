/* SPDX-License-Identifier: ISC */
/*
 * A step (the next session, the next wait, or the end) is an event of its own, so no callback of
 * a session ever frees it.
 *
 * A reload is taken between two sessions: the one under way ends in order with what it began
 * with, and what does not do costs no session.
 *
 * Trouble with our own spool ends the program: what a failed sync has done to the page cache is
 * not known here, and a new start reads all from disk.  A full disk is no such trouble; it passes.
 */
#include "config.h"

#include "inboxq/cycle.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "inboxq/cycle_parts.h"
#include "inboxq/loaded.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/phase.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/queue/servers.h"
#include "inboxq/queue/wake.h"
#include "inboxq/spool/spool.h"
#include "inboxq/uplink/resolve.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/tls.h"

static void
step_in(struct cycle *cycle, int64_t microseconds)
{
	struct timeval wait = {.tv_sec = (time_t)(microseconds / CLOCK_SECOND),
	    .tv_usec = (suseconds_t)(microseconds % CLOCK_SECOND)};

	if (event_add(cycle->step, &wait) == 0)
		return;
	/* Without its timer it would wait for ever. */
	log_event(LOG_ERR, "no_memory", "for=timer");
	cycle->exit_code = EX_OSERR;
	cycle->stopping = 1;
	event_active(cycle->step, EV_TIMEOUT, 0);
}

/* Our spool failed us. */
static void
on_trouble(struct cycle *cycle, const char *where, int error)
{
	log_event(LOG_ERR, "spool_trouble", "in=%s error=\"%s\"", where, strerror(error));
	if (disk_is_full(error) || error == EWOULDBLOCK) {
		cycle->turn = servers_count(cycle->servers);
		waits_end(&cycle->waits, 0, WAITS_OURS, 0, 0);
		return;
	}
	cycle->exit_code = EX_IOERR;
	cycle->stopping = 1;
}

/* How it is for the waits, where our own spool was no trouble.  What the server asked for holds
 * though we were about to leave. */
static enum waits_end
judge_end(const struct cycle *cycle, enum uplink_end end, uint64_t seconds)
{
	if (end != UPLINK_AWAY && cycle->leaving == LEAVING_UNUSED)
		return WAITS_UNUSED;
	if (end != UPLINK_AWAY && cycle->leaving != LEAVING_NOT)
		return WAITS_ASKED;
	if (uplink_has_overslept(cycle->uplink))
		return WAITS_OVERSLEPT;
	if (end != UPLINK_AWAY)
		return WAITS_LOST;
	if (uplink_was_superseded(cycle->uplink))
		return WAITS_SUPERSEDED;
	return uplink_was_idle(cycle->uplink) && seconds == 0 && !cycle_has_work(cycle) ? WAITS_IDLE
	                                                                         : WAITS_AWAY;
}

static void
on_end(void *ctx, enum uplink_end end, uint64_t seconds, int error)
{
	struct cycle *cycle = ctx;

	cycle->reached |= end == UPLINK_DONE || end == UPLINK_AWAY ||
	    uplink_is_ready(cycle->uplink);
	if (ends_counts(cycle->with.ends)->stored != cycle->stored)
		servers_stored(cycle->servers, cycle->server);
	if (end == UPLINK_TROUBLE)
		on_trouble(cycle, "session", error);
	else
		waits_end(&cycle->waits, cycle->server, judge_end(cycle, end, seconds), seconds,
		    uplink_is_ready(cycle->uplink));
	step_in(cycle, 0);
}

/* The time that any answer has, unless who asks is in a hurry. */
static void
leave(struct cycle *cycle, enum leaving why, uint64_t seconds)
{
	cycle->leaving = why;
	uplink_stop(cycle->uplink, (unsigned)seconds);
}

static void
go_elsewhere(struct cycle *cycle, enum elsewhere_verdict verdict)
{
	static const char *const reasons[] = {[ELSEWHERE_UNUSED] = "others",
	    [ELSEWHERE_BETTER] = "better", [ELSEWHERE_HOLDER] = "held"};

	if (verdict == ELSEWHERE_STAY)
		return;
	log_event(LOG_NOTICE, "server_left", "server=%s for=%s pending=%" PRIu64,
	    servers_name(cycle->servers, cycle->server), reasons[verdict],
	    schedule_counts(cycle->with.schedule)->waiting);
	if (verdict == ELSEWHERE_HOLDER)
		cycle->wanted = cycle->elsewhere.probed;
	leave(cycle, verdict == ELSEWHERE_UNUSED ? LEAVING_UNUSED : LEAVING_BETTER,
	    cycle->with.settings->timeout);
}

/* One cycle has its own way from server to server. */
static int
may_leave(const struct cycle *cycle)
{
	return !cycle->with.once && cycle->uplink && cycle->leaving == LEAVING_NOT;
}

static void
on_rest(void *ctx)
{
	struct cycle *cycle = ctx;

	if (may_leave(cycle) && cycle_has_work(cycle))
		go_elsewhere(cycle, elsewhere_at_rest(&cycle->elsewhere));
}

/* Whose turn it is; SERVERS_NONE: nobody's. */
static size_t
next_server(struct cycle *cycle)
{
	int64_t now = clock_monotonic();
	size_t wanted = cycle->wanted;

	cycle->wanted = SERVERS_NONE;
	if (wanted != SERVERS_NONE)
		return wanted;
	if (!cycle->with.once)
		return servers_next(cycle->servers, now);
	while (cycle->turn < servers_count(cycle->servers)) {
		size_t which = cycle->turn++;

		if (!servers_is_away(cycle->servers, which, now))
			return which;
	}
	return SERVERS_NONE;
}

/* 0: no server may be tried before `due`. */
static int
start_session(struct cycle *cycle)
{
	size_t which;

	if (!waits_is_over(&cycle->waits, cycle_has_work(cycle)) && !cycle->with.once)
		return 0;
	which = next_server(cycle);
	if (which == SERVERS_NONE)
		return 0;
	cycle->server = which;
	cycle->stored = ends_counts(cycle->with.ends)->stored;
	cycle->leaving = LEAVING_NOT;
	cycle->waits.rest = 0;
	cycle->hurried = 0;
	schedule_begin(cycle->with.schedule, servers_id(cycle->servers, which));
	credentials_read(&cycle->credentials, cycle->with.settings, &cycle->setup.tls);
	/* What is sent to one that does not do is held for him. */
	cycle->setup.is_wary = servers_has_failed(cycle->servers, which);
	cycle->uplink = uplink_new(&cycle->setup, servers_name(cycle->servers, which));
	elsewhere_begin(&cycle->elsewhere, cycle->uplink, which);
	if (cycle->uplink)
		return 1;
	on_trouble(cycle, "session", ENOMEM);
	return 0;
}

/* What the configuration says of them; and until when an item rests that was tried often. */
static void
set_waits(struct cycle *cycle)
{
	uint64_t patience = cycle->with.settings->patience;
	char identity[IDENTITY_MAX + 1];

	tls_own_identity(cycle->setup.tls, identity);
	cycle->waits.servers = cycle->servers;
	cycle->elsewhere.servers = cycle->servers;
	cycle->elsewhere.setup = &cycle->setup;
	cycle->elsewhere.credentials = &cycle->credentials;
	cycle->waits.phase = phase_own(identity, spool_queue_id(cycle->with.spool));
	cycle->waits.report = cycle->with.settings->report * (uint64_t)CLOCK_SECOND;
	schedule_set_rest(cycle->with.schedule,
	    cycle->with.once ? SCHEDULE_NEVER : (int64_t)cycle->with.settings->retry_max);
	schedule_set_patience(cycle->with.schedule, cycle->with.once && patience
	    ? SCHEDULE_HELD : (int64_t)patience);
}

/* Between two sessions.  A server that asked us to stay away is still left alone, and the
 * back-off still falls by a stored item only. */
static void
take_next(struct cycle *cycle)
{
	struct settings *settings = cycle->with.settings;
	struct loaded *next = cycle->next;
	struct loaded old = {*settings, cycle->setup.tls, cycle->servers};

	servers_take_over(next->servers, cycle->servers);
	*settings = next->settings;
	cycle->setup.tls = next->tls;
	cycle->servers = next->servers;
	*next = old;
	loaded_free(next);
	cycle->next = NULL;
	cycle->turn = 0;
	cycle->wanted = SERVERS_NONE;
	cycle->waits.rest = 0;
	set_waits(cycle);
	log_setup(conf_log_level(&settings->log), (enum log_format)settings->log.format);
	log_event(LOG_NOTICE, "reloaded", "servers=%zu", servers_count(cycle->servers));
}

/* At what there is to send; one cycle takes what was there when it began. */
static int
look(struct cycle *cycle)
{
	const struct cycle_setup *with = &cycle->with;

	if (with->once && cycle->has_looked)
		return 0;
	if (again_offer(&cycle->again, with->spool, with->settings->offer_again) < 0 ||
	    wake_look(cycle->wake) < 0)
		return -1;
	cycle->has_looked = 1;
	return 0;
}

/* Is there something to send where there was nothing?  And the step's own timer stands still while
 * the machine sleeps. */
static void
look_for_end_of_wait(struct cycle *cycle)
{
	int has_come = cycle->waits.rest && cycle_has_work(cycle);

	if (cycle->uplink)
		return;
	if (has_come)
		cycle->waits.rest = 0;
	if (has_come || clock_monotonic() >= cycle->waits.due)
		step_in(cycle, 0);
}

static void
on_news(void *ctx, int error)
{
	struct cycle *cycle = ctx;

	if (cycle->stopping)
		return;
	if (error) {
		on_trouble(cycle, "scan", error);
		step_in(cycle, 0);
		return;
	}
	look_for_end_of_wait(cycle);
	if (cycle->uplink)
		uplink_pump(cycle->uplink);
}

/* The loop's timer goes by when its turn began, so it may be over a moment before the wait is. */
static void
wait_on(struct cycle *cycle)
{
	int64_t wait = cycle->waits.due - clock_monotonic();

	step_in(cycle, wait > 0 ? wait : 0);
	/* Whoever is in a hurry waits for the try that comes in a moment, and for no later one. */
	if (cycle->hurried ? wait > 2 * SERVERS_FLOOR : cycle->waits.due != cycle->told)
		cycle->cycles++;
	cycle->hurried = 0;
	if (cycle->waits.due == cycle->told)
		return;
	cycle->told = cycle->waits.due;
	log_event(LOG_INFO, "cycle_over", "pending=%" PRIu64 " next_in=%" PRId64,
	    schedule_counts(cycle->with.schedule)->waiting,
	    wait > 0 ? (wait + CLOCK_SECOND - 1) / CLOCK_SECOND : 0);
}

/* The session before is over, or the wait is. */
static void
on_step(evutil_socket_t fd, short events, void *ctx)
{
	struct cycle *cycle = ctx;
	int once = cycle->with.once;

	(void)fd, (void)events;
	elsewhere_end(&cycle->elsewhere);
	uplink_free(cycle->uplink);
	cycle->uplink = NULL;
	schedule_take_back(cycle->with.schedule);
	if (cycle->next && !cycle->stopping)
		take_next(cycle);
	/* What is not known is not told: on trouble no server may be tried. */
	if (!cycle->stopping && look(cycle) < 0)
		on_trouble(cycle, "scan", errno);
	if (cycle->stopping || (once && cycle->reached && !cycle_has_work(cycle)) ||
	    (!start_session(cycle) && once)) {
		doubt_note_tick(&cycle->doubts, cycle->with.settings->patience);
		event_base_loopbreak(cycle->with.base);
		return;
	}
	if (!cycle->uplink)
		wait_on(cycle);
}

struct cycle *
cycle_new(const struct cycle_setup *setup, struct tls *tls)
{
	const struct settings *settings = setup->settings;
	struct cycle *cycle = calloc(1, sizeof *cycle);
	struct wake_setup wake = {
	    setup->base, setup->spool, setup->schedule, setup->once, on_news, cycle};

	if (!cycle)
		return NULL;
	cycle->with = *setup;
	cycle->wanted = SERVERS_NONE;
	cycle->setup = (struct uplink_setup){.base = setup->base, .tls = tls_ref(tls),
	    .settings = settings, .spool = setup->spool, .schedule = setup->schedule,
	    .ends = setup->ends, .once = setup->once, .on_end = on_end, .on_rest = on_rest,
	    .ctx = cycle};
	cycle->step = evtimer_new(setup->base, on_step, cycle);
	cycle->setup.resolver = resolver_new(setup->base);
	cycle->servers = loaded_servers(settings, tls);
	cycle->wake = wake_new(&wake);
	set_waits(cycle);
	doubt_note_begin(&cycle->doubts, setup->spool, setup->schedule, settings->patience,
	    setup->once);
	if (cycle->step && cycle->setup.resolver && cycle->servers && cycle->wake)
		return cycle;
	cycle_free(cycle);
	return NULL;
}

void
cycle_free(struct cycle *cycle)
{
	if (!cycle)
		return;
	elsewhere_end(&cycle->elsewhere);
	uplink_free(cycle->uplink);
	resolver_free(cycle->setup.resolver);
	if (cycle->step)
		event_free(cycle->step);
	wake_free(cycle->wake);
	servers_free(cycle->servers);
	tls_unref(cycle->setup.tls);
	loaded_free(cycle->next);
	free(cycle);
}

/* Who asked for one cycle waits for it. */
int
cycle_begin(struct cycle *cycle)
{
	const struct timeval at_once = {0};

	if (!cycle->with.once)
		waits_begin(&cycle->waits);
	return event_add(cycle->step, &at_once);
}

void
cycle_hurry(struct cycle *cycle)
{
	cycle->waits.rest = 0;
	servers_hurry(cycle->servers, clock_monotonic());
	cycle->hurried = !cycle->uplink;
	if (cycle->hurried)
		step_in(cycle, 0);
}

void
cycle_tick(struct cycle *cycle)
{
	if ((cycle->uplink || cycle->waits.rest) && !cycle->with.once && !cycle->stopping &&
	    look(cycle) < 0) {
		on_trouble(cycle, "scan", errno);
		step_in(cycle, 0);
		return;
	}
	doubt_note_tick(&cycle->doubts, cycle->with.settings->patience);
	look_for_end_of_wait(cycle);
	if (cycle->uplink)
		uplink_tick(cycle->uplink);
	if (may_leave(cycle))
		go_elsewhere(cycle, elsewhere_tick(&cycle->elsewhere, cycle_has_work(cycle)));
}

void
cycle_stop(struct cycle *cycle, unsigned seconds)
{
	cycle->stopping = 1;
	if (cycle->uplink)
		leave(cycle, LEAVING_ASKED, seconds);
	else
		step_in(cycle, 0);
}

void
cycle_reload(struct cycle *cycle, struct loaded *next)
{
	loaded_free(cycle->next);
	cycle->next = next;
	if (cycle->uplink)
		leave(cycle, LEAVING_ASKED, cycle->with.settings->timeout);
	else
		step_in(cycle, 0);
}
