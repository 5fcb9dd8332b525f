/* SPDX-License-Identifier: ISC */
/*
 * A session is a small state machine; what is sent when is decided in one
 * place, pump(), which runs after whatever changed something: an answer, room
 * in the output, a tick.  Answers are gathered while bytes are read and made
 * durable together by an event that runs behind the reading.
 */
#include "config.h"

#include "inboxq/uplink/uplink.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/uplink/answers.h"
#include "inboxq/uplink/dial.h"
#include "inboxq/uplink/outgoing.h"
#include "inboxq/uplink/pulse.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/uplink/say.h"
#include "inboxq/base/settings.h"
#include "inboxq/uplink/skips.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/conn.h"
#include "lib/log.h"
#include "lib/proto.h"

#define SETTLE_EVERY 100 /* numbers */

enum uplink_state {
	STATE_HELLO, /* dialling, or READY is due */
	STATE_OPEN,
	STATE_LEAVING, /* no new item: answers that are due are waited for */
	STATE_QUIT,    /* BYE is due */
	STATE_OVER,
};

struct uplink {
	const struct uplink_setup *setup;
	struct event *turn; /* runs behind the callbacks of one turn of the loop */
	struct conn *conn;
	struct outgoing *outgoing;
	struct dial *dial;
	char host[SETTINGS_HOST_ROOM], port[8];
	enum uplink_state state;
	int is_open;                   /* the handshake is done */
	enum uplink_end end;           /* how it ends, once it does */
	uint64_t seconds;              /* GOAWAY's */
	int64_t begun, stop_at;        /* monotonic seconds; stop_at 0: not asked to */
	struct pulse pulse;
	char server[256]; /* READY's host */
	struct skips_told told;
};

static void dial_on(struct uplink *uplink);

static int
is_running(const struct uplink *uplink)
{
	return uplink->state != STATE_OVER;
}

/* The one way out. */
static void
finish(struct uplink *uplink, enum uplink_end end, int error)
{
	if (!is_running(uplink))
		return;
	uplink->state = STATE_OVER;
	event_del(uplink->turn);
	conn_free(uplink->conn);
	uplink->conn = NULL;
	uplink->setup->on_end(uplink->setup->ctx, end, uplink->seconds, error);
}

static int
settle(struct uplink *uplink)
{
	const struct uplink_setup *setup = uplink->setup;

	/* Before READY nobody knows whom we speak to. */
	if (uplink->server[0] == '\0' || outgoing_is_midway(uplink->outgoing))
		return 0;
	return skips_settle(
	    setup->spool, setup->schedule, &uplink->told, uplink->server, uplink->conn);
}

/* Nothing is to be sent, and nothing is awaited.  Who leaves does not wait for open
 * items that the server lacks bytes of: it keeps what it has of them. */
static int
is_idle(struct uplink *uplink, int64_t now)
{
	struct schedule *schedule = uplink->setup->schedule;
	uint64_t sent = schedule_counts(schedule)->sent;

	if (outgoing_is_midway(uplink->outgoing))
		return 0;
	if (uplink->state == STATE_LEAVING)
		return sent == outgoing_unfinished(uplink->outgoing);
	return sent == 0 && schedule_next(schedule, SCHEDULE_SMALL, now) == 0 &&
	    schedule_next(schedule, SCHEDULE_LARGE, now) == 0;
}

/* `why` NULL: in order. */
static void
lose(struct uplink *uplink, const char *why)
{
	if (why)
		log_event(LOG_WARNING, "session_lost", "server=%s port=%s error=\"%s\"",
		    uplink->host, uplink->port, why);
	/* What was answered before counts. */
	if (ends_commit(uplink->setup->ends) < 0)
		finish(uplink, UPLINK_TROUBLE, errno);
	else
		finish(uplink, uplink->end, 0);
}

/* Says what is now to be said. */
static void
pump(struct uplink *uplink)
{
	struct schedule *schedule = uplink->setup->schedule;
	int64_t now = clock_seconds();
	int no_more = uplink->state != STATE_HELLO && uplink->state != STATE_OPEN;
	int is_away = uplink->state == STATE_LEAVING && uplink->end == UPLINK_AWAY;

	if (!is_running(uplink) || uplink->state == STATE_QUIT || is_away)
		return;
	switch (outgoing_pump(uplink->outgoing, uplink->conn, now, no_more)) {
	case OUTGOING_OK:
		break;
	case OUTGOING_BROKEN:
		lose(uplink, "an item's file could not be read on");
		return;
	case OUTGOING_TROUBLE:
		goto trouble;
	}
	if (uplink->state == STATE_HELLO)
		return;
	/* What was set aside just now is to be told by SKIP, too. */
	if (schedule_counts(schedule)->answered && ends_commit(uplink->setup->ends) < 0)
		goto trouble;
	if ((is_idle(uplink, now) ||
	        schedule_settled(schedule) - uplink->told.settled >= SETTLE_EVERY) &&
	    settle(uplink) < 0)
		goto trouble;
	/* One cycle is over once nothing is put off for a time only. */
	if (is_idle(uplink, now) && (uplink->state == STATE_LEAVING ||
	        (uplink->setup->once && schedule_due(schedule) == SCHEDULE_NEVER))) {
		say_word(uplink->conn, VERB_QUIT);
		uplink->state = STATE_QUIT;
		uplink->end = UPLINK_DONE;
	}
	return;
trouble:
	finish(uplink, UPLINK_TROUBLE, errno);
}

static void
on_ready(struct uplink *uplink, const struct proto_line *line)
{
	const struct schedule_counts *counts = schedule_counts(uplink->setup->schedule);

	if (proto_has(line, FIELD_IDLE))
		uplink->pulse.idle = line->number[FIELD_IDLE];
	span_copy(uplink->server, sizeof uplink->server, line->text[FIELD_HOST]);
	/* From here on sent.log is read, from its begin: a server whose mark is
	 * behind ours is told what became of the numbers between. */
	if (proto_has(line, FIELD_MARK) && line->number[FIELD_MARK] < uplink->told.settled)
		uplink->told.settled = line->number[FIELD_MARK];
	outgoing_take_ready(uplink->outgoing, line);
	if (uplink->state == STATE_HELLO)
		uplink->state = STATE_OPEN;
	log_event(LOG_INFO, "session_ready", "server=%s host=%s pending=%" PRIu64, uplink->host,
	    uplink->server, counts->waiting + counts->sent);
}

/* The server must have had all bytes of what it says it has stored, unless it
 * knew the item from before. */
static int
is_too_early(const struct uplink *uplink, const struct proto_line *line)
{
	if (line->verb == VERB_STORED && !proto_has(line, FIELD_AGAIN) &&
	    outgoing_is_unfinished(uplink->outgoing, line->number[FIELD_NUMBER]))
		return 1;
	return uplink->server[0] == '\0';
}

static void
on_goaway(struct uplink *uplink, const struct proto_line *line)
{
	char reason[40];

	uplink->seconds = line->number[FIELD_SECONDS];
	uplink->end = UPLINK_AWAY;
	uplink->state = STATE_LEAVING;
	log_event(LOG_NOTICE, "goaway", "server=%s seconds=%" PRIu64 " reason=%s", uplink->host,
	    uplink->seconds, answers_text(line, FIELD_CODE, reason, sizeof reason));
}

static void
on_answer(struct uplink *uplink, const struct proto_line *line)
{
	struct answer_context context = {uplink->setup->spool, uplink->setup->schedule,
	    uplink->setup->ends, uplink->server, clock_seconds(), outgoing_item_max(uplink->outgoing),
	    uplink->setup->once};
	uint64_t size;
	int rc = answers_take(&context, line, &size);

	if (rc < 0)
		finish(uplink, UPLINK_TROUBLE, errno);
	else if (rc > 0)
		outgoing_answered(uplink->outgoing, line->number[FIELD_NUMBER], size);
	/* To look at an item for damage takes its time. */
	uplink->pulse.beat = clock_seconds();
}

static void
on_send(struct uplink *uplink, const struct proto_line *line)
{
	uint64_t n = line->number[FIELD_NUMBER], offset = line->number[FIELD_OFFSET];
	struct proto_line later;
	enum large_verdict verdict = outgoing_take_send(uplink->outgoing, n, offset);

	if (verdict == LARGE_OK) {
		log_event(LOG_DEBUG, "upload_from", "n=%" PRIu64 " offset=%" PRIu64, n, offset);
	} else if (verdict == LARGE_FAULT) {
		lose(uplink, "the server sent SEND out of place");
	} else {
		answers_make_spoilt(&later, n);
		on_answer(uplink, &later);
	}
}

static void
on_line(struct uplink *uplink, const struct proto_line *line)
{
	char code[40], text[PROTO_LINE_MAX];

	uplink->pulse.wait = 0;
	switch (line->verb) {
	case VERB_READY:
		on_ready(uplink, line);
		break;
	case VERB_STORED:
	case VERB_LATER:
	case VERB_REFUSED:
	case VERB_SEND:
		if (is_too_early(uplink, line))
			lose(uplink, "the server answers what it cannot have");
		else if (line->verb == VERB_SEND)
			on_send(uplink, line);
		else
			on_answer(uplink, line);
		break;
	case VERB_PONG:
		uplink->pulse.ping_due = 0;
		break;
	case VERB_WAIT:
		uplink->pulse.wait = line->number[FIELD_SECONDS];
		break;
	case VERB_GOAWAY:
		on_goaway(uplink, line);
		break;
	case VERB_ERROR:
		uplink->end = UPLINK_LOST;
		log_event(LOG_ERR, "server_error", "server=%s code=%s note=\"%s\"", uplink->host,
		    answers_text(line, FIELD_CODE, code, sizeof code),
		    answers_text(line, FIELD_TEXT, text, sizeof text));
		lose(uplink, "the server said ERROR");
		break;
	default: /* BYE */
		break;
	}
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct uplink *uplink = ctx;
	struct proto_error error;
	struct proto_line line;
	size_t used = 0;
	int line_len;

	uplink->pulse.beat = clock_seconds();
	while (is_running(uplink)) {
		line_len = proto_find_line(data + used, len - used, &error);
		if (line_len == 0)
			break;
		if (line_len < 0 || proto_parse((const char *)data + used, (size_t)line_len - 1,
		                        PROTO_SERVER, &line, &error) < 0) {
			log_event(LOG_ERR, "grammar", "server=%s error=\"%s\"", uplink->host,
			    error.text);
			lose(uplink, "the server breaks the grammar");
			return len;
		}
		used += (size_t)line_len;
		on_line(uplink, &line);
	}
	if (is_running(uplink))
		event_active(uplink->turn, EV_TIMEOUT, 1);
	return is_running(uplink) ? used : len;
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
		pump(uplink);
}

static void
on_open(void *ctx)
{
	struct uplink *uplink = ctx;

	uplink->is_open = 1;
	uplink->pulse.beat = clock_seconds();
}

static void
on_drained(void *ctx)
{
	struct uplink *uplink = ctx;

	uplink->pulse.beat = clock_seconds();
	event_active(uplink->turn, EV_TIMEOUT, 1);
}

static void
on_close(void *ctx, const char *error)
{
	struct uplink *uplink = ctx;

	if (!uplink->is_open) {
		log_event(LOG_WARNING, "connect_failed", "server=%s address=%s error=\"%s\"",
		    uplink->host, conn_peer_address(uplink->conn), error ? error : "closed");
		dial_on(uplink);
	} else {
		if (!error && uplink->end == UPLINK_LOST)
			error = "the server closed the connection";
		lose(uplink, error);
	}
}

/* No on_idle: uplink_tick() has the time-outs. */
static const struct conn_events conn_calls = {
    .on_open = on_open, .on_read = on_read, .on_drained = on_drained, .on_close = on_close};

/* The next address; what had been written for the one before was never sent. */
static void
dial_on(struct uplink *uplink)
{
	const struct uplink_setup *setup = uplink->setup;
	char address[ADDRESS_ROOM];
	struct conn_link link = {.peer = address, .host = uplink->host};

	conn_free(uplink->conn);
	uplink->conn = NULL;
	outgoing_free(uplink->outgoing);
	schedule_take_back(setup->schedule);
	uplink->outgoing = outgoing_new(setup->spool, setup->schedule, setup->ends);
	link.fd = uplink->dial && uplink->outgoing ? dial_next(uplink->dial, address) : -1;
	if (link.fd >= 0)
		uplink->conn = conn_new(setup->base, setup->tls, &link, &conn_calls, uplink);
	if (!uplink->conn) {
		event_active(uplink->turn, EV_TIMEOUT, 1);
		return;
	}
	uplink->begun = uplink->pulse.beat = clock_seconds();
	if (skips_hello(setup->spool, setup->schedule, &uplink->told, uplink->conn) < 0)
		finish(uplink, UPLINK_TROUBLE, errno);
	else
		pump(uplink);
}

struct uplink *
uplink_new(const struct uplink_setup *setup, const char *server)
{
	struct uplink *uplink = calloc(1, sizeof *uplink);
	char why[128];

	if (!uplink)
		return NULL;
	uplink->setup = setup;
	uplink->end = UPLINK_LOST;
	uplink->turn = event_new(setup->base, -1, 0, on_turn, uplink);
	if (!uplink->turn) {
		free(uplink);
		return NULL;
	}
	/* The settings were checked: this cannot fail. */
	(void)!settings_split_server(server, uplink->host, uplink->port);
	uplink->dial = dial_new(uplink->host, uplink->port, why, sizeof why);
	if (!uplink->dial)
		log_event(
		    LOG_WARNING, "resolve_failed", "server=%s error=\"%s\"", uplink->host, why);
	dial_on(uplink);
	return uplink;
}

void
uplink_free(struct uplink *uplink)
{
	if (!uplink)
		return;
	event_free(uplink->turn);
	conn_free(uplink->conn);
	outgoing_free(uplink->outgoing);
	dial_free(uplink->dial);
	free(uplink);
}

static int
is_answer_due(const struct uplink *uplink)
{
	return uplink->state != STATE_OPEN || uplink->pulse.ping_due ||
	    schedule_counts(uplink->setup->schedule)->sent > 0;
}

void
uplink_tick(struct uplink *uplink)
{
	const struct settings *settings = uplink->setup->settings;
	int64_t now = clock_seconds();

	if (!is_running(uplink) || !uplink->conn)
		return;
	if (uplink->stop_at && now >= uplink->stop_at) {
		uplink->end = UPLINK_DONE;
		lose(uplink, "stopped with answers due");
	} else if (!uplink->is_open && now - uplink->begun > (int64_t)settings->connect_timeout) {
		log_event(LOG_WARNING, "connect_failed", "server=%s address=%s error=\"timed out\"",
		    uplink->host, conn_peer_address(uplink->conn));
		dial_on(uplink);
	} else {
		pulse_look(&uplink->pulse, uplink->conn, now);
		if (uplink->is_open && is_answer_due(uplink) &&
		    pulse_is_late(&uplink->pulse, now, settings->timeout)) {
			lose(uplink, "no answer in time");
			return;
		}
		if (uplink->state == STATE_OPEN && !outgoing_is_midway(uplink->outgoing) &&
		    pulse_wants_ping(&uplink->pulse, now))
			say_word(uplink->conn, VERB_PING);
		pump(uplink);
		if (uplink->conn)
			pulse_note(&uplink->pulse, uplink->conn);
	}
}

uint64_t
uplink_bytes(const struct uplink *uplink)
{
	return uplink->outgoing ? outgoing_large_bytes(uplink->outgoing) : 0;
}

void
uplink_stop(struct uplink *uplink, unsigned seconds)
{
	if (!is_running(uplink) || (uplink->stop_at && uplink->stop_at <= clock_seconds() + seconds))
		return;
	uplink->stop_at = clock_seconds() + seconds;
	if (uplink->state == STATE_HELLO && !uplink->is_open)
		uplink->stop_at = clock_seconds();
	if (uplink->state == STATE_HELLO || uplink->state == STATE_OPEN)
		uplink->state = STATE_LEAVING;
	if (uplink->conn)
		pump(uplink);
}
