/* SPDX-License-Identifier: ISC */
/*
 * An item on its way in: from its line to the commit thread and back to its
 * answer.  Every item that is offered passes count_end() exactly once.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/fatal.h"
#include "inboxd/session_parts.h"
#include "lib/digest.h"
#include "lib/log.h"

/* ---- answers */

/* An item's way ends: every offered item passes here once. */
static void
count_end(struct session *s, enum counter how)
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
	count_end(s, again ? STAT_AGAIN : STAT_STORED);
	if (s->state == CLOSED)
		stats_add(session_stats(s), STAT_UNHEARD, 1);
	log_event(LOG_DEBUG, "item_stored", "client=%s n=%" PRIu64 " name=%s again=%d", s->identity,
	    item->number, again ? item->first_name : item->draft.name, again);
	session_send(s, &line);
}

/* LATER or REFUSED, as the code has it. */
static void
answer_not_stored(struct session *s, uint64_t number, enum proto_code code, const char *text)
{
	struct proto_line line;

	proto_line_start(&line, proto_code_verb(code));
	proto_set_number(&line, FIELD_NUMBER, number);
	if (proto_code_verb(code) == VERB_LATER)
		proto_set_number(&line, FIELD_SECONDS, LATER_SECONDS);
	proto_set_text(&line, FIELD_CODE, proto_code_text(code));
	proto_set_text(&line, FIELD_TEXT, text);
	count_end(s, stats_of_code(code));
	log_limited(worker_gate(s->worker), LOG_NOTICE, "item_not_stored",
	    "client=%s n=%" PRIu64 " code=%s note=\"%s\"", s->identity, number,
	    proto_code_text(code), text);
	session_send(s, &line);
}

/* ---- items */

static void
start_dropping(struct session *s, uint64_t size)
{
	s->remaining = size;
	if (size > 0)
		session_enter(s, DROPPING);
}

/* Why this item cannot be taken at all, as a code and a text; or
 * PROTO_CODE_COUNT. */
static enum proto_code
refusal(struct session *s, const struct proto_line *line, struct inbox **inbox, char text[256])
{
	struct span name = line->text[FIELD_INBOX];

	*inbox = site_find_inbox(worker_site(s->worker), name.at, name.len);
	if (!*inbox) {
		snprintf(text, 256, "there is no inbox %.*s", (int)name.len, name.at);
		return CODE_REFUSED_NO_INBOX;
	}
	if (!inbox_allows(*inbox, s->identity)) {
		snprintf(text, 256, "%.120s may not use inbox %s", s->identity, (*inbox)->name);
		return CODE_REFUSED_NOT_ALLOWED;
	}
	if (line->number[FIELD_SIZE] > (*inbox)->size) {
		snprintf(text, 256, "%" PRIu64 " bytes; the inbox %s takes %" PRIu64,
		    line->number[FIELD_SIZE], (*inbox)->name, (*inbox)->size);
		return CODE_REFUSED_TOO_LARGE;
	}
	return PROTO_CODE_COUNT;
}

static void
answer_failure(struct session *s, uint64_t number, enum draft_result result, const char *inbox)
{
	char text[128];

	snprintf(text, sizeof text,
	    result == DRAFT_FULL ? "no room in inbox %s" : "inbox %s cannot take items now", inbox);
	answer_not_stored(s, number,
	    result == DRAFT_FULL ? CODE_LATER_FULL : CODE_LATER_TROUBLE, text);
}

static struct item *
new_item(struct session *s, const struct proto_line *line)
{
	struct span sha256 = line->text[FIELD_SHA256];
	struct item *item = must_alloc(sizeof *item);

	item->message.kind = COMMIT_ITEM;
	item->reply = worker_mailbox(s->worker);
	item->session = s;
	item->queue = s->queue;
	item->generation = s->generation;
	item->number = line->number[FIELD_NUMBER];
	item->size = line->number[FIELD_SIZE];
	if (digest_parse(item->sha256, sha256.at, sha256.len) < 0)
		assert(0 && "the codec has checked it");
	if (proto_has(line, FIELD_TIME))
		item->sent = line->number[FIELD_TIME];
	if (proto_has(line, FIELD_HINT))
		span_copy(item->hint, sizeof item->hint, line->text[FIELD_HINT]);
	return item;
}

static void
hand_over(struct session *s)
{
	struct item *item = s->item;

	s->item = NULL;
	s->items++;
	s->bytes += item->size;
	worker_count_item(s->worker, 1);
	worker_send(s->worker, &item->message);
}

/* All bytes have come: are they the ones that were declared? */
static void
finish_item(struct session *s)
{
	unsigned char found[DIGEST_SIZE];
	char text[128], hex[DIGEST_TEXT_ROOM];
	struct item *item = s->item;

	session_enter(s, READY);
	if (digest_end(s->digest, found) < 0)
		fatal(EX_OSERR, "digest_failed", "call=end");
	if (memcmp(found, item->sha256, DIGEST_SIZE) == 0) {
		hand_over(s);
		return;
	}
	digest_print(hex, found);
	snprintf(text, sizeof text, "the bytes have SHA-256 %s", hex);
	s->item = NULL;
	draft_discard(&item->draft);
	answer_not_stored(s, item->number, CODE_LATER_DIGEST, text);
	free(item);
}

void
upload_start(struct session *s, const struct proto_line *line)
{
	uint64_t number = line->number[FIELD_NUMBER], size = line->number[FIELD_SIZE];
	struct site *site = worker_site(s->worker);
	enum draft_result result;
	enum proto_code code;
	struct inbox *inbox;
	char text[256];

	stats_add(session_stats(s), STAT_OFFERED, 1);
	stats_add(session_stats(s), STAT_NOW_IN_FLIGHT, 1);
	code = refusal(s, line, &inbox, text);
	if (code != PROTO_CODE_COUNT) {
		answer_not_stored(s, number, code, text);
		start_dropping(s, size);
		return;
	}
	s->item = new_item(s, line);
	result = draft_create(
	    &s->item->draft, site, inbox, worker_namer(s->worker), s->identity);
	if (result != DRAFT_OK) {
		free(s->item);
		s->item = NULL;
		answer_failure(s, number, result, inbox->name);
		start_dropping(s, size);
		return;
	}
	if (!s->digest)
		s->digest = digest_new();
	if (!s->digest || digest_start(s->digest) < 0)
		fatal(EX_OSERR, "digest_failed", "call=start");
	s->remaining = size;
	session_enter(s, BODY);
	if (size == 0)
		finish_item(s);
}

void
upload_refuse_open(struct session *s, const struct proto_line *line)
{
	stats_add(session_stats(s), STAT_OFFERED, 1);
	stats_add(session_stats(s), STAT_NOW_IN_FLIGHT, 1);
	answer_not_stored(s, line->number[FIELD_NUMBER], CODE_LATER_USE_PUT,
	    "this receiver takes items of any size with PUT");
}

size_t
upload_take(struct session *s, const unsigned char *data, size_t len)
{
	enum draft_result result;
	struct item *item = s->item;

	if (len > s->remaining)
		len = (size_t)s->remaining;
	s->remaining -= len;
	result = draft_write(&item->draft, data, len);
	if (result != DRAFT_OK) {
		s->item = NULL;
		draft_discard(&item->draft);
		answer_failure(s, item->number, result, item->draft.inbox->name);
		free(item);
		session_enter(s, DROPPING);
		if (s->remaining == 0)
			session_enter(s, READY);
		return len;
	}
	if (digest_add(s->digest, data, len) < 0)
		fatal(EX_OSERR, "digest_failed", "call=add");
	if (s->remaining == 0)
		finish_item(s);
	return len;
}

size_t
upload_drop(struct session *s, size_t len)
{
	if (len > s->remaining)
		len = (size_t)s->remaining;
	s->remaining -= len;
	if (s->remaining == 0)
		session_enter(s, READY);
	return len;
}

void
session_on_item(struct item *item)
{
	struct session *s = item->session;

	s->items--;
	s->bytes -= item->size;
	worker_count_item(s->worker, -1);
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
		count_end(s, STAT_CUT_OFF);
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

void
upload_cut_off(struct session *s)
{
	if (!s->item)
		return;
	draft_discard(&s->item->draft);
	free(s->item);
	s->item = NULL;
	count_end(s, STAT_CUT_OFF);
}

