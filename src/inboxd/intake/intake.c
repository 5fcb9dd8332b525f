/* SPDX-License-Identifier: ISC */
#include "inboxd/intake/intake.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/intake/intake_parts.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LATER_SECONDS 60 /* for all that may pass by itself */
#define INBOX_SECONDS_MIN 30 /* for an inbox that takes none: somebody may be at it */
#define INBOX_SECONDS_MAX 90
#define BUSY_SECONDS 5   /* for an item that is open elsewhere */

static const struct settings *
settings_of(const struct intake *in)
{
	return in->shop->site->settings;
}

struct intake *
intake_new(struct shop *shop, struct sharer *sharer, const char *identity,
    const struct intake_owner *owner, void *ctx)
{
	struct intake *in = must_alloc(sizeof *in);

	in->shop = shop;
	in->sharer = sharer;
	in->identity = identity;
	in->owner = owner;
	in->ctx = ctx;
	return in;
}

void
intake_join(struct intake *in, const struct join *join, const char *queue_id)
{
	in->queue = join->queue;
	in->generation = join->generation;
	in->client_opens = join->opens;
	in->queue_id = queue_id;
}

void
intake_free(struct intake *in)
{
	if (!in)
		return;
	assert(in->items == 0 && !in->item && !in->opens);
	digest_free(in->digest);
	free(in);
}

/* ---- the ends */

void
intake_count_offer(struct intake *in)
{
	stats_add(&in->shop->stats, STAT_OFFERED, 1);
	stats_add(&in->shop->stats, STAT_NOW_IN_FLIGHT, 1);
}

static void
count_end(struct intake *in, enum counter how)
{
	stats_add(&in->shop->stats, how, 1);
	stats_sub(&in->shop->stats, STAT_NOW_IN_FLIGHT, 1);
}

void
intake_end_cut_off(struct intake *in)
{
	count_end(in, STAT_CUT_OFF);
}

/*
 * The one place where an item is said to be stored, by whatever front: it has come back
 * from the commit thread, which had synced its frame in the journal (P1).
 */
static void
end_stored(struct intake *in, const struct item *item)
{
	int again = item->outcome == ITEM_AGAIN;
	const char *name = again ? item->first_name : item->draft.name;

	assert(item->outcome == ITEM_STORED || again);
	assert(name[0] && item_is_duplicate(item) == again);
	count_end(in, again ? STAT_AGAIN : STAT_STORED);
	log_event(LOG_DEBUG, "item_stored", "client=%s n=%" PRIu64 " name=%s again=%d",
	    in->identity, item->number, name, again);
	if (!in->owner->on_stored(in->ctx, item->number, name, again))
		stats_add(&in->shop->stats, STAT_UNHEARD, 1);
	else if (!again)
		stats_observe(&in->shop->stats, HISTOGRAM_ACKNOWLEDGE,
		    (uint64_t)(clock_monotonic() - item->whole));
}

static uint64_t
later_seconds(struct intake *in, enum proto_code code)
{
	switch (code) {
	case CODE_LATER_FULL:
		return space_seconds(&in->shop->space, in->shop->now);
	case CODE_LATER_BUSY:
		return BUSY_SECONDS;
	case CODE_LATER_NO_INBOX:
	case CODE_LATER_NOT_ALLOWED:
	case CODE_LATER_TOO_LARGE:
		return site_forgives(in->shop->site, in->shop->now);
	default:
		return LATER_SECONDS;
	}
}

/* By lot: many may be told in one moment. */
static uint64_t
draw_seconds(struct intake *in, enum proto_code code)
{
	if (code == CODE_LATER_PAUSED || code == CODE_LATER_INBOX_FULL)
		return spread_draw(&in->shop->spread, INBOX_SECONDS_MIN, INBOX_SECONDS_MAX);
	return spread_wait(&in->shop->spread, later_seconds(in, code));
}

static void
end_not_stored(struct intake *in, uint64_t number, enum proto_code code, const char *text)
{
	count_end(in, stats_of_code(code));
	log_limited(&in->shop->gate, LOG_NOTICE, "item_not_stored",
	    "client=%s n=%" PRIu64 " code=%s note=\"%s\"", in->identity, number,
	    proto_code_text(code), text);
	in->owner->on_not_stored(in->ctx, number, code, draw_seconds(in, code), text);
}

/* Of this the commit thread has not heard. */
void
intake_end_not_stored(struct intake *in, uint64_t number, enum proto_code code,
    const char *text)
{
	if (proto_code_verb(code) == VERB_LATER)
		in->untold.later++;
	else
		in->untold.refused++;
	end_not_stored(in, number, code, text);
}

void
intake_take_untold(struct intake *in, struct untold *out)
{
	*out = in->untold;
	in->untold = (struct untold){0};
}

void
intake_end_failed(struct intake *in, uint64_t number, enum draft_result result,
    const char *inbox)
{
	char text[128];

	if (result == DRAFT_FULL)
		space_failed(&in->shop->space, in->shop->now);
	snprintf(text, sizeof text,
	    result == DRAFT_FULL ? "no room in inbox %s" : "inbox %s cannot take items now", inbox);
	intake_end_not_stored(in, number,
	    result == DRAFT_FULL ? CODE_LATER_FULL : CODE_LATER_TROUBLE, text);
}

/* ---- to the commit thread and back */

static enum proto_code
refuse(const struct intake *in, enum proto_code later, enum proto_code refused)
{
	return site_forgives(in->shop->site, in->shop->now) ? later : refused;
}

enum proto_code
intake_takes_none(const struct inbox *inbox, char text[INTAKE_TEXT_ROOM])
{
	const struct inflow *inflow = inbox->inflow;

	if (inflow_is_paused(inflow)) {
		snprintf(text, INTAKE_TEXT_ROOM, "inbox %s is paused", inbox->name);
		return CODE_LATER_PAUSED;
	}
	if (inflow_is_over(inflow)) {
		snprintf(text, INTAKE_TEXT_ROOM, "as much waits in inbox %s as may", inbox->name);
		return CODE_LATER_INBOX_FULL;
	}
	return PROTO_CODE_COUNT;
}

enum proto_code
intake_refusal(struct intake *in, const struct intake_offer *offer, struct inbox **inbox,
    char text[INTAKE_TEXT_ROOM])
{
	*inbox = site_find_inbox(in->shop->site, offer->inbox, offer->inbox_len);
	if (!*inbox) {
		snprintf(text, INTAKE_TEXT_ROOM, "there is no inbox %.*s", (int)offer->inbox_len,
		    offer->inbox);
		return refuse(in, CODE_LATER_NO_INBOX, CODE_REFUSED_NO_INBOX);
	}
	if (!inbox_allows(*inbox, in->identity)) {
		snprintf(text, INTAKE_TEXT_ROOM, "%.120s may not use inbox %s", in->identity,
		    (*inbox)->name);
		return refuse(in, CODE_LATER_NOT_ALLOWED, CODE_REFUSED_NOT_ALLOWED);
	}
	if (offer->size > (*inbox)->size) {
		snprintf(text, INTAKE_TEXT_ROOM,
		    "%" PRIu64 " bytes; the inbox %s takes %" PRIu64, offer->size,
		    (*inbox)->name, (*inbox)->size);
		return refuse(in, CODE_LATER_TOO_LARGE, CODE_REFUSED_TOO_LARGE);
	}
	if (atomic_load_explicit(&(*inbox)->inflow->used, memory_order_relaxed) != in->shop->now)
		atomic_store_explicit(&(*inbox)->inflow->used, in->shop->now, memory_order_relaxed);
	return intake_takes_none(*inbox, text);
}

int
intake_take_room(struct intake *in, uint64_t size, int is_large)
{
	return space_take(
	    &in->shop->space, settings_of(in), size, is_large, in->shop->now);
}

static void on_item(struct request *request);

struct item *
intake_new_item(struct intake *in, const struct intake_offer *offer)
{
	struct item *item = must_alloc(sizeof *item);

	request_fill(&item->request, COMMIT_ITEM, in->shop->replies, on_item, in);
	item->queue = in->queue;
	item->generation = in->generation;
	item->strand = &in->strand;
	item->number = offer->number;
	item->size = offer->size;
	item->sent = offer->sent;
	item->share = settings_of(in)->share;
	snprintf(item->inbox, sizeof item->inbox, "%.*s", (int)offer->inbox_len, offer->inbox);
	item->draft.fd = -1;
	memcpy(item->sha256, offer->sha256, sizeof item->sha256);
	memcpy(item->hint, offer->hint, sizeof item->hint);
	return item;
}

void
intake_free_item(struct intake *in, struct item *item)
{
	in->shop->kept -= item->kept;
	free(item->bytes);
	free(item->beside);
	free(item->refusal);
	free(item);
}

void
intake_describe(const struct intake *in, struct item *item, const struct inbox *inbox,
    struct meta *out)
{
	if (inbox->meta != META_NONE)
		item->received = clock_utc();
	*out = (struct meta){
	    .client = in->identity,
	    .queue = in->queue_id,
	    .inbox = item->inbox,
	    .number = item->number,
	    .hint = item->hint,
	    .sha256 = item->sha256,
	    .received = item->received,
	};
}

void
intake_hand_over(struct intake *in, struct item *item)
{
	item->whole = clock_monotonic();
	in->items++;
	in->bytes += item->counted;
	intake_take_untold(in, &item->untold);
	share_take(&in->shop->share, in->sharer);
	in->shop->send(in->shop, &item->request.message);
}

void
intake_refuse(struct intake *in, const struct intake_offer *offer, enum proto_code code,
    const char *text)
{
	struct item *item = intake_new_item(in, offer);

	item->asks = 1;
	item->share = 0;
	item->code = code;
	item->refusal = strdup(text);
	if (!item->refusal)
		fatal(EX_OSERR, "out_of_memory", "what=refusal");
	intake_hand_over(in, item);
}

static const char *
later_text(const struct item *item, char text[INTAKE_TEXT_ROOM])
{
	if (item->over_share)
		return "as much of this client waits here as may";
	if (item->code == CODE_LATER_INBOX_FULL)
		return "as much waits in the inbox as may";
	if (item->limit == LIMIT_NONE)
		return "the receiver cannot take it now";
	snprintf(text, INTAKE_TEXT_ROOM,
	    "too many items that are stored are not settled ([limits] %s)",
	    limit_name(item->limit));
	return text;
}

/* Takes it. */
static void
end_item(struct intake *in, struct item *item)
{
	char text[INTAKE_TEXT_ROOM];

	switch (item->outcome) {
	case ITEM_STORED:
		end_stored(in, item); /* the draft is the publisher's */
		break;
	case ITEM_AGAIN:
		end_stored(in, item);
		draft_discard(&item->draft);
		break;
	case ITEM_LATER:
		end_not_stored(in, item->number, item->code, later_text(item, text));
		draft_discard(&item->draft);
		break;
	case ITEM_UNKNOWN:
		if (item->refusal) {
			end_not_stored(in, item->number, item->code, item->refusal);
			break;
		}
		if (!in->is_cut_off) {
			pieces_begin(in, item);
			return;
		}
		pieces_uncount(in);
		intake_end_cut_off(in);
		draft_discard(&item->draft);
		break;
	case ITEM_STALE:
		intake_end_cut_off(in);
		draft_discard(&item->draft);
		break;
	}
	intake_free_item(in, item);
}

static void
on_item(struct request *request)
{
	struct item *item = (struct item *)request;
	struct intake *in = request->asker;

	in->items--;
	in->bytes -= item->counted;
	if (item->asks && !item->refusal && item->outcome != ITEM_UNKNOWN)
		pieces_uncount(in);
	share_give_back(&in->shop->share, in->sharer);
	end_item(in, item);
	in->owner->on_back(in->ctx);
}

/* ---- bytes */

size_t
intake_bytes(struct intake *in, const unsigned char *data, size_t len)
{
	if (len > in->remaining)
		len = (size_t)in->remaining;
	in->remaining -= len;
	if (in->item)
		whole_take(in, data, len);
	else if (in->piece)
		pieces_take(in, data, len);
	return len;
}

void
intake_expect(struct intake *in, uint64_t size)
{
	in->remaining = in->following = size;
	in->waited = 0;
}

int
intake_is_too_long(const struct intake *in, uint64_t seconds, uint64_t size)
{
	const struct settings *settings = settings_of(in);

	return settings->rate > 0 && seconds > settings->line + size / settings->rate;
}

int
intake_is_late(struct intake *in)
{
	if (in->remaining > 0 && intake_is_too_long(in, ++in->waited, in->following))
		return 1;
	return pieces_are_late(in);
}

uint64_t
intake_remaining(const struct intake *in)
{
	return in->remaining;
}

/* One item may always be under way, whatever its size. */
int
intake_must_wait(const struct intake *in)
{
	return in->item && in->remaining == in->item->size && in->items > 0 &&
	    in->bytes + in->item->size > settings_of(in)->bytes;
}

void
intake_tick(struct intake *in)
{
	whole_tick(in);
	pieces_tick(in);
}

void
intake_cut_off(struct intake *in)
{
	in->is_cut_off = 1;
	in->remaining = 0;
	whole_cut_off(in);
	pieces_cut_off(in);
}

int
intake_is_busy(const struct intake *in)
{
	return in->items > 0;
}

int
intake_is_empty(const struct intake *in)
{
	return in->items == 0 && in->open_count == 0 && in->remaining == 0;
}

int
intake_is_due(const struct intake *in)
{
	return in->items > 0 || pieces_are_due(in);
}
