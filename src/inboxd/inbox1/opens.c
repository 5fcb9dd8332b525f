/* SPDX-License-Identifier: ISC */
/*
 * A large item on its way in, in pieces: OPEN asks the commit thread whether it
 * is known (then it is not sent twice), SEND says from where on its bytes are
 * wanted, DATA brings them, between other lines.  When it is whole it goes the
 * way of all items.
 *
 * What has come outlives the connection (partial.h).  An item that was gone on
 * with and turns out wrong begins again from 0, once: the bytes of before may
 * be to blame.
 */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/inbox1/session_parts.h"
#include "lib/conn.h"

struct open {
	struct open *next;
	struct session *session;
	struct item *item; /* what it will be handed over as */
	struct partial partial;
	struct event *step; /* goes on with the digest's arrears */
};

static void
send_offset(const struct open *open)
{
	struct proto_line line;

	proto_line_start(&line, VERB_SEND);
	proto_set_number(&line, FIELD_NUMBER, open->item->number);
	proto_set_number(&line, FIELD_OFFSET, open->partial.written);
	session_send(open->session, &line);
}

/* Takes it off the list, without the item and the partial. */
static void
remove_open(struct open *open)
{
	struct session *s = open->session;
	struct open **at = &s->opens;

	while (*at != open)
		at = &(*at)->next;
	*at = open->next;
	if (s->piece == open)
		s->piece = NULL; /* the rest of its DATA goes nowhere */
	s->open_count--;
	s->closed[s->closed_at++ % OPENS_CLOSED] = open->item->number;
	event_free(open->step);
	free(open);
}

/* It ends here with LATER, and what has come goes. */
static void
give_up(struct open *open, enum proto_code code, const char *text)
{
	struct item *item = open->item;

	answer_not_stored(open->session, item->number, code, text);
	partial_discard(&open->partial);
	remove_open(open);
	free(item);
}

/* Likewise, for what the disk said; what has come stays. */
static void
put_off(struct open *open, enum draft_result result)
{
	struct item *item = open->item;

	answer_failure(open->session, item->number, result, open->partial.inbox->name);
	partial_close(&open->partial);
	remove_open(open);
	free(item);
}

/* In the loop's next turn; without memory for a timer in this one, which costs other
 * connections their turn and nothing else. */
static void
step_later(struct open *open)
{
	const struct timeval now = {0, 0};

	if (event_add(open->step, &now) < 0)
		event_active(open->step, EV_TIMEOUT, 0);
}

static enum draft_result
as_failure(enum partial_result result)
{
	return result == PARTIAL_FULL ? DRAFT_FULL : DRAFT_TROUBLE;
}

static void
finish_right(struct open *open)
{
	struct session *s = open->session;
	struct item *item = open->item;
	enum draft_result result = partial_to_draft(
	    &open->partial, &s->shop->namer, s->identity, &item->draft);

	if (result != DRAFT_OK) {
		put_off(open, result);
		return;
	}
	item->asks = 0;
	remove_open(open);
	upload_hand_over(s, item);
}

static void
finish_wrong(struct open *open)
{
	enum partial_result result;

	if (!open->partial.is_resumed) {
		give_up(open, CODE_LATER_DIGEST, "the bytes have another SHA-256");
		return;
	}
	result = partial_restart(&open->partial);
	if (result == PARTIAL_OK)
		send_offset(open);
	else
		put_off(open, as_failure(result));
}

static void
check_whole(struct open *open)
{
	switch (partial_check(&open->partial)) {
	case PARTIAL_INCOMPLETE:
		break;
	case PARTIAL_RIGHT:
		finish_right(open);
		break;
	case PARTIAL_WRONG:
		finish_wrong(open);
		break;
	}
}

static void
on_step(evutil_socket_t fd, short what, void *arg)
{
	struct open *open = arg;

	(void)fd, (void)what;
	switch (partial_catch_up(&open->partial)) {
	case 1:
		step_later(open);
		break;
	case 0:
		check_whole(open);
		break;
	default:
		give_up(open, CODE_LATER_TROUBLE, "what had come cannot be read back");
		break;
	}
}

void
opens_ask(struct session *s, const struct proto_line *line)
{
	uint64_t number = line->number[FIELD_NUMBER];
	char text[UPLOAD_TEXT_ROOM];
	struct inbox *inbox;
	struct item *item;
	enum proto_code code;

	answer_count_offer(s);
	code = upload_refusal(s, line, &inbox, text);
	if (code == PROTO_CODE_COUNT && session_inline(s) >= s->shop->site->item) {
		snprintf(text, sizeof text, "this receiver takes items of any size with PUT");
		code = CODE_LATER_USE_PUT;
	} else if (code == PROTO_CODE_COUNT && s->open_count >= PROTO_OPENS_MAX) {
		snprintf(text, sizeof text, "%d items are open", PROTO_OPENS_MAX);
		code = CODE_LATER_BUSY;
	}
	if (code != PROTO_CODE_COUNT) {
		answer_not_stored(s, number, code, text);
		return;
	}
	item = upload_new_item(s, line);
	item->asks = 1;
	item->draft.fd = -1;
	item->draft.inbox = inbox;
	item->draft.site = site_ref(s->shop->site);
	s->open_count++;
	upload_hand_over(s, item);
}

/* Opens what there is of it. */
static enum partial_result
open_partial(struct open *open)
{
	struct session *s = open->session;
	struct item *item = open->item;
	struct partial_key key = {s->identity, s->queue_id, item->number, item->size,
	    item->sha256};

	return partial_open(&open->partial, item->draft.site, item->draft.inbox, &key);
}

static void
begin(struct open *open)
{
	send_offset(open);
	if (open->partial.is_resumed)
		step_later(open);
	else
		check_whole(open); /* an item of 0 bytes is whole now */
}

/* Takes the room for what is still to come of it: only here is it known that it
 * was not stored before, and how much of it lies on the disk already.  0: there is
 * none, and the answer has been given. */
static int
take_room(struct open *open)
{
	struct session *s = open->session;
	struct partial *partial = &open->partial;
	const char *inbox = open->item->draft.inbox->name;
	enum partial_result result;
	char text[UPLOAD_TEXT_ROOM];

	if (!upload_take_room(s, partial->size - partial->written,
	        partial->size > session_inline(s))) {
		snprintf(text, sizeof text, "no room for large items in inbox %s", inbox);
		answer_not_stored(s, open->item->number, CODE_LATER_FULL, text);
		return 0;
	}
	result = partial_reserve(partial);
	if (result != PARTIAL_OK)
		answer_failure(s, open->item->number, as_failure(result), inbox);
	return result == PARTIAL_OK;
}

/* Is the item open now?  If not, the answer has been given. */
static int
try_to_open(struct open *open)
{
	struct session *s = open->session;
	struct item *item = open->item;
	enum partial_result result = open_partial(open);

	if (result == PARTIAL_BUSY) {
		answer_not_stored(
		    s, item->number, CODE_LATER_BUSY, "it is open on another connection");
		return 0;
	}
	if (result != PARTIAL_OK) {
		answer_failure(s, item->number, as_failure(result), item->draft.inbox->name);
		return 0;
	}
	if (!take_room(open)) {
		partial_close(&open->partial);
		return 0;
	}
	return 1;
}

void
opens_start(struct session *s, struct item *item)
{
	struct open *open = must_alloc(sizeof *open);

	open->session = s;
	open->item = item;
	if (!try_to_open(open)) {
		s->open_count--;
		s->closed[s->closed_at++ % OPENS_CLOSED] = item->number;
		draft_close(&item->draft);
		free(item);
		free(open);
		return;
	}
	draft_close(&item->draft); /* the partial holds the inbox from here on */
	open->step = event_new(s->shop->base, -1, 0, on_step, open);
	if (!open->step)
		fatal(EX_OSERR, "out_of_memory", "what=event");
	open->next = s->opens;
	s->opens = open;
	begin(open);
}

/* ---- DATA */

static struct open *
find_open(const struct session *s, uint64_t number)
{
	struct open *open = s->opens;

	while (open && open->item->number != number)
		open = open->next;
	return open;
}

static int
was_closed(const struct session *s, uint64_t number)
{
	for (size_t i = 0; i < OPENS_CLOSED; i++) {
		if (s->closed[i] == number)
			return 1;
	}
	return 0;
}

void
opens_data(struct session *s, const struct proto_line *line)
{
	uint64_t number = line->number[FIELD_NUMBER], offset = line->number[FIELD_OFFSET];
	uint64_t length = line->number[FIELD_LENGTH];
	struct open *open = find_open(s, number);
	char text[128];

	if (!open && was_closed(s, number)) {
		upload_start_dropping(s, length);
		return;
	}
	if (!open) {
		snprintf(text, sizeof text, "DATA %" PRIu64 ": it is not open", number);
		session_give_error(s, CODE_ERROR_STATE, text);
		return;
	}
	if (offset != open->partial.written || length > open->partial.size - offset) {
		snprintf(text, sizeof text,
		    "DATA: offset, length: want %" PRIu64 " and up to %" PRIu64 " bytes",
		    open->partial.written, open->partial.size - open->partial.written);
		session_give_error(s, CODE_ERROR_FIELD, text);
		return;
	}
	s->piece = open;
	s->remaining = length;
	session_enter(s, PIECE);
}

size_t
opens_take(struct session *s, const unsigned char *data, size_t len)
{
	struct open *open = s->piece;
	enum partial_result result;

	if (len > s->remaining)
		len = (size_t)s->remaining;
	result = open ? partial_write(&open->partial, data, len) : PARTIAL_OK;
	s->remaining -= len;
	if (result != PARTIAL_OK)
		put_off(open, as_failure(result));
	if (result != PARTIAL_OK && s->remaining > 0)
		session_enter(s, DROPPING);
	else if (s->remaining == 0)
		session_enter(s, READY);
	if (open && result == PARTIAL_OK && s->remaining == 0)
		check_whole(open);
	return len;
}

void
opens_forget(struct session *s, uint64_t number)
{
	struct open *open = find_open(s, number);

	/* It is answered all the same, as each OPEN is: who took the item's file away need
	 * not have told those who wait for the answer. */
	if (open)
		give_up(open, CODE_LATER_TROUBLE, "it was skipped");
}

int
opens_are_due(const struct session *s)
{
	for (const struct open *open = s->opens; open; open = open->next) {
		if (open->partial.written == open->partial.size)
			return 1;
	}
	return 0;
}

void
opens_cut_off(struct session *s)
{
	struct open *open;

	while ((open = s->opens)) {
		struct item *item = open->item;
		partial_close(&open->partial);
		remove_open(open);
		free(item);
		answer_count_end(s, STAT_CUT_OFF);
	}
	s->piece = NULL;
}
