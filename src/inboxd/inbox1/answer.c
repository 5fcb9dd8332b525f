/* SPDX-License-Identifier: ISC */
/*
 * How an item ends: its last answer, or none.  Every item that is offered passes
 * answer_count_end() exactly once.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "inboxd/inbox1/session_parts.h"
#include "inboxd/drafts/space.h"
#include "lib/log.h"

void
answer_count_offer(struct session *s)
{
	stats_add(session_stats(s), STAT_OFFERED, 1);
	stats_add(session_stats(s), STAT_NOW_IN_FLIGHT, 1);
}

void
answer_count_end(struct session *s, enum counter how)
{
	stats_add(session_stats(s), how, 1);
	stats_sub(session_stats(s), STAT_NOW_IN_FLIGHT, 1);
}

/* The one place where STORED is formed: the item has come back from the commit
 * thread, which had synced it twice. */
static void
answer_stored(struct session *s, const struct item *item)
{
	int again = item->outcome == ITEM_AGAIN;
	struct proto_line line;

	assert(item->outcome == ITEM_STORED || again);
	proto_line_start(&line, VERB_STORED);
	proto_set_number(&line, FIELD_NUMBER, item->number);
	proto_set_text(&line, FIELD_NAME, again ? item->first_name : item->draft.name);
	if (again)
		proto_set_number(&line, FIELD_AGAIN, 1);
	answer_count_end(s, again ? STAT_AGAIN : STAT_STORED);
	if (s->state == CLOSED)
		stats_add(session_stats(s), STAT_UNHEARD, 1);
	log_event(LOG_DEBUG, "item_stored", "client=%s n=%" PRIu64 " name=%s again=%d", s->identity,
	    item->number, again ? item->first_name : item->draft.name, again);
	session_send(s, &line);
}

static uint64_t
later_seconds(struct session *s, enum proto_code code)
{
	if (code == CODE_LATER_FULL)
		return space_seconds(&s->shop->space, s->shop->now);
	return code == CODE_LATER_BUSY ? BUSY_SECONDS : LATER_SECONDS;
}

void
answer_not_stored(struct session *s, uint64_t number, enum proto_code code, const char *text)
{
	struct proto_line line;

	proto_line_start(&line, proto_code_verb(code));
	proto_set_number(&line, FIELD_NUMBER, number);
	if (proto_code_verb(code) == VERB_LATER)
		proto_set_number(&line, FIELD_SECONDS, later_seconds(s, code));
	proto_set_text(&line, FIELD_CODE, proto_code_text(code));
	proto_set_text(&line, FIELD_TEXT, text);
	answer_count_end(s, stats_of_code(code));
	log_limited(&s->shop->gate, LOG_NOTICE, "item_not_stored",
	    "client=%s n=%" PRIu64 " code=%s note=\"%s\"", s->identity, number,
	    proto_code_text(code), text);
	session_send(s, &line);
}

void
answer_failure(struct session *s, uint64_t number, enum draft_result result, const char *inbox)
{
	char text[128];

	if (result == DRAFT_FULL)
		space_failed(&s->shop->space, s->shop->now);
	snprintf(text, sizeof text,
	    result == DRAFT_FULL ? "no room in inbox %s" : "inbox %s cannot take items now", inbox);
	answer_not_stored(s, number,
	    result == DRAFT_FULL ? CODE_LATER_FULL : CODE_LATER_TROUBLE, text);
}

void
answer_item(struct request *request)
{
	struct item *item = (struct item *)request;
	struct session *s = request->asker;

	s->items--;
	s->bytes -= item->counted;
	if (item->asks && item->outcome != ITEM_UNKNOWN)
		s->open_count--;
	session_count_item(s, -1);
	switch (item->outcome) {
	case ITEM_STORED:
		answer_stored(s, item);
		draft_close(&item->draft);
		break;
	case ITEM_AGAIN:
		answer_stored(s, item);
		draft_discard(&item->draft);
		break;
	case ITEM_LATER:
		answer_not_stored(s, item->number, item->code,
		    item->code == CODE_LATER_UNSETTLED ? "send SETTLED for what was stored"
		                                       : "the receiver cannot take it now");
		draft_discard(&item->draft);
		break;
	case ITEM_STALE:
		answer_count_end(s, STAT_CUT_OFF);
		draft_discard(&item->draft);
		break;
	case ITEM_UNKNOWN:
		if (s->state != LEAVING && s->state != CLOSED) {
			opens_start(s, item);
			item = NULL;
			break;
		}
		answer_count_end(s, STAT_CUT_OFF);
		draft_discard(&item->draft);
		break;
	}
	free(item);
	if (s->state == LEAVING)
		session_finish_if_idle(s);
	else if (s->state != CLOSED)
		session_go_on(s);
	session_free_if_over(s);
}
