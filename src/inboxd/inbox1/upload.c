/* SPDX-License-Identifier: ISC */
/*
 * A small item on its way in, whole: PUT and its bytes, up to the commit thread.
 * What OPEN has in common with it is here too.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/inbox1/session_parts.h"
#include "inboxd/drafts/space.h"
#include "lib/digest.h"
#include "lib/log.h"

/* Reads on past bytes that nobody wants. */
void
upload_start_dropping(struct session *s, uint64_t size)
{
	s->remaining = size;
	if (size > 0)
		session_enter(s, DROPPING);
}

enum proto_code
upload_refusal(struct session *s, const struct proto_line *line, struct inbox **inbox,
    char text[UPLOAD_TEXT_ROOM])
{
	struct span name = line->text[FIELD_INBOX];

	*inbox = site_find_inbox(s->shop->site, name.at, name.len);
	if (!*inbox) {
		snprintf(text, UPLOAD_TEXT_ROOM, "there is no inbox %.*s", (int)name.len, name.at);
		return CODE_REFUSED_NO_INBOX;
	}
	if (!inbox_allows(*inbox, s->identity)) {
		snprintf(text, UPLOAD_TEXT_ROOM, "%.120s may not use inbox %s", s->identity,
		    (*inbox)->name);
		return CODE_REFUSED_NOT_ALLOWED;
	}
	if (line->number[FIELD_SIZE] > (*inbox)->size) {
		snprintf(text, UPLOAD_TEXT_ROOM, "%" PRIu64 " bytes; the inbox %s takes %" PRIu64,
		    line->number[FIELD_SIZE], (*inbox)->name, (*inbox)->size);
		return CODE_REFUSED_TOO_LARGE;
	}
	return PROTO_CODE_COUNT;
}

int
upload_take_room(struct session *s, uint64_t size, int is_large)
{
	return space_take(&s->shop->space, session_settings(s), size, is_large,
	    s->shop->now);
}

struct item *
upload_new_item(struct session *s, const struct proto_line *line)
{
	struct span sha256 = line->text[FIELD_SHA256];
	struct item *item = must_alloc(sizeof *item);

	session_ask(s, &item->request, COMMIT_ITEM, answer_item);
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

void
upload_hand_over(struct session *s, struct item *item)
{
	s->items++;
	s->bytes += item->counted;
	session_count_item(s, 1);
	s->shop->send(s->shop, &item->request.message);
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
		s->item = NULL;
		upload_hand_over(s, item);
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
	struct site *site = s->shop->site;
	enum draft_result result;
	enum proto_code code;
	struct inbox *inbox;
	char text[UPLOAD_TEXT_ROOM];

	answer_count_offer(s);
	code = upload_refusal(s, line, &inbox, text);
	if (code == PROTO_CODE_COUNT && size > session_settings(s)->inline_size) {
		snprintf(text, sizeof text, "PUT takes up to %" PRIu64 " bytes here",
		    session_settings(s)->inline_size);
		code = CODE_LATER_USE_OPEN;
	} else if (code == PROTO_CODE_COUNT && !upload_take_room(s, size, 0)) {
		snprintf(text, sizeof text, "no room in inbox %s", inbox->name);
		code = CODE_LATER_FULL;
	}
	if (code != PROTO_CODE_COUNT) {
		answer_not_stored(s, number, code, text);
		upload_start_dropping(s, size);
		return;
	}
	s->item = upload_new_item(s, line);
	s->item->counted = size;
	result = draft_create(
	    &s->item->draft, site, inbox, &s->shop->namer, s->identity);
	if (result == DRAFT_OK) {
		result = draft_reserve(&s->item->draft, size);
		if (result != DRAFT_OK)
			draft_discard(&s->item->draft);
	}
	if (result != DRAFT_OK) {
		free(s->item);
		s->item = NULL;
		answer_failure(s, number, result, inbox->name);
		upload_start_dropping(s, size);
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
		/* The draft may hold the last reference on its inbox. */
		answer_failure(s, item->number, result, item->draft.inbox->name);
		draft_discard(&item->draft);
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
upload_cut_off(struct session *s)
{
	if (!s->item)
		return;
	draft_discard(&s->item->draft);
	free(s->item);
	s->item = NULL;
	answer_count_end(s, STAT_CUT_OFF);
}
