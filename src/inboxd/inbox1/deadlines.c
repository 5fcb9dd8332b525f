/* SPDX-License-Identifier: ISC */
#include "inboxd/inbox1/deadlines.h"

#include <string.h>

#include "inboxd/inbox1/session.h"
#include "inboxd/intake/intake.h"
#include "lib/conn.h"
#include "lib/log.h"

/* Seconds without an item after which a session may be asked to make room: one whose client sends
 * some every other moment would only come again. */
#define USELESS 2

/* Sessions that began in one second end in a quarter of the time, not in one second: where in it,
 * says the queue's id, which was drawn at random. */
#define SPREAD_DIGITS 4

/* `which` has a label, reason="...". */
static void
cut(struct session *s, enum counter which, uint64_t seconds)
{
	const char *reason = strchr(stats_rows[which].label, '"') + 1;

	stats_add(&s->shop->stats, which, 1);
	log_limited(&s->shop->gate, LOG_INFO, "session_cut", "client=%s peer=%s reason=%.*s",
	    s->identity[0] ? s->identity : "-", conn_peer_address(s->conn),
	    (int)strcspn(reason, "\""), reason);
	session_go_away(s, seconds, CODE_GOAWAY_IDLE);
}

void
deadlines_note_line(struct session *s, size_t taken, size_t rest)
{
	if (rest == 0 || s->paused || s->state == LEAVING)
		s->has_begun_line = 0;
	else if (taken > 0 || !s->has_begun_line) {
		s->has_begun_line = 1;
		s->line_began = s->shop->awake;
	}
}

void
deadlines_on_idle(struct session *s)
{
	cut(s, STAT_CUT_IDLE, 0);
}

/* Up to a quarter of `seconds`. */
static uint64_t
spread(const struct session *s, uint64_t seconds)
{
	uint64_t at = 0;

	for (size_t i = 0; i < SPREAD_DIGITS && s->queue_id[i]; i++) {
		char digit = s->queue_id[i];
		at = at * 16 + (uint64_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
	}
	return seconds / 4 * at >> 4 * SPREAD_DIGITS;
}

int
deadlines_look(struct session *s)
{
	const struct settings *settings = s->shop->site->settings;
	uint64_t now = s->shop->awake, age = now - s->guest.began;

	if (s->state == LEAVING || s->state == CLOSED)
		return 0;
	/* HELLO has a deadline, so that nobody holds a place byte by byte. */
	if (s->state == GREETING && age > shop_deadline(s->shop, settings->hello))
		cut(s, STAT_CUT_HELLO, 0);
	else if (s->has_begun_line && !s->paused &&
	    now - s->line_began > shop_deadline(s->shop, settings->line))
		cut(s, STAT_CUT_LINE, SESSION_LATER);
	else if (!s->paused && intake_is_late(s->intake))
		cut(s, STAT_CUT_ITEM, SESSION_LATER);
	else if (age > settings->session + spread(s, settings->session))
		cut(s, STAT_CUT_SESSION, 0);
	else
		return 0;
	return 1;
}

int
deadlines_make_room(struct guest *guest)
{
	struct session *s = (struct session *)guest;

	if (s->state != READY || s->has_begun_line || s->shop->awake - guest->touched < USELESS ||
	    s->sharer.held > 0 || !intake_is_empty(s->intake) || conn_pending(s->conn) > 0)
		return 0;
	cut(s, STAT_CUT_ROOM, 0);
	return 1;
}
