/* SPDX-License-Identifier: ISC */
/*
 * A large item on its way in, in pieces: the commit thread is asked whether it is known
 * (then it is not sent twice), the owner hears from where on its bytes are wanted, and
 * they come between other things.  When it is whole it goes the way of all items.
 *
 * What has come outlives the connection (partial.h).  An item that was gone on
 * with and turns out wrong begins again from 0, once: the bytes of before may
 * be to blame.
 */
#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/limits.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/intake/intake_parts.h"

struct open {
	struct open *next;
	struct intake *in;
	struct item *item; /* what it will be handed over as */
	struct partial partial;
	struct event *step; /* goes on with the digest's arrears */
	uint64_t waited; /* seconds in which its bytes could have come */
};

static void
want(const struct open *open)
{
	struct intake *in = open->in;

	in->owner->on_wanted(in->ctx, open->item->number, open->partial.written);
}

/* One more, if there may be.  Whoever is beyond the limit takes his count back, so that two who
 * meet there may both be put off; neither is let in that may not be. */
static int
count_up(_Atomic uint64_t *count, uint64_t most)
{
	if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < most)
		return 1;
	atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
	return 0;
}

static void
count_down(_Atomic uint64_t *count)
{
	uint64_t before = atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);

	assert(before > 0);
	(void)before;
}

/* Counts one that is to be open; or says which limit is in the way. */
static enum limit
count_open(struct intake *in)
{
	const struct settings *settings = in->shop->site->settings;

	if (!count_up(in->client_opens, settings->client_opens))
		return LIMIT_CLIENT_OPENS;
	if (!count_up(in->shop->opens, settings->all_opens)) {
		count_down(in->client_opens);
		return LIMIT_ALL_OPENS;
	}
	in->open_count++;
	stats_add(&in->shop->stats, STAT_NOW_OPENS, 1);
	return LIMIT_NONE;
}

void
pieces_uncount(struct intake *in)
{
	count_down(in->client_opens);
	count_down(in->shop->opens);
	in->open_count--;
	stats_sub(&in->shop->stats, STAT_NOW_OPENS, 1);
}

/* Takes it off the list, without the item and the partial. */
static void
remove_open(struct open *open)
{
	struct intake *in = open->in;
	struct open **at = &in->opens;

	while (*at != open)
		at = &(*at)->next;
	*at = open->next;
	if (in->piece == open)
		in->piece = NULL; /* the rest of the piece goes nowhere */
	pieces_uncount(in);
	in->closed[in->closed_at++ % INTAKE_CLOSED] = open->item->number;
	event_free(open->step);
	free(open);
}

/* It ends here with LATER, and what has come goes. */
static void
give_up(struct open *open, enum proto_code code, const char *text)
{
	struct item *item = open->item;

	intake_end_not_stored(open->in, item->number, code, text);
	partial_discard(&open->partial);
	remove_open(open);
	free(item);
}

/* It has ended; what has come stays. */
static void
close_open(struct open *open)
{
	struct item *item = open->item;

	partial_close(&open->partial);
	remove_open(open);
	free(item);
}

/* It ends here with LATER, for what the disk said. */
static void
put_off(struct open *open, enum draft_result result)
{
	intake_end_failed(open->in, open->item->number, result, open->partial.inbox->name);
	close_open(open);
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
	struct intake *in = open->in;
	struct item *item = open->item;
	enum partial_result described;
	enum draft_result result;
	struct meta meta;

	intake_describe(in, item, open->partial.inbox, &meta);
	described = partial_describe(&open->partial, &meta);
	result = described != PARTIAL_OK ? as_failure(described) : partial_to_draft(
	    &open->partial, &in->shop->namer, in->identity, &item->draft);
	if (result != DRAFT_OK) {
		put_off(open, result);
		return;
	}
	item->beside = meta_text(item->draft.inbox, &meta);
	item->asks = 0;
	item->was_open = 1;
	remove_open(open);
	intake_hand_over(in, item);
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
		want(open);
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
intake_open(struct intake *in, const struct intake_offer *offer)
{
	const struct site *site = in->shop->site;
	char text[INTAKE_TEXT_ROOM];
	struct inbox *inbox;
	struct item *item;
	enum proto_code code;
	enum limit limit;

	intake_count_offer(in);
	code = intake_refusal(in, offer, &inbox, text);
	if (code != PROTO_CODE_COUNT) {
		intake_refuse(in, offer, code, text);
		return;
	}
	if (intake_whole_most(site) >= site->item) {
		snprintf(text, sizeof text, "this receiver takes items of any size whole");
		code = CODE_LATER_USE_PUT;
	} else if (in->open_count >= PROTO_OPENS_MAX) {
		snprintf(text, sizeof text, "%d items are open", PROTO_OPENS_MAX);
		code = CODE_LATER_BUSY;
	} else if ((limit = count_open(in)) != LIMIT_NONE) {
		snprintf(text, sizeof text, "too many items are open ([limits] %s)",
		    limit_name(limit));
		stats_add(&in->shop->stats, limit_counter(limit), 1);
		code = CODE_LATER_BUSY;
	}
	if (code != PROTO_CODE_COUNT) {
		intake_end_not_stored(in, offer->number, code, text);
		return;
	}
	item = intake_new_item(in, offer);
	item->asks = 1;
	item->draft.inbox = inbox;
	item->draft.site = site_ref(in->shop->site);
	intake_hand_over(in, item);
}

/* Opens what there is of it. */
static enum partial_result
open_partial(struct open *open)
{
	struct intake *in = open->in;
	struct item *item = open->item;
	struct partial_key key = {in->identity, in->queue_id, item->number, item->size,
	    item->sha256};

	return partial_open(&open->partial, item->draft.site, item->draft.inbox, &key);
}

static void
begin(struct open *open)
{
	want(open);
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
	struct intake *in = open->in;
	struct partial *partial = &open->partial;
	const char *inbox = open->item->draft.inbox->name;
	enum partial_result result;
	char text[INTAKE_TEXT_ROOM];

	if (!intake_take_room(in, partial->size - partial->written,
	        partial->size > intake_whole_most(in->shop->site))) {
		snprintf(text, sizeof text, "no room for large items in inbox %s", inbox);
		intake_end_not_stored(in, open->item->number, CODE_LATER_FULL, text);
		return 0;
	}
	result = partial_reserve(partial);
	if (result != PARTIAL_OK)
		intake_end_failed(in, open->item->number, as_failure(result), inbox);
	return result == PARTIAL_OK;
}

/* Is the item open now?  If not, the answer has been given. */
static int
try_to_open(struct open *open)
{
	struct intake *in = open->in;
	struct item *item = open->item;
	enum partial_result result = open_partial(open);

	if (result == PARTIAL_BUSY) {
		intake_end_not_stored(
		    in, item->number, CODE_LATER_BUSY, "it is open on another connection");
		return 0;
	}
	if (result != PARTIAL_OK) {
		intake_end_failed(in, item->number, as_failure(result), item->draft.inbox->name);
		return 0;
	}
	if (!take_room(open)) {
		partial_close(&open->partial);
		return 0;
	}
	return 1;
}

void
pieces_begin(struct intake *in, struct item *item)
{
	struct open *open = must_alloc(sizeof *open);

	open->in = in;
	open->item = item;
	if (!try_to_open(open)) {
		pieces_uncount(in);
		in->closed[in->closed_at++ % INTAKE_CLOSED] = item->number;
		draft_close(&item->draft);
		free(item);
		free(open);
		return;
	}
	draft_close(&item->draft); /* the partial holds the inbox from here on */
	open->step = event_new(in->shop->base, -1, 0, on_step, open);
	if (!open->step)
		fatal(EX_OSERR, "out_of_memory", "what=event");
	open->next = in->opens;
	in->opens = open;
	begin(open);
}

/* ---- the pieces */

static struct open *
find_open(const struct intake *in, uint64_t number)
{
	struct open *open = in->opens;

	while (open && open->item->number != number)
		open = open->next;
	return open;
}

static int
was_closed(const struct intake *in, uint64_t number)
{
	for (size_t i = 0; i < INTAKE_CLOSED; i++) {
		if (in->closed[i] == number)
			return 1;
	}
	return 0;
}

enum intake_piece
intake_piece(struct intake *in, uint64_t number, uint64_t *offset, uint64_t length,
    uint64_t *most)
{
	struct open *open = find_open(in, number);

	if (!open && !was_closed(in, number))
		return INTAKE_NOT_OPEN;
	if (open && (*offset != open->partial.written ||
	    length > open->partial.size - open->partial.written)) {
		*offset = open->partial.written;
		*most = open->partial.size - open->partial.written;
		return INTAKE_MISPLACED;
	}
	in->piece = open;
	intake_expect(in, length);
	return INTAKE_PIECE;
}

void
pieces_take(struct intake *in, const unsigned char *data, size_t len)
{
	struct open *open = in->piece;
	enum partial_result result = partial_write(&open->partial, data, len);

	if (in->remaining == 0)
		in->piece = NULL;
	if (result != PARTIAL_OK)
		put_off(open, as_failure(result));
	else if (in->remaining == 0)
		check_whole(open);
}

void
intake_forget(struct intake *in, uint64_t number)
{
	struct open *open = find_open(in, number);

	/* It is answered all the same, as each OPEN is: who took the item's file away need
	 * not have told those who wait for the answer. */
	if (open)
		give_up(open, CODE_LATER_TROUBLE, "it was skipped");
}

/* What is open may have its next bytes in an hour, and what has come is on the disk. */
void
pieces_tick(struct intake *in)
{
	struct open *open, *next;
	char text[INTAKE_TEXT_ROOM];

	for (open = in->opens; open; open = next) {
		next = open->next;
		if (intake_takes_none(open->partial.inbox, text) != CODE_LATER_PAUSED)
			continue;
		intake_end_not_stored(in, open->item->number, CODE_LATER_PAUSED, text);
		close_open(open);
	}
}

int
pieces_are_due(const struct intake *in)
{
	for (const struct open *open = in->opens; open; open = open->next) {
		if (open->partial.written == open->partial.size)
			return 1;
	}
	return 0;
}

int
pieces_are_late(struct intake *in)
{
	for (struct open *open = in->opens; open; open = open->next) {
		const struct partial *partial = &open->partial;

		if (partial->written < partial->size &&
		    intake_is_too_long(in, ++open->waited, partial->size))
			return 1;
	}
	return 0;
}

void
pieces_cut_off(struct intake *in)
{
	struct open *open;

	while ((open = in->opens)) {
		struct item *item = open->item;
		partial_close(&open->partial);
		remove_open(open);
		free(item);
		intake_end_cut_off(in);
	}
	in->piece = NULL;
}
