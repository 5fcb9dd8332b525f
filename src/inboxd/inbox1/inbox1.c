/* SPDX-License-Identifier: ISC */
#include "inboxd/inbox1/inbox1.h"

#include <stdio.h>

#include "inboxd/base/fatal.h"
#include "inboxd/inbox1/deadlines.h"
#include "inboxd/inbox1/items.h"
#include "inboxd/inbox1/lines.h"
#include "inboxd/inbox1/session.h"
#include "lib/conn.h"
#include "lib/log.h"
#include "lib/why.h"

static size_t
take_some(struct session *s, const unsigned char *data, size_t len)
{
	if (s->state != BODY)
		return lines_take(s, data, len);
	len = intake_bytes(s->intake, data, len);
	if (intake_remaining(s->intake) == 0)
		session_enter(s, READY);
	return len;
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct session *s = ctx;
	size_t used = 0, taken;

	while (used < len && s->state != LEAVING) {
		if (session_must_wait(s)) {
			session_pause(s);
			break;
		}
		taken = take_some(s, data + used, len - used);
		if (taken == 0)
			break; /* the rest of a line is still to come */
		used += taken;
		if (conn_must_yield(s->conn))
			break;
	}
	session_note_wait(s);
	deadlines_note_line(s, used, len - used);
	return used;
}

static void
on_drained(void *ctx)
{
	struct session *s = ctx;

	if (s->state != LEAVING)
		session_go_on(s);
}

static void
on_close(void *ctx, const char *error)
{
	session_close(ctx, error);
}

/* Is it our turn to say something?  Also where what comes next is not even read
 * before the commit thread has taken what came first. */
static int
is_due(const struct session *s)
{
	return s->state == JOINING || (s->paused && s->notices > 0) || intake_is_due(s->intake);
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
		session_close(s, "the peer takes nothing any more");
	else if (s->state != LEAVING && !is_due(s))
		deadlines_on_idle(s);
}

static const struct conn_events events = {.on_read = on_read, .on_drained = on_drained,
    .on_idle = on_idle, .on_close = on_close};

/* One too many: somebody else makes room for it, or it goes. */
static void
find_room(struct session *s)
{
	if (guest_make_room(s->shop))
		return;
	stats_add(&s->shop->stats, STAT_CONNECTIONS_CROWDED, 1);
	log_limited(&s->shop->gate, LOG_WARNING, "connections_crowded",
	    "client=%s peer=%s limit=connections", s->identity, conn_peer_address(s->conn));
	session_go_away(s, SESSION_LATER, CODE_GOAWAY_CROWDED);
}

static void
adopt(struct shop *shop, struct conn *conn, const struct guest *from)
{
	struct session *s = must_alloc(sizeof *s);
	struct why why;
	int rc;

	s->shop = shop;
	s->conn = conn;
	s->last_answer = shop->now;
	s->intake = intake_new(shop, &s->sharer, s->identity, &items_owner, s);
	conn_set_owner(conn, &events, s);
	guest_enter(shop, &s->guest, &inbox1_front, from);
	rc = conn_peer_identity(
	    conn, (enum identity_kind)shop->site->settings->identity, s->identity, &why);
	if (rc < 0) {
		s->identity[0] = '\0';
		session_give_error(s, CODE_ERROR_IDENTITY, why.text);
	} else if (shop->draining) {
		session_go_away(s, 0, CODE_GOAWAY_STOPPING);
	} else if (s->guest.is_crowded) {
		find_room(s);
	}
}

/* After a reload: who is trusted no more, for being revoked, say, goes now and
 * not when it pleases. */
static void
recheck(struct session *s)
{
	struct why why;

	if (s->guest.site_number == s->shop->site_number || s->shop->rechecks == 0)
		return;
	s->shop->rechecks--;
	s->guest.site_number = s->shop->site_number;
	if (conn_recheck(s->conn, s->shop->site->tls, &why) == 0)
		return;
	why_say(&why, "the certificate is trusted no more: %s", why.text);
	session_give_error(s, CODE_ERROR_IDENTITY, why.text);
}

static void
tick(struct guest *guest)
{
	struct session *s = (struct session *)guest;
	uint64_t now = s->shop->now;
	struct proto_line line;

	if (s->state == CLOSED)
		return;
	if (deadlines_look(s))
		return;
	if (s->state != LEAVING)
		recheck(s);
	intake_tick(s->intake);
	if (is_due(s) && now - s->last_answer >= PROTO_WAIT_EVERY) {
		proto_line_start(&line, VERB_WAIT);
		proto_set_number(&line, FIELD_SECONDS, UINT64_C(2) * PROTO_WAIT_EVERY);
		session_send(s, &line);
	}
}

static void
drain(struct guest *guest)
{
	session_go_away((struct session *)guest, 0, CODE_GOAWAY_STOPPING);
}

const struct front inbox1_front = {
    .alpn = PROTO_ALPN, .adopt = adopt, .tick = tick, .drain = drain,
    .make_room = deadlines_make_room};
