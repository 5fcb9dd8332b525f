/* SPDX-License-Identifier: ISC */
/*
 * The connection of a session, its states, and its end.
 *
 * Back-pressure is not reading: before each line, and before the body of a
 * PUT, must_wait() looks whether the client's window, its share of the worker's
 * room at the commit thread or the client's own reading is in the way.
 *
 * That room is shared evenly among those who want more of it than there is, and
 * one item of each may always be under way: so whoever sends most keeps nobody
 * out.  And so all who wait for room have something at the commit thread, whose
 * return lets them go on; nobody need walk a list of them.  (Room for all as it
 * comes free went to whoever read first, turn after turn.)
 */
#include "inboxd/inbox1/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/inbox1/session_parts.h"
#include "lib/conn.h"
#include "lib/digest.h"
#include "lib/log.h"

#define OUTPUT_MAX (256 * 1024) /* bytes of answers that a client may leave unread */
#define LINGER 2                /* seconds for the last lines to arrive */

static const char *const state_names[STATES] = {
    "greeting", "joining", "ready", "body", "piece", "dropping", "leaving", "closed"};

/* Which state may follow which. */
static const unsigned moves[STATES] = {
    [GREETING] = 1u << JOINING | 1u << LEAVING | 1u << CLOSED,
    [JOINING] = 1u << READY | 1u << LEAVING | 1u << CLOSED,
    [READY] = 1u << BODY | 1u << PIECE | 1u << DROPPING | 1u << LEAVING | 1u << CLOSED,
    [BODY] = 1u << READY | 1u << DROPPING | 1u << LEAVING | 1u << CLOSED,
    [PIECE] = 1u << READY | 1u << DROPPING | 1u << LEAVING | 1u << CLOSED,
    [DROPPING] = 1u << READY | 1u << LEAVING | 1u << CLOSED,
    [LEAVING] = 1u << CLOSED,
    [CLOSED] = 0,
};

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

void
session_count_item(struct session *s, int difference)
{
	share_count_item(&s->shop->share, difference, s->waits_for_room);
}

/* It waits until it has been read again, not only until it may be: what it is
 * let go on for is kept for it. */
static void
set_waits(struct session *s, int waits)
{
	if (waits != s->waits_for_room)
		share_count_waiting(&s->shop->share, waits ? 1 : -1, s->items + s->notices);
	s->waits_for_room = waits;
}

void
session_ask(struct session *s, struct request *request, enum commit_message kind,
    void (*take_back)(struct request *request))
{
	request->message.kind = (int)kind;
	request->reply = s->shop->replies;
	request->take_back = take_back;
	request->asker = s;
}

/* ---- the end */

static void
on_left(struct request *request)
{
	struct session *s = request->asker;

	s->asked = 0;
	free(request);
	session_free_if_over(s);
}

/* What waits for the session to be over: then its memory goes. */
void
session_free_if_over(struct session *s)
{
	struct notice *leave;

	if (s->state != CLOSED || s->items > 0 || s->notices > 0 || s->asked)
		return;
	if (s->queue) {
		leave = must_alloc(sizeof *leave);
		session_ask(s, &leave->request, COMMIT_LEAVE, on_left);
		leave->queue = s->queue;
		leave->generation = s->generation;
		s->asked = 1;
		s->queue = NULL;
		s->shop->send(s->shop, &leave->request.message);
		return;
	}
	digest_free(s->digest);
	s->shop->on_over(s->shop, s);
	free(s);
}

/* Says the last line once all is answered. */
void
session_finish_if_idle(struct session *s)
{
	if (s->state != LEAVING || s->items > 0)
		return;
	if (s->farewell[0])
		conn_write(s->conn, s->farewell, strlen(s->farewell));
	s->farewell[0] = '\0';
	conn_finish(s->conn, LINGER);
}

/* Stops reading; `last` (or NULL) is the last line. */
void
session_leave(struct session *s, const struct proto_line *last)
{
	if (s->state == LEAVING || s->state == CLOSED)
		return;
	session_enter(s, LEAVING);
	upload_cut_off(s);
	opens_cut_off(s);
	set_waits(s, 0);
	conn_pause(s->conn);
	if (last)
		(void)proto_format(last, s->farewell);
	session_finish_if_idle(s);
}

void
session_go_away(struct session *s, uint64_t seconds, enum proto_code reason)
{
	struct proto_line line;

	if (s->state == LEAVING || s->state == CLOSED)
		return;
	proto_line_start(&line, VERB_GOAWAY);
	proto_set_number(&line, FIELD_SECONDS, seconds);
	proto_set_text(&line, FIELD_CODE, proto_code_text(reason));
	session_send(s, &line);
	session_leave(s, NULL);
}

void
session_give_error(struct session *s, enum proto_code code, const char *text)
{
	struct proto_line line;

	stats_add(session_stats(s), STAT_PROTOCOL_ERRORS, 1);
	log_limited(&s->shop->gate, LOG_WARNING, "protocol_error",
	    "client=%s peer=%s code=%s note=\"%s\"", s->identity[0] ? s->identity : "-",
	    conn_peer_address(s->conn), proto_code_text(code), text);
	proto_line_start(&line, VERB_ERROR);
	proto_set_text(&line, FIELD_CODE, proto_code_text(code));
	proto_set_text(&line, FIELD_TEXT, text);
	session_leave(s, &line);
}

/* ---- the connection */

static int
lacks_room(const struct session *s)
{
	return s->state == READY &&
	    !share_has_room(&s->shop->share, s->items + s->notices, s->waits_for_room);
}

/* Must reading stop for now? */
static int
must_wait(const struct session *s)
{
	const struct settings *settings = s->shop->site->settings;

	if (conn_pending(s->conn) > OUTPUT_MAX)
		return 1;
	if (s->state == READY)
		return s->items + s->notices >= settings->window || lacks_room(s);
	/* One item may always be under way, whatever its size. */
	if (s->state == BODY && s->remaining == s->item->size)
		return s->items > 0 && s->bytes + s->item->size > settings->bytes;
	return 0;
}

static size_t
take_some(struct session *s, const unsigned char *data, size_t len)
{
	switch (s->state) {
	case GREETING:
	case READY:
		return lines_take(s, data, len);
	case BODY:
		return upload_take(s, data, len);
	case PIECE:
		return opens_take(s, data, len);
	case DROPPING:
		return upload_drop(s, len);
	case JOINING:
	case LEAVING:
	case CLOSED:
	case STATES:
		break;
	}
	return 0;
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct session *s = ctx;
	size_t used = 0, taken;

	while (used < len && s->state != LEAVING) {
		if (s->state == JOINING || must_wait(s)) {
			s->paused = 1;
			conn_pause(s->conn);
			break;
		}
		taken = take_some(s, data + used, len - used);
		if (taken == 0)
			break; /* the rest of a line is still to come */
		used += taken;
	}
	set_waits(s, s->paused && lacks_room(s));
	return used;
}

void
session_go_on(struct session *s)
{
	if (!s->paused || s->state == JOINING || s->state == LEAVING || s->state == CLOSED)
		return;
	if (must_wait(s)) {
		set_waits(s, lacks_room(s)); /* or for something else by now */
		return;
	}
	s->paused = 0;
	conn_resume(s->conn);
}

static void
on_conn_open(void *ctx)
{
	struct session *s = ctx;
	char why[IDENTITY_ERROR_ROOM];
	int rc = conn_peer_identity(
	    s->conn, (enum identity_kind)session_settings(s)->identity, s->identity, why);

	s->is_open = 1;
	if (rc < 0) {
		s->identity[0] = '\0';
		session_give_error(s, CODE_ERROR_IDENTITY, why);
	} else if (s->crowded) {
		session_go_away(s, LATER_SECONDS, CODE_GOAWAY_CROWDED);
	} else if (s->shop->draining) {
		session_go_away(s, 0, CODE_GOAWAY_STOPPING);
	}
}

static void
on_drained(void *ctx)
{
	session_go_on(ctx);
}

static void
on_close(void *ctx, const char *error)
{
	struct session *s = ctx;

	if (error) {
		stats_add(session_stats(s), STAT_CONNECTIONS_FAILED, 1);
		log_limited(&s->shop->gate, LOG_NOTICE, "connection_failed",
		    "client=%s peer=%s error=\"%s\"", s->identity[0] ? s->identity : "-",
		    conn_peer_address(s->conn), error);
	} else {
		log_event(LOG_INFO, "session_closed", "client=%s peer=%s",
		    s->identity[0] ? s->identity : "-", conn_peer_address(s->conn));
	}
	session_enter(s, CLOSED);
	upload_cut_off(s);
	opens_cut_off(s);
	set_waits(s, 0);
	conn_free(s->conn);
	s->conn = NULL;
	stats_sub(session_stats(s), STAT_NOW_CONNECTIONS, 1);
	session_free_if_over(s);
}

/* Is it our turn to say something?  Also where what comes next is not even read
 * before the commit thread has taken what came first. */
static int
is_due(const struct session *s)
{
	return s->items > 0 || s->state == JOINING || (s->paused && s->notices > 0) ||
	    opens_are_due(s);
}

static void
on_idle(void *ctx)
{
	struct session *s = ctx;

	/* Something is in flight, and the peer does not even take our WAITs.  It ends here, and
	 * not when its last lines are out: an answer that comes meanwhile would be thrown away,
	 * and nobody would have counted it as unheard.  Where the peer has taken all, the
	 * silence is ours. */
	if (s->state == LEAVING && conn_pending(s->conn) > 0)
		on_close(s, "the peer takes nothing any more");
	else if (!is_due(s))
		session_go_away(s, 0, CODE_GOAWAY_IDLE);
}

static const struct conn_events events = {on_conn_open, on_read, on_drained, on_idle, on_close};

struct session *
session_new(struct shop *shop, int fd, int crowded)
{
	struct session *s = must_alloc(sizeof *s);

	s->shop = shop;
	s->crowded = crowded;
	s->began = s->last_answer = shop->now;
	s->site_number = shop->site_number;
	s->conn = conn_new(shop->base, fd, shop->site->tls, NULL, &events, s);
	if (!s->conn) {
		free(s);
		return NULL;
	}
	conn_set_idle(s->conn, (unsigned)shop->site->settings->hello);
	stats_add(&shop->stats, STAT_CONNECTIONS, 1);
	return s;
}

/* ---- from the worker */

/* After a reload: who is trusted no more, for being revoked, say, goes now and
 * not when it pleases. */
static void
recheck(struct session *s)
{
	char why[CONN_ERROR_ROOM], text[CONN_ERROR_ROOM + 64];

	if (s->site_number == s->shop->site_number || s->shop->rechecks == 0)
		return;
	s->shop->rechecks--;
	s->site_number = s->shop->site_number;
	if (conn_recheck(s->conn, s->shop->site->tls, why) == 0)
		return;
	snprintf(text, sizeof text, "the certificate is trusted no more: %s", why);
	session_give_error(s, CODE_ERROR_IDENTITY, text);
}

void
session_tick(struct session *s)
{
	uint64_t now = s->shop->now;
	struct proto_line line;

	if (s->state == CLOSED)
		return;
	/* HELLO has a deadline, so that nobody holds a place byte by byte. */
	if (s->state == GREETING && now - s->began > session_settings(s)->hello) {
		if (s->is_open)
			session_go_away(s, 0, CODE_GOAWAY_IDLE);
		else
			on_close(s, "no handshake in time");
		return;
	}
	if (s->is_open && s->state != LEAVING)
		recheck(s);
	if (is_due(s) && now - s->last_answer >= PROTO_WAIT_EVERY) {
		proto_line_start(&line, VERB_WAIT);
		proto_set_number(&line, FIELD_SECONDS, UINT64_C(2) * PROTO_WAIT_EVERY);
		session_send(s, &line);
	}
}

void
session_drain(struct session *s)
{
	if (s->state == CLOSED || s->state == LEAVING)
		return;
	if (!s->is_open)
		on_close(s, "the receiver stops");
	else
		session_go_away(s, 0, CODE_GOAWAY_STOPPING);
}

struct session *
session_next(const struct session *session)
{
	return session->next;
}

void
session_link(struct session **list, struct session *session)
{
	session->next = *list;
	session->previous = NULL;
	if (*list)
		(*list)->previous = session;
	*list = session;
}

void
session_unlink(struct session **list, struct session *session)
{
	if (session->next)
		session->next->previous = session->previous;
	if (session->previous)
		session->previous->next = session->next;
	else
		*list = session->next;
}
