/* SPDX-License-Identifier: ISC */
/*
 * The connection of a session: dialled, watched, and ended by one way out.  What is
 * said and heard on it is in talk.c, which gives a verdict each time.  The answers
 * that came in one turn of the loop are made durable together by an event that runs
 * behind the reading.
 */
#include "config.h"

#include "inboxq/uplink/uplink.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "inboxq/base/news.h"
#include "inboxq/base/settings.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/uplink/dial.h"
#include "inboxq/uplink/outgoing.h"
#include "inboxq/uplink/talk.h"
#include "lib/clock.h"
#include "lib/conn.h"
#include "lib/log.h"

#define LATE_TICK 5 /* seconds */

struct uplink {
	const struct uplink_setup *setup;
	struct event *turn; /* runs behind the callbacks of one turn of the loop */
	struct event *pace; /* when there may be more to say */
	struct conn *conn;
	struct dial *dial;
	struct dial_target target; /* before the first address: the name that is looked up */
	struct talk talk;
	int is_open, is_over;   /* the handshake is done; on_end() has been called */
	int has_overslept;
	int64_t ticked;  /* monotonic seconds */
	uint64_t stored; /* of all, when it was opened */
	int64_t stop_at; /* monotonic seconds; 0: not asked to */
};

static void dial_on(struct uplink *uplink);

/* The one way out. */
static void
finish(struct uplink *uplink, enum uplink_end end, int error)
{
	if (uplink->is_over)
		return;
	uplink->is_over = 1;
	event_del(uplink->turn);
	event_del(uplink->pace);
	conn_free(uplink->conn);
	uplink->conn = NULL;
	uplink->setup->on_end(uplink->setup->ctx, end, uplink->talk.seconds, error);
}

/* Did it store nothing of what there is?  Its name may have other addresses, which do. */
static int
was_useless(const struct uplink *uplink)
{
	const struct schedule_counts *counts = schedule_counts(uplink->setup->schedule);

	return counts->waiting + counts->sent > 0 &&
	    ends_counts(uplink->setup->ends)->stored == uplink->stored;
}

/* `why` NULL: in order. */
static void
lose(struct uplink *uplink, enum uplink_end end, const char *why)
{
	if (why) {
		log_event(LOG_WARNING, "session_lost", "server=%s address=%s error=\"%s\"",
		    uplink->target.name, uplink->target.address, why);
		news_trouble("%s: %s", uplink->target.name, why);
	}
	uplink->talk.has_parted = end == UPLINK_AWAY && !why && conn_has_parted(uplink->conn);
	/* What was answered before counts. */
	if (ends_commit(uplink->setup->ends) < 0) {
		finish(uplink, UPLINK_TROUBLE, errno);
		return;
	}
	if (end == UPLINK_LOST && uplink->is_open && was_useless(uplink))
		dial_blame(uplink->dial);
	finish(uplink, end, 0);
}

/* What it comes to if the connection ends now. */
static enum uplink_end
end_of(const struct talk *talk)
{
	if (talk->state == TALK_QUIT)
		return UPLINK_DONE;
	return talk->state == TALK_AWAY ? UPLINK_AWAY : UPLINK_LOST;
}

static void
take_verdict(struct uplink *uplink, enum talk_verdict verdict)
{
	switch (verdict) {
	case TALK_GOES_ON:
		break;
	case TALK_LOST:
		lose(uplink, end_of(&uplink->talk), uplink->talk.why);
		break;
	case TALK_TROUBLE:
		finish(uplink, UPLINK_TROUBLE, errno);
		break;
	}
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct uplink *uplink = ctx;
	size_t used;
	enum talk_verdict verdict = talk_hear(&uplink->talk, data, len, &used);

	take_verdict(uplink, verdict);
	if (verdict != TALK_GOES_ON)
		return len;
	event_active(uplink->turn, EV_TIMEOUT, 1);
	return used;
}

/* What our bandwidth holds back goes on by the clock.  What was written comes back here once it is
 * out, so that this is the one place. */
static void
set_pace(struct uplink *uplink)
{
	int64_t wait = uplink->is_over ? 0 : talk_wait(&uplink->talk);
	struct timeval span = {.tv_sec = (time_t)(wait / CLOCK_SECOND),
	    .tv_usec = (suseconds_t)(wait % CLOCK_SECOND)};

	/* Where there is no memory for it, the tick goes on. */
	if (wait)
		(void)!event_add(uplink->pace, &span);
}

/* All answers of one turn of the loop are one batch. */
static void
on_turn(evutil_socket_t fd, short events, void *ctx)
{
	struct uplink *uplink = ctx;

	(void)fd, (void)events;
	if (!uplink->conn)
		finish(uplink, UPLINK_LOST, 0); /* there was no address to dial */
	else if (ends_commit(uplink->setup->ends) < 0)
		finish(uplink, UPLINK_TROUBLE, errno);
	else
		take_verdict(uplink, talk_say(&uplink->talk, uplink->conn));
	set_pace(uplink);
	if (uplink->setup->on_rest && uplink_is_at_rest(uplink))
		uplink->setup->on_rest(uplink->setup->ctx);
}

static void
on_open(void *ctx)
{
	struct uplink *uplink = ctx;

	uplink->is_open = 1;
	uplink->stored = ends_counts(uplink->setup->ends)->stored;
	talk_opened(&uplink->talk);
	pulse_answer(&uplink->talk.pulse, clock_seconds());
}

static void
on_drained(void *ctx)
{
	struct uplink *uplink = ctx;

	pulse_look(&uplink->talk.pulse, uplink->conn, clock_seconds());
	event_active(uplink->turn, EV_TIMEOUT, 1);
}

static void
connect_failed(struct uplink *uplink, const char *error)
{
	log_event(LOG_WARNING, "connect_failed", "server=%s address=%s error=\"%s\"",
	    uplink->target.name, uplink->target.address, error);
	news_unreached(uplink->target.name, uplink->target.address, error);
	dial_on(uplink);
}

static void
on_close(void *ctx, const char *error)
{
	struct uplink *uplink = ctx;
	enum uplink_end end = end_of(&uplink->talk);

	if (!uplink->is_open) {
		connect_failed(uplink, error ? error : "closed");
	} else {
		if (!error && end == UPLINK_LOST)
			error = "the server closed the connection";
		lose(uplink, end, error);
	}
}

/* No on_idle: uplink_tick() has the time-outs. */
static const struct conn_events conn_calls = {
    .on_open = on_open, .on_read = on_read, .on_drained = on_drained, .on_close = on_close};

/* The next address. */
static void
dial_on(struct uplink *uplink)
{
	const struct uplink_setup *setup = uplink->setup;
	struct dial_target *target = &uplink->target;
	struct conn_link link = {.fd = -1, .peer = target->address, .host = target->name};
	char name[sizeof target->name + 8];

	conn_free(uplink->conn);
	uplink->conn = NULL;
	if (talk_begin(&uplink->talk) == 0)
		link.fd = dial_next(uplink->dial, target);
	if (link.fd >= 0)
		uplink->conn = conn_new(setup->base, setup->tls, &link, &conn_calls, uplink);
	if (!uplink->conn) {
		event_active(uplink->turn, EV_TIMEOUT, 1);
		return;
	}
	snprintf(name, sizeof name, "%s:%u", target->name, target->port);
	schedule_dialled(setup->schedule, name);
	take_verdict(uplink, talk_hello(&uplink->talk, uplink->conn));
}

static void
on_ready(void *ctx)
{
	dial_on(ctx);
}

struct uplink *
uplink_new(const struct uplink_setup *setup, const char *server)
{
	const struct dial_setup dial = {.resolver = setup->resolver, .tls = setup->tls,
	    .seconds = (unsigned)setup->settings->connect_timeout};
	struct uplink *uplink = calloc(1, sizeof *uplink);

	if (!uplink)
		return NULL;
	uplink->setup = setup;
	uplink->ticked = clock_seconds();
	uplink->talk = (struct talk){.spool = setup->spool, .schedule = setup->schedule,
	    .ends = setup->ends, .once = setup->once, .is_wary = setup->is_wary,
	    .host = uplink->target.name};
	spread_begin(&uplink->talk.lots);
	uplink->talk.bandwidth = setup->settings->bandwidth;
	uplink->turn = event_new(setup->base, -1, 0, on_turn, uplink);
	uplink->pace = evtimer_new(setup->base, on_turn, uplink);
	if (uplink->turn && uplink->pace)
		uplink->dial = dial_new(&dial, server, on_ready, uplink);
	if (uplink->dial)
		return uplink;
	uplink_free(uplink);
	return NULL;
}

void
uplink_free(struct uplink *uplink)
{
	if (!uplink)
		return;
	if (uplink->turn)
		event_free(uplink->turn);
	if (uplink->pace)
		event_free(uplink->pace);
	conn_free(uplink->conn);
	talk_end(&uplink->talk);
	dial_free(uplink->dial);
	free(uplink);
}

static int
has_spoken(const struct uplink *uplink)
{
	return conn_has_spoken(uplink->conn, (unsigned)uplink->setup->settings->connect_timeout);
}

/* We were asleep, or stopped, or our disk was: nobody listened, and that is not the server's
 * fault.  One that has not heard us for longer than it lets pass has closed, and a machine that
 * sleeps does not hear of that. */
static void
wake(struct uplink *uplink, int64_t slept)
{
	uint64_t limit = uplink->talk.pulse.idle;

	if (limit == 0)
		limit = uplink->setup->settings->timeout;
	uplink->has_overslept = slept > (int64_t)limit;
	if (uplink->has_overslept)
		lose(uplink, UPLINK_LOST, "asleep for longer than the server waits");
	else
		talk_wake(&uplink->talk, uplink->conn, slept);
}

void
uplink_tick(struct uplink *uplink)
{
	const struct settings *settings = uplink->setup->settings;
	int64_t now = clock_seconds(), slept = now - uplink->ticked;

	uplink->ticked = now;
	if (uplink->is_over || !uplink->conn)
		return;
	if (slept > LATE_TICK && uplink->is_open)
		wake(uplink, slept);
	if (uplink->is_over)
		return;
	if (uplink->stop_at && now >= uplink->stop_at) {
		lose(uplink, uplink->talk.state == TALK_AWAY ? UPLINK_AWAY : UPLINK_DONE,
		    "stopped with answers due");
	} else if (!uplink->is_open && dial_is_late(uplink->dial, has_spoken(uplink))) {
		connect_failed(uplink, conn_is_connected(uplink->conn)
		    ? "handshake: no answer in time; is it a TLS server?"
		    : "connect: no answer in time");
	} else {
		take_verdict(uplink, talk_tick(&uplink->talk, uplink->conn,
		                         uplink->is_open ? settings->timeout : 0));
	}
}

int
uplink_is_ready(const struct uplink *uplink)
{
	return uplink->talk.server[0] != '\0';
}

void
uplink_open_no_large(struct uplink *uplink)
{
	if (uplink->talk.outgoing)
		outgoing_open_no_large(uplink->talk.outgoing);
}

int
uplink_has_large(const struct uplink *uplink)
{
	return uplink->talk.outgoing && outgoing_has_large(uplink->talk.outgoing);
}

int
uplink_was_idle(const struct uplink *uplink)
{
	return uplink->talk.was_idle;
}

int
uplink_was_superseded(const struct uplink *uplink)
{
	return uplink->talk.was_superseded;
}

int
uplink_has_overslept(const struct uplink *uplink)
{
	return uplink->has_overslept;
}

int
uplink_is_at_rest(struct uplink *uplink)
{
	return !uplink->is_over && talk_is_at_rest(&uplink->talk);
}

uint64_t
uplink_puts_off(const struct uplink *uplink)
{
	int64_t since = uplink->talk.puts_off;

	return since ? (uint64_t)(clock_seconds() - since) : 0;
}

void
uplink_pump(struct uplink *uplink)
{
	if (!uplink->is_over && uplink->conn)
		take_verdict(uplink, talk_say(&uplink->talk, uplink->conn));
}

uint64_t
uplink_bytes(const struct uplink *uplink)
{
	return uplink->talk.outgoing ? outgoing_large_bytes(uplink->talk.outgoing) : 0;
}

void
uplink_look(const struct uplink *uplink, struct runstate_upload *uploads)
{
	if (uplink->talk.outgoing)
		outgoing_look(uplink->talk.outgoing, uploads);
}

void
uplink_stop(struct uplink *uplink, unsigned seconds)
{
	enum talk_state *state = &uplink->talk.state;
	int64_t now = clock_seconds();

	if (uplink->is_over || (uplink->stop_at && uplink->stop_at <= now + seconds))
		return;
	uplink->stop_at = *state == TALK_HELLO && !uplink->is_open ? now : now + seconds;
	if (*state == TALK_HELLO || *state == TALK_OPEN)
		*state = TALK_LEAVING;
	if (uplink->conn)
		take_verdict(uplink, talk_say(&uplink->talk, uplink->conn));
	else
		lose(uplink, UPLINK_DONE, NULL); /* a lookup may take for ever */
}
