/* SPDX-License-Identifier: ISC */
/*
 * What is sent when is decided in one place, talk_say(), which runs after whatever
 * changed something: an answer, room in the output, a tick.  Answers are gathered
 * while bytes are read; who owns the connection has them made durable behind that.
 */
#include "inboxq/uplink/talk.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "inboxq/base/news.h"
#include "inboxq/queue/ends.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/uplink/answers.h"
#include "inboxq/uplink/outgoing.h"
#include "inboxq/uplink/say.h"
#include "inboxq/uplink/unanswered.h"
#include "lib/clock.h"
#include "lib/conn.h"
#include "lib/log.h"
#include "lib/proto.h"

#define SETTLE_EVERY 100 /* numbers */
#define AWAY_MAX 86400 /* seconds: a server's slip must not keep us for years */
#define VAIN_MAX 32 /* items put off in a row */
#define BYE_MAX 5 /* seconds: behind QUIT nothing is to come that we need */

static uint64_t
at_most(uint64_t seconds, uint64_t most)
{
	return seconds < most ? seconds : most;
}

int
talk_begin(struct talk *talk)
{
	talk_end(talk);
	schedule_take_back(talk->schedule);
	talk->outgoing = outgoing_new(
	    talk->spool, talk->schedule, talk->ends, talk->bandwidth);
	return talk->outgoing ? 0 : -1;
}

void
talk_end(struct talk *talk)
{
	if (talk->is_open)
		unanswered_end(talk->schedule, talk->outgoing, talk->host, talk->has_parted);
	else
		schedule_untry(talk->schedule);
	talk->is_open = 0;
	talk->has_parted = 0;
	outgoing_free(talk->outgoing);
	talk->outgoing = NULL;
}

void
talk_opened(struct talk *talk)
{
	talk->is_open = 1;
	outgoing_opened(talk->outgoing, talk->host);
}

static enum talk_verdict
lose(struct talk *talk, const char *why)
{
	talk->why = why;
	return TALK_LOST;
}

static int
settle(struct talk *talk, struct conn *conn)
{
	size_t before = conn_pending(conn);
	int rc;

	/* Before READY nobody knows whom we speak to. */
	if (talk->server[0] == '\0' || outgoing_is_midway(talk->outgoing))
		return 0;
	rc = skips_settle(talk->spool, talk->schedule, &talk->told, talk->server, conn);
	before = conn_pending(conn) - before;
	outgoing_count(talk->outgoing, before);
	pulse_aside(&talk->pulse, before);
	return rc;
}

/* Says what lies here, if that is not what the server was told last. */
static void
tell_state(struct talk *talk, struct conn *conn, int64_t now)
{
	struct backlog backlog = talk->told.backlog;
	size_t before = conn_pending(conn);

	if (talk->state_every == 0)
		return;
	talk->state_due = now + (int64_t)talk->state_every;
	say_look(talk->spool, talk->schedule, &talk->told.failed, &backlog);
	if (!say_is_news(&backlog, &talk->told.backlog))
		return;
	say_state(conn, &backlog);
	pulse_aside(&talk->pulse, conn_pending(conn) - before);
	talk->told.backlog = backlog;
}

/* Nothing is to be sent, and nothing is awaited.  Who leaves does not wait for open
 * items that the server lacks bytes of: it keeps what it has of them. */
static int
is_idle(struct talk *talk, int64_t now)
{
	struct schedule *schedule = talk->schedule;
	uint64_t sent = schedule_counts(schedule)->sent;

	if (outgoing_is_midway(talk->outgoing))
		return 0;
	if (talk->state == TALK_LEAVING)
		return sent == outgoing_unfinished(talk->outgoing);
	return sent == 0 && schedule_next(schedule, SCHEDULE_SMALL, now) == 0 &&
	    schedule_next(schedule, SCHEDULE_LARGE, now) == 0;
}

/* Does it put off whatever it gets?  One whose disk is full would be sent all that waits, each
 * time that is due, for nothing: it gets an item a second, until it takes one.  One cycle sends
 * each but once. */
static int
is_in_vain(const struct talk *talk)
{
	return !talk->once && talk->in_vain >= VAIN_MAX;
}

static int
is_at_rest(struct talk *talk, int64_t now)
{
	return is_idle(talk, now) || (is_in_vain(talk) && !outgoing_is_midway(talk->outgoing) &&
	    schedule_counts(talk->schedule)->sent == 0);
}

int
talk_is_at_rest(struct talk *talk)
{
	return talk->state == TALK_OPEN && is_at_rest(talk, clock_seconds());
}

static enum outgoing_result
pump(struct talk *talk, struct conn *conn, int64_t now)
{
	int is_early = talk->state == TALK_HELLO && !talk->is_wary;
	int no_more = !is_early && talk->state != TALK_OPEN;
	int is_turn = now > talk->tried;

	outgoing_allow(talk->outgoing, is_in_vain(talk) ? (unsigned)is_turn : UINT_MAX);
	if (is_in_vain(talk))
		talk->tried = now;
	return outgoing_pump(talk->outgoing, conn, now, no_more);
}

enum talk_verdict
talk_say(struct talk *talk, struct conn *conn)
{
	struct schedule *schedule = talk->schedule;
	int64_t now = clock_seconds();

	if (talk->state == TALK_AWAY || talk->state == TALK_QUIT)
		return TALK_GOES_ON;
	switch (pump(talk, conn, now)) {
	case OUTGOING_OK:
		break;
	case OUTGOING_BROKEN:
		return lose(talk, "an item's file could not be read on");
	case OUTGOING_TROUBLE:
		return TALK_TROUBLE;
	}
	if (talk->state == TALK_HELLO)
		return TALK_GOES_ON;
	/* What was set aside just now is to be told by SKIP, too. */
	if (schedule_counts(schedule)->answered && ends_commit(talk->ends) < 0)
		return TALK_TROUBLE;
	if ((is_at_rest(talk, now) ||
	        schedule_settled(schedule) - talk->told.settled >= SETTLE_EVERY) &&
	    settle(talk, conn) < 0)
		return TALK_TROUBLE;
	/* One cycle is over once nothing is put off for a time only. */
	if (is_idle(talk, now) && (talk->state == TALK_LEAVING ||
	        (talk->once && schedule_due(schedule) >= SCHEDULE_HELD))) {
		tell_state(talk, conn, now);
		say_word(conn, VERB_QUIT);
		talk->state = TALK_QUIT;
	}
	return TALK_GOES_ON;
}

int64_t
talk_wait(const struct talk *talk)
{
	return talk->outgoing ? outgoing_wait(talk->outgoing) : 0;
}

enum talk_verdict
talk_hello(struct talk *talk, struct conn *conn)
{
	pulse_begin(&talk->pulse, clock_seconds());
	if (skips_hello(talk->spool, talk->schedule, &talk->told, conn) < 0)
		return TALK_TROUBLE;
	return talk_say(talk, conn);
}

/* How long it may say nothing. */
static uint64_t
patience(const struct talk *talk, uint64_t limit)
{
	return talk->state == TALK_QUIT ? at_most(limit, BYE_MAX) : limit;
}

/* Has the server to say something? */
static int
awaits_word(const struct talk *talk)
{
	return talk->state != TALK_OPEN || talk->pulse.ping_due ||
	    schedule_counts(talk->schedule)->sent > 0;
}

static void
ping(struct talk *talk, struct conn *conn)
{
	size_t before = conn_pending(conn);

	say_word(conn, VERB_PING);
	pulse_aside(&talk->pulse, conn_pending(conn) - before);
}

/* What is due now, of all that may be. */
static void
note_due(struct talk *talk, int64_t now)
{
	uint64_t partly = outgoing_unfinished(talk->outgoing) +
	    (uint64_t)outgoing_is_midway(talk->outgoing);

	if (!awaits_word(talk))
		pulse_rest(&talk->pulse, now);
	if (schedule_counts(talk->schedule)->sent <= partly)
		pulse_owed_none(&talk->pulse, now);
}

enum talk_verdict
talk_tick(struct talk *talk, struct conn *conn, uint64_t limit)
{
	int64_t now = clock_seconds();
	enum talk_verdict verdict;

	pulse_look(&talk->pulse, conn, now);
	note_due(talk, now);
	if (limit && awaits_word(talk) &&
	    pulse_is_late(&talk->pulse, now, patience(talk, limit)))
		return lose(talk, "no answer in time");
	if (talk->state == TALK_OPEN && !outgoing_is_midway(talk->outgoing) &&
	    pulse_wants_ping(&talk->pulse, now))
		ping(talk, conn);
	verdict = talk_say(talk, conn);
	if (verdict == TALK_GOES_ON && talk->state == TALK_OPEN && now >= talk->state_due &&
	    !outgoing_is_midway(talk->outgoing))
		tell_state(talk, conn, now);
	return verdict;
}

void
talk_wake(struct talk *talk, struct conn *conn, int64_t seconds)
{
	pulse_sleep(&talk->pulse, clock_seconds(), seconds);
	if (talk->state == TALK_OPEN && !outgoing_is_midway(talk->outgoing) &&
	    !talk->pulse.ping_due) {
		talk->pulse.ping_due = 1;
		ping(talk, conn);
	}
}

static void
take_server(struct talk *talk, const struct proto_line *line)
{
	size_t len = line->text[FIELD_HOST].len;

	span_copy(talk->server, sizeof talk->server, line->text[FIELD_HOST]);
	if (!proto_has(line, FIELD_ID))
		return;
	talk->server[len] = '/';
	span_copy(talk->server + len + 1, sizeof talk->server - len - 1, line->text[FIELD_ID]);
}

/* A mark above all numbers that we ever gave: they were given by another, or by us before
 * the spool was put back to an older state. */
static void
look_at_mark(const struct talk *talk, uint64_t mark)
{
	uint64_t next = schedule_counts(talk->schedule)->highest + 1;

	if (mark > next)
		log_event(LOG_WARNING, "queue_behind",
		    "server=%s host=%s settled=%" PRIu64 " next=%" PRIu64
		    " note=\"this spool came from a backup, or another machine has it, too\"",
		    talk->host, talk->server, mark, next);
}

static enum talk_verdict
on_ready(struct talk *talk, const struct proto_line *line)
{
	const struct schedule_counts *counts = schedule_counts(talk->schedule);

	if (line->number[FIELD_VERSION] != PROTO_VERSION)
		return lose(talk, "the server speaks another version of the protocol than 1");
	if (talk->server[0] != '\0')
		return lose(talk, "the server said READY twice");
	pulse_answer(&talk->pulse, clock_seconds());
	if (proto_has(line, FIELD_EVERY)) {
		talk->state_every = line->number[FIELD_EVERY];
		talk->state_due = clock_seconds() + (int64_t)talk->state_every;
	}
	if (proto_has(line, FIELD_IDLE))
		talk->pulse.idle = line->number[FIELD_IDLE];
	take_server(talk, line);
	schedule_met(talk->schedule, talk->server);
	/* From here on sent.log is read, from its begin: a server whose mark is
	 * behind ours is told what became of the numbers between. */
	if (proto_has(line, FIELD_MARK)) {
		look_at_mark(talk, line->number[FIELD_MARK]);
		if (line->number[FIELD_MARK] < talk->told.settled)
			talk->told.settled = line->number[FIELD_MARK];
	}
	outgoing_take_ready(talk->outgoing, line);
	if (talk->state == TALK_HELLO)
		talk->state = TALK_OPEN;
	news_clear();
	unanswered_tell(talk->schedule, talk->host);
	log_event(LOG_INFO, "session_ready", "server=%s host=%s pending=%" PRIu64, talk->host,
	    talk->server, counts->waiting + counts->sent);
	return TALK_GOES_ON;
}

/* The server must have had all bytes of what it says it has stored, unless it
 * knew the item from before. */
static int
is_too_early(const struct talk *talk, const struct proto_line *line)
{
	if (line->verb == VERB_STORED && !proto_has(line, FIELD_AGAIN) &&
	    outgoing_is_unfinished(talk->outgoing, line->number[FIELD_NUMBER]))
		return 1;
	return talk->server[0] == '\0';
}

static void
on_goaway(struct talk *talk, const struct proto_line *line)
{
	char reason[40];

	answers_text(line, FIELD_CODE, reason, sizeof reason);
	talk->seconds = at_most(line->number[FIELD_SECONDS], AWAY_MAX);
	talk->was_idle = strcmp(reason, proto_code_text(CODE_GOAWAY_IDLE)) == 0;
	talk->was_superseded = strcmp(reason, proto_code_text(CODE_GOAWAY_SUPERSEDED)) == 0;
	talk->state = TALK_AWAY;
	log_event(LOG_NOTICE, "goaway", "server=%s seconds=%" PRIu64 " reason=%s", talk->host,
	    talk->seconds, reason);
	if (talk->seconds)
		news_trouble("%s: it wants to be left alone for %" PRIu64 " s: %s", talk->host,
		    talk->seconds, reason);
}

/* At the time of now: to look at an item for damage took its own. */
static void
note_answer(struct talk *talk, enum proto_verb verb, int is_put_off)
{
	int64_t now = clock_seconds();

	pulse_answer(&talk->pulse, now);
	if (is_put_off)
		talk->in_vain += talk->in_vain < VAIN_MAX;
	else if (verb != VERB_LATER)
		talk->in_vain = 0;
	if (verb != VERB_LATER)
		talk->puts_off = 0;
	else if (talk->puts_off == 0)
		talk->puts_off = now;
}

static enum talk_verdict
on_answer(struct talk *talk, const struct proto_line *line)
{
	int is_whole = !outgoing_is_unfinished(talk->outgoing, line->number[FIELD_NUMBER]);
	struct answer_context context = {talk->spool, talk->schedule, talk->ends, talk->server,
	    talk->host, clock_seconds(), outgoing_item_max(talk->outgoing), talk->once,
	    is_whole, &talk->gate, &talk->lots};
	uint64_t size;
	int rc = answers_take(&context, line, &size);

	if (rc < 0)
		return TALK_TROUBLE;
	if (rc > 0) {
		outgoing_answered(talk->outgoing, line->number[FIELD_NUMBER], size);
		note_answer(talk, line->verb, rc == 2);
	}
	return TALK_GOES_ON;
}

static enum talk_verdict
on_send(struct talk *talk, const struct proto_line *line)
{
	uint64_t n = line->number[FIELD_NUMBER], offset = line->number[FIELD_OFFSET];
	struct proto_line later;
	enum large_verdict verdict = outgoing_take_send(talk->outgoing, n, offset);

	if (verdict == LARGE_FAULT)
		return lose(talk, "the server sent SEND out of place");
	if (verdict == LARGE_SPOILT) {
		answers_make_spoilt(&later, n);
		return on_answer(talk, &later);
	}
	pulse_answer(&talk->pulse, clock_seconds());
	log_event(LOG_DEBUG, "upload_from", "n=%" PRIu64 " offset=%" PRIu64, n, offset);
	return TALK_GOES_ON;
}

static enum talk_verdict
on_line(struct talk *talk, const struct proto_line *line)
{
	char code[40], text[PROTO_LINE_MAX];

	switch (line->verb) {
	case VERB_READY:
		return on_ready(talk, line);
	case VERB_STORED:
	case VERB_LATER:
	case VERB_REFUSED:
	case VERB_SEND:
		if (is_too_early(talk, line))
			return lose(talk, "the server answers what it cannot have");
		return line->verb == VERB_SEND ? on_send(talk, line) : on_answer(talk, line);
	case VERB_PONG:
		pulse_pong(&talk->pulse, clock_seconds());
		break;
	case VERB_WAIT:
		if (awaits_word(talk) && talk->state != TALK_QUIT)
			pulse_wait(&talk->pulse, clock_seconds(), line->number[FIELD_SECONDS]);
		break;
	case VERB_GOAWAY:
		on_goaway(talk, line);
		break;
	case VERB_ERROR:
		talk->state = TALK_LEAVING;
		log_event(LOG_ERR, "server_error", "server=%s code=%s note=\"%s\"", talk->host,
		    answers_text(line, FIELD_CODE, code, sizeof code),
		    answers_text(line, FIELD_TEXT, text, sizeof text));
		snprintf(talk->said, sizeof talk->said, "the server said ERROR %s: %.500s", code,
		    text);
		return lose(talk, talk->said);
	case VERB_BYE: /* the last line; whether it closes is no matter of ours */
		return lose(talk, talk->state == TALK_QUIT || talk->state == TALK_AWAY
		    ? NULL : "the server said BYE unasked");
	case VERB_HELLO: /* and what else we say: no server's line, for proto_parse() */
	case VERB_PUT:
	case VERB_OPEN:
	case VERB_DATA:
	case VERB_SETTLED:
	case VERB_SKIP:
	case VERB_STATE:
	case VERB_PING:
	case VERB_QUIT:
	case PROTO_VERBS:
		break;
	}
	return TALK_GOES_ON;
}

enum talk_verdict
talk_hear(struct talk *talk, const unsigned char *data, size_t len, size_t *used)
{
	enum talk_verdict verdict = TALK_GOES_ON;
	struct proto_error error;
	struct proto_line line;

	*used = 0;
	while (verdict == TALK_GOES_ON) {
		int line_len = proto_find_line(data + *used, len - *used, &error);

		if (line_len == 0)
			break;
		if (line_len < 0 || proto_parse((const char *)data + *used, (size_t)line_len - 1,
		                        PROTO_SERVER, &line, &error) < 0) {
			log_event(
			    LOG_ERR, "grammar", "server=%s error=\"%s\"", talk->host, error.text);
			return lose(talk, "the server breaks the grammar");
		}
		*used += (size_t)line_len;
		verdict = on_line(talk, &line);
	}
	return verdict;
}
