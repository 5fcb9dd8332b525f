/* SPDX-License-Identifier: ISC */
/*
 * Back-pressure is not reading: before each line, and before the body of a
 * PUT, session_must_wait() looks whether the client's window, its share of the worker's
 * room at the commit thread or the client's own reading is in the way.
 *
 * All who wait for room have something at the commit thread (share.h: the first of each
 * may always go), whose return lets them go on; nobody need walk a list of them.  (Room
 * for all as it comes free went to whoever read first, turn after turn.)
 */
#include "inboxd/inbox1/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/intake/intake.h"
#include "lib/conn.h"
#include "lib/log.h"

#define OUTPUT_MAX (256 * 1024) /* bytes of answers that a client may leave unread */
#define LINGER 2                /* seconds for the last lines to arrive */

static const char *const state_names[STATES] = {
    "greeting", "joining", "ready", "body", "leaving", "closed"};

/* Which state may follow which. */
static const unsigned moves[STATES] = {
    [GREETING] = 1u << JOINING | 1u << LEAVING | 1u << CLOSED,
    [JOINING] = 1u << READY | 1u << LEAVING | 1u << CLOSED,
    [READY] = 1u << BODY | 1u << LEAVING | 1u << CLOSED,
    [BODY] = 1u << READY | 1u << LEAVING | 1u << CLOSED,
    [LEAVING] = 1u << CLOSED,
    [CLOSED] = 0,
};

static const struct settings *
settings_of(const struct session *s)
{
	return s->shop->site->settings;
}

void
session_enter(struct session *s, enum state state)
{
	assert(moves[s->state] & 1u << state);
	log_event(LOG_DEBUG, "session_state", "peer=%s from=%s to=%s",
	    s->conn ? conn_peer_address(s->conn) : "-", state_names[s->state],
	    state_names[state]);
	s->state = state;
}

void
session_send(struct session *s, const struct proto_line *line)
{
	char text[PROTO_LINE_MAX + 1];

	if (s->state == CLOSED)
		return;
	conn_write(s->conn, text, proto_format(line, text));
	s->last_answer = s->shop->now;
}

/* ---- the end */

static void free_if_over(struct session *s);

static void
on_left(struct request *request)
{
	struct session *s = request->asker;

	s->asked = 0;
	free(request);
	free_if_over(s);
}

/* CLOSED, and nothing can come back: then its memory goes. */
static void
free_if_over(struct session *s)
{
	struct notice *leave;

	if (s->state != CLOSED || s->sharer.held > 0 || s->asked)
		return;
	if (s->queue) {
		leave = must_alloc(sizeof *leave);
		request_fill(&leave->request, COMMIT_LEAVE, s->shop->replies, on_left, s);
		leave->queue = s->queue;
		leave->generation = s->generation;
		intake_take_untold(s->intake, &leave->untold);
		s->asked = 1;
		s->queue = NULL;
		s->shop->send(s->shop, &leave->request.message);
		return;
	}
	intake_free(s->intake);
	guest_leave(s->shop, &s->guest);
	free(s->farewell);
	free(s);
}

/* Says the last line once all is answered. */
static void
finish_if_idle(struct session *s)
{
	if (intake_is_busy(s->intake))
		return;
	if (s->farewell)
		conn_write(s->conn, s->farewell, strlen(s->farewell));
	free(s->farewell);
	s->farewell = NULL;
	conn_finish(s->conn, LINGER);
}

void
session_leave(struct session *s, const struct proto_line *last)
{
	if (s->state == LEAVING || s->state == CLOSED)
		return;
	session_enter(s, LEAVING);
	guest_retire(s->shop, &s->guest);
	intake_cut_off(s->intake);
	share_wait(&s->shop->share, &s->sharer, 0);
	conn_pause(s->conn);
	if (last) {
		s->farewell = must_alloc(PROTO_LINE_MAX + 1);
		(void)proto_format(last, s->farewell);
	}
	finish_if_idle(s);
}

/* Those who are told so in one moment should not come back in one. */
static uint64_t
away_seconds(struct session *s, uint64_t seconds, enum proto_code reason)
{
	struct spread *spread = &s->shop->spread;

	if (reason == CODE_GOAWAY_STOPPING)
		return seconds + spread_crowd(spread, s->shop->leaving);
	if (reason == CODE_GOAWAY_CROWDED)
		return spread_wait(spread, seconds) +
		    spread_crowd(spread, settings_of(s)->connections);
	return seconds;
}

void
session_go_away(struct session *s, uint64_t seconds, enum proto_code reason)
{
	struct proto_line line;

	if (s->state == LEAVING || s->state == CLOSED)
		return;
	proto_line_start(&line, VERB_GOAWAY);
	proto_set_number(&line, FIELD_SECONDS, away_seconds(s, seconds, reason));
	proto_set_text(&line, FIELD_CODE, proto_code_text(reason));
	session_send(s, &line);
	session_leave(s, NULL);
}

void
session_give_error(struct session *s, enum proto_code code, const char *text)
{
	struct proto_line line;

	stats_add(&s->shop->stats, STAT_PROTOCOL_ERRORS, 1);
	log_limited(&s->shop->gate, LOG_WARNING, "protocol_error",
	    "client=%s peer=%s code=%s note=\"%s\"", s->identity[0] ? s->identity : "-",
	    conn_peer_address(s->conn), proto_code_text(code), text);
	proto_line_start(&line, VERB_ERROR);
	proto_set_text(&line, FIELD_CODE, proto_code_text(code));
	proto_set_text(&line, FIELD_TEXT, text);
	session_leave(s, &line);
}

void
session_close(struct session *s, const char *error)
{
	session_enter(s, CLOSED);
	intake_cut_off(s->intake);
	share_wait(&s->shop->share, &s->sharer, 0);
	/* Who has said QUIT owes us nothing, and need not stay for BYE. */
	guest_close(s->shop, &s->guest, s->conn, s->identity, s->has_quit ? NULL : error);
	s->conn = NULL;
	free_if_over(s);
}

/* ---- back-pressure */

static int
lacks_room(const struct session *s)
{
	return s->state == READY && !share_has_room(&s->shop->share, &s->sharer);
}

int
session_must_wait(const struct session *s)
{
	if (s->state == JOINING || conn_pending(s->conn) > OUTPUT_MAX)
		return 1;
	if (s->state == READY)
		return s->sharer.held >= settings_of(s)->window || lacks_room(s);
	return s->state == BODY && intake_must_wait(s->intake);
}

void
session_pause(struct session *s)
{
	s->paused = 1;
	conn_pause(s->conn);
}

/* It waits until it has been read again, not only until it may be: what it is let go on
 * for is kept for it. */
void
session_note_wait(struct session *s)
{
	share_wait(&s->shop->share, &s->sharer, s->paused && lacks_room(s));
}

void
session_go_on(struct session *s)
{
	if (s->state == LEAVING)
		finish_if_idle(s);
	else if (s->state == CLOSED)
		free_if_over(s);
	else if (s->paused && session_must_wait(s))
		session_note_wait(s); /* or for something else by now */
	else if (s->paused) {
		s->paused = 0;
		conn_resume(s->conn);
	}
}
