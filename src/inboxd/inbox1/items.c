/* SPDX-License-Identifier: ISC */
#include "inboxd/inbox1/items.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inboxd/inbox1/session.h"

/* ---- answers */

/* The one place where STORED is formed: called by intake alone, which asserts P1. */
static int
on_stored(void *ctx, uint64_t number, const char *name, int again)
{
	struct session *s = ctx;
	struct proto_line line;

	proto_line_start(&line, VERB_STORED);
	proto_set_number(&line, FIELD_NUMBER, number);
	proto_set_text(&line, FIELD_NAME, name);
	if (again)
		proto_set_number(&line, FIELD_AGAIN, 1);
	session_send(s, &line);
	return s->state != CLOSED;
}

static void
on_not_stored(void *ctx, uint64_t number, enum proto_code code, uint64_t seconds,
    const char *text)
{
	struct proto_line line;

	proto_line_start(&line, proto_code_verb(code));
	proto_set_number(&line, FIELD_NUMBER, number);
	if (proto_code_verb(code) == VERB_LATER)
		proto_set_number(&line, FIELD_SECONDS, seconds);
	proto_set_text(&line, FIELD_CODE, proto_code_text(code));
	proto_set_text(&line, FIELD_TEXT, text);
	session_send(ctx, &line);
}

static void
on_wanted(void *ctx, uint64_t number, uint64_t offset)
{
	struct proto_line line;

	proto_line_start(&line, VERB_SEND);
	proto_set_number(&line, FIELD_NUMBER, number);
	proto_set_number(&line, FIELD_OFFSET, offset);
	session_send(ctx, &line);
}

static void
on_back(void *ctx)
{
	session_go_on(ctx);
}

const struct intake_owner items_owner = {on_stored, on_not_stored, on_wanted, on_back};

/* ---- offers */

static void
read_offer(struct intake_offer *offer, const struct proto_line *line)
{
	struct span sha256 = line->text[FIELD_SHA256];

	memset(offer, 0, sizeof *offer);
	offer->number = line->number[FIELD_NUMBER];
	offer->size = line->number[FIELD_SIZE];
	offer->inbox = line->text[FIELD_INBOX].at;
	offer->inbox_len = line->text[FIELD_INBOX].len;
	if (digest_parse(offer->sha256, sha256.at, sha256.len) < 0)
		assert(0 && "the codec has checked it");
	if (proto_has(line, FIELD_TIME))
		offer->sent = line->number[FIELD_TIME];
	if (proto_has(line, FIELD_HINT))
		span_copy(offer->hint, sizeof offer->hint, line->text[FIELD_HINT]);
}

static void
expect_bytes(struct session *s)
{
	if (intake_remaining(s->intake) > 0)
		session_enter(s, BODY);
}

void
items_on_put(struct session *s, const struct proto_line *line)
{
	struct intake_offer offer;

	guest_touch(s->shop, &s->guest);
	read_offer(&offer, line);
	intake_whole(s->intake, &offer);
	expect_bytes(s);
}

void
items_on_open(struct session *s, const struct proto_line *line)
{
	struct intake_offer offer;

	guest_touch(s->shop, &s->guest);
	read_offer(&offer, line);
	intake_open(s->intake, &offer);
}

void
items_on_data(struct session *s, const struct proto_line *line)
{
	uint64_t number = line->number[FIELD_NUMBER], offset = line->number[FIELD_OFFSET];
	uint64_t most;
	char text[128];

	guest_touch(s->shop, &s->guest);
	switch (intake_piece(s->intake, number, &offset, line->number[FIELD_LENGTH], &most)) {
	case INTAKE_PIECE:
		expect_bytes(s);
		break;
	case INTAKE_NOT_OPEN:
		snprintf(text, sizeof text, "DATA %" PRIu64 ": it is not open", number);
		session_give_error(s, CODE_ERROR_STATE, text);
		break;
	case INTAKE_MISPLACED:
		snprintf(text, sizeof text,
		    "DATA: offset, length: want %" PRIu64 " and up to %" PRIu64 " bytes", offset,
		    most);
		session_give_error(s, CODE_ERROR_FIELD, text);
		break;
	}
}
