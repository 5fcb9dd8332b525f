/* SPDX-License-Identifier: ISC */
#include "inboxd/inbox1/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/inbox1/items.h"
#include "inboxd/inbox1/session.h"
#include "inboxd/serve/ticket.h"
#include "lib/address.h"
#include "lib/conn.h"
#include "lib/log.h"

/* ---- HELLO */

_Static_assert(sizeof((struct hello *)0)->address >= ADDRESS_HOST_ROOM, "there is room for any");

static void on_join(struct request *request);

/* A newer connection has the queue. */
static void
give_way(struct session *s)
{
	if (s->state == LEAVING || s->state == CLOSED)
		return;
	log_limited(&s->shop->gate, LOG_NOTICE, "session_superseded",
	    "client=%s peer=%s note=\"a newer connection has its queue\"", s->identity,
	    conn_peer_address(s->conn));
	session_go_away(s, 0, CODE_GOAWAY_SUPERSEDED);
}

static void
on_superseded(struct request *request)
{
	struct session *s = request->asker;

	free(request);
	give_way(s);
}

/* What is not said is none. */
static void
read_backlog(struct backlog *backlog, const struct proto_line *line)
{
	memset(backlog, 0, sizeof *backlog);
	if (proto_has(line, FIELD_PENDING))
		backlog->pending = line->number[FIELD_PENDING];
	if (proto_has(line, FIELD_OLDEST))
		backlog->pending_oldest = line->number[FIELD_OLDEST];
	if (proto_has(line, FIELD_FAILED))
		backlog->failed = line->number[FIELD_FAILED];
	/* A full disk is not one that nothing is known of. */
	if (proto_has(line, FIELD_FREE))
		backlog->free = line->number[FIELD_FREE] ? line->number[FIELD_FREE] : 1;
}

static void
on_hello(struct session *s, const struct proto_line *line)
{
	struct join *join;

	if (line->number[FIELD_VERSION] != PROTO_VERSION) {
		session_give_error(s, CODE_ERROR_VERSION, "this receiver speaks version 1");
		return;
	}
	join = must_alloc(sizeof *join);
	request_fill(&join->request, COMMIT_JOIN, s->shop->replies, on_join, s);
	join->superseded = must_alloc(sizeof *join->superseded);
	request_fill(join->superseded, COMMIT_SUPERSEDED, s->shop->replies, on_superseded, s);
	snprintf(join->identity, sizeof join->identity, "%s", s->identity);
	span_copy(join->queue_id, sizeof join->queue_id, line->text[FIELD_QUEUE]);
	join->came = s->guest.ticket ? s->guest.ticket->came : 0;
	join->settled = line->number[FIELD_SETTLED];
	read_backlog(&join->hello.backlog, line);
	if (proto_has(line, FIELD_AGENT))
		span_copy(join->hello.agent, sizeof join->hello.agent, line->text[FIELD_AGENT]);
	address_host(conn_peer_address(s->conn), join->hello.address);
	session_enter(s, JOINING);
	s->asked = 1;
	s->shop->send(s->shop, &join->request.message);
}

static void
send_ready(struct session *s, uint64_t mark)
{
	const struct site *site = s->shop->site;
	struct proto_line line;

	proto_line_start(&line, VERB_READY);
	proto_set_number(&line, FIELD_VERSION, PROTO_VERSION);
	proto_set_text(&line, FIELD_HOST, site->host);
	proto_set_number(&line, FIELD_WINDOW, site->settings->window);
	proto_set_number(&line, FIELD_BYTES, site->settings->bytes);
	proto_set_number(&line, FIELD_INLINE, intake_whole_most(site));
	proto_set_number(&line, FIELD_ITEM, site->item);
	proto_set_number(&line, FIELD_IDLE, site->settings->idle);
	proto_set_number(&line, FIELD_MARK, mark);
	proto_set_number(&line, FIELD_EVERY, PROTO_STATE_EVERY);
	proto_set_text(&line, FIELD_ID, s->shop->id);
	session_send(s, &line);
}

static void
on_join(struct request *request)
{
	struct join *join = (struct join *)request;
	struct session *s = request->asker;

	s->asked = 0;
	s->queue = join->queue;
	s->generation = join->generation;
	memcpy(s->queue_id, join->queue_id, sizeof s->queue_id);
	intake_join(s->intake, join, s->queue_id);
	if (join->is_late) {
		give_way(s);
	} else if (s->state == JOINING && !join->queue) {
		log_limited(&s->shop->gate, LOG_WARNING, "session_refused",
		    "client=%s peer=%s queue=%s %s=%s", s->identity, conn_peer_address(s->conn),
		    join->queue_id, join->limit != LIMIT_NONE ? "limit" : "note",
		    join->limit != LIMIT_NONE ? limit_name(join->limit)
		                              : "\"the disk is full\"");
		session_go_away(s, SESSION_LATER, CODE_GOAWAY_CROWDED);
	} else if (s->state == JOINING) {
		stats_add(&s->shop->stats, STAT_SESSIONS, 1);
		log_event(LOG_INFO, "session_ready", "client=%s peer=%s queue=%s settled=%" PRIu64,
		    s->identity, conn_peer_address(s->conn), join->queue_id, join->mark);
		session_enter(s, READY);
		conn_set_idle(s->conn, (unsigned)s->shop->site->settings->idle);
		send_ready(s, join->mark);
	}
	free(join->superseded);
	free(join);
	session_go_on(s);
}

/* ---- the other lines */

static void on_noted(struct request *request);

static void
send_notice(struct session *s, enum commit_message kind, const struct proto_line *line)
{
	struct notice *notice = must_alloc(sizeof *notice);

	request_fill(&notice->request, kind, s->shop->replies, on_noted, s);
	notice->queue = s->queue;
	notice->generation = s->generation;
	if (kind == COMMIT_STATE)
		read_backlog(&notice->backlog, line);
	else
		notice->number = line->number[FIELD_NUMBER];
	if (kind == COMMIT_SKIP)
		span_copy(notice->reason, sizeof notice->reason, line->text[FIELD_CODE]);
	intake_take_untold(s->intake, &notice->untold);
	s->notices++;
	share_take(&s->shop->share, &s->sharer);
	s->shop->send(s->shop, &notice->request.message);
}

/* It counts like an item until the commit thread has taken it: else a client
 * could say SETTLED without end while a sync runs, and fill our memory. */
static void
on_noted(struct request *request)
{
	struct session *s = request->asker;

	s->notices--;
	share_give_back(&s->shop->share, &s->sharer);
	free(request);
	session_go_on(s);
}

static void
on_settled(struct session *s, const struct proto_line *line)
{
	send_notice(s, COMMIT_SETTLED, line);
}

static void
on_skip(struct session *s, const struct proto_line *line)
{
	intake_forget(s->intake, line->number[FIELD_NUMBER]);
	send_notice(s, COMMIT_SKIP, line);
}

static void
on_state(struct session *s, const struct proto_line *line)
{
	send_notice(s, COMMIT_STATE, line);
}

static void
on_ping(struct session *s, const struct proto_line *line)
{
	struct proto_line pong;

	(void)line;
	proto_line_start(&pong, VERB_PONG);
	session_send(s, &pong);
}

static void
on_quit(struct session *s, const struct proto_line *line)
{
	struct proto_line bye;

	(void)line;
	proto_line_start(&bye, VERB_BYE);
	s->has_quit = 1;
	session_leave(s, &bye);
}

/* What a client may say, and in which of the two states that read lines.  A verb of the
 * codec without a row here is answered, not called. */
static const struct {
	enum state state;
	void (*on_line)(struct session *s, const struct proto_line *line);
} commands[PROTO_VERBS] = {
    [VERB_HELLO] = {GREETING, on_hello},
    [VERB_PUT] = {READY, items_on_put},
    [VERB_OPEN] = {READY, items_on_open},
    [VERB_DATA] = {READY, items_on_data},
    [VERB_SETTLED] = {READY, on_settled},
    [VERB_SKIP] = {READY, on_skip},
    [VERB_STATE] = {READY, on_state},
    [VERB_PING] = {READY, on_ping},
    [VERB_QUIT] = {READY, on_quit},
};

/* Why the line may not come now; NULL: it may. */
static const char *
misplaced(const struct session *s, enum proto_verb verb)
{
	if (!commands[verb].on_line)
		return "is not served here";
	if (commands[verb].state != s->state)
		return s->state == GREETING ? "before HELLO" : "has come already";
	return NULL;
}

size_t
lines_take(struct session *s, const unsigned char *data, size_t len)
{
	const char *why;
	struct proto_error error;
	struct proto_line line;
	char text[64];
	int end = proto_find_line(data, len, &error);

	if (end == 0)
		return 0;
	if (end < 0 ||
	    proto_parse((const char *)data, (size_t)end - 1, PROTO_CLIENT, &line, &error) < 0) {
		session_give_error(s, error.code, error.text);
		return 0;
	}
	why = misplaced(s, line.verb);
	if (why) {
		snprintf(text, sizeof text, "%s %s", proto_verb_text(line.verb), why);
		session_give_error(s, CODE_ERROR_STATE, text);
		return 0;
	}
	commands[line.verb].on_line(s, &line);
	return (size_t)end;
}
