/* SPDX-License-Identifier: ISC */
/*
 * An item whose bytes come at once, behind its offer: checked on what was declared,
 * written and digested as it comes, so memory does not grow with the item.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/intake/intake_parts.h"
#include "lib/journal.h"

/* Of a worker, bytes; and how much of it is for those who have nothing on its way already. */
#define KEPT_MAX (UINT64_C(64) * 1024 * 1024)
#define KEPT_SPARE (KEPT_MAX / 8)

uint64_t
intake_whole_most(const struct site *site)
{
	uint64_t most = site->settings->inline_size;

	return most < site->item ? most : site->item;
}

/* It ends here with LATER, for what the disk said. */
static void
give_up(struct intake *in, struct item *item, enum draft_result result)
{
	/* The draft may hold the last reference on its inbox. */
	intake_end_failed(in, item->number, result, item->draft.inbox->name);
	draft_discard(&item->draft);
	intake_free_item(in, item);
}

/* All bytes have come, and they are the ones that were declared. */
static void
finish_right(struct intake *in, struct item *item)
{
	struct meta meta;
	enum draft_result result;

	intake_describe(in, item, item->draft.inbox, &meta);
	result = draft_describe(&item->draft, &meta);
	if (result != DRAFT_OK) {
		give_up(in, item, result);
		return;
	}
	item->beside = meta_text(item->draft.inbox, &meta);
	intake_hand_over(in, item);
}

/* All bytes have come: are they the ones that were declared? */
static void
finish(struct intake *in)
{
	unsigned char found[DIGEST_SIZE];
	char text[128], hex[DIGEST_TEXT_ROOM];
	struct item *item = in->item;

	in->item = NULL;
	if (digest_end(in->digest, found) < 0)
		fatal(EX_OSERR, "digest_failed", "call=end");
	if (memcmp(found, item->sha256, DIGEST_SIZE) == 0) {
		finish_right(in, item);
		return;
	}
	digest_print(hex, found);
	snprintf(text, sizeof text, "the bytes have SHA-256 %s", hex);
	draft_discard(&item->draft);
	intake_end_not_stored(in, item->number, CODE_LATER_DIGEST, text);
	intake_free_item(in, item);
}

/* Why it cannot be taken now, with a text, or PROTO_CODE_COUNT: then its room is taken. */
static enum proto_code
obstacle(struct intake *in, const struct intake_offer *offer, const struct inbox *inbox,
    char text[INTAKE_TEXT_ROOM])
{
	uint64_t most = in->shop->site->settings->inline_size;

	if (offer->size > most) {
		snprintf(text, INTAKE_TEXT_ROOM, "an item sent whole has up to %" PRIu64
		    " bytes here", most);
		return CODE_LATER_USE_OPEN;
	}
	if (!intake_take_room(in, offer->size, 0)) {
		snprintf(text, INTAKE_TEXT_ROOM, "no room in inbox %s", inbox->name);
		return CODE_LATER_FULL;
	}
	return PROTO_CODE_COUNT;
}

static enum draft_result
open_draft(struct intake *in, struct item *item, struct inbox *inbox)
{
	enum draft_result result = draft_create(
	    &item->draft, in->shop->site, inbox, &in->shop->namer, in->identity);

	if (result != DRAFT_OK)
		return result;
	result = draft_reserve(&item->draft, item->size);
	if (result != DRAFT_OK)
		draft_discard(&item->draft);
	return result;
}

/* For the journal, which wants the bytes again; of one that is not kept the draft is synced first.
 * What clients may make us hold is bounded, however many of them stop midway; and one that sends
 * much leaves some of it to others. */
static void
keep(struct intake *in, struct item *item)
{
	uint64_t most = in->sharer->held > 0 ? KEPT_MAX - KEPT_SPARE : KEPT_MAX;

	if (item->size > JOURNAL_ITEM_MAX || in->shop->kept + item->size > most)
		return;
	item->bytes = malloc(item->size + 1);
	if (!item->bytes)
		fatal(EX_OSERR, "out_of_memory", "bytes=%" PRIu64, item->size);
	item->kept = item->size;
	in->shop->kept += item->size;
}

void
intake_whole(struct intake *in, const struct intake_offer *offer)
{
	enum draft_result result;
	enum proto_code code;
	struct inbox *inbox;
	struct item *item;
	char text[INTAKE_TEXT_ROOM];

	intake_count_offer(in);
	intake_expect(in, offer->size);
	code = intake_refusal(in, offer, &inbox, text);
	if (code != PROTO_CODE_COUNT) {
		intake_refuse(in, offer, code, text);
		return;
	}
	code = obstacle(in, offer, inbox, text);
	if (code != PROTO_CODE_COUNT) {
		intake_end_not_stored(in, offer->number, code, text);
		return;
	}
	item = intake_new_item(in, offer);
	item->counted = offer->size;
	result = open_draft(in, item, inbox);
	if (result != DRAFT_OK) {
		free(item);
		intake_end_failed(in, offer->number, result, inbox->name);
		return;
	}
	keep(in, item);
	if (!in->digest)
		in->digest = digest_new();
	if (!in->digest || digest_start(in->digest) < 0)
		fatal(EX_OSERR, "digest_failed", "call=start");
	in->item = item;
	if (offer->size == 0)
		finish(in);
}

void
whole_take(struct intake *in, const unsigned char *data, size_t len)
{
	struct item *item = in->item;
	enum draft_result result = draft_write(&item->draft, data, len);

	if (result != DRAFT_OK) {
		in->item = NULL;
		give_up(in, item, result);
		return;
	}
	if (digest_add(in->digest, data, len) < 0)
		fatal(EX_OSERR, "digest_failed", "call=add");
	if (item->bytes)
		memcpy(item->bytes + item->size - in->remaining - len, data, len);
	if (in->remaining == 0)
		finish(in);
}

/* Its bytes may take long to come, or never do; the rest of them goes nowhere. */
void
whole_tick(struct intake *in)
{
	struct item *item = in->item;
	char text[INTAKE_TEXT_ROOM];

	if (!item || intake_takes_none(item->draft.inbox, text) != CODE_LATER_PAUSED)
		return;
	in->item = NULL;
	intake_end_not_stored(in, item->number, CODE_LATER_PAUSED, text);
	draft_discard(&item->draft);
	intake_free_item(in, item);
}

void
whole_cut_off(struct intake *in)
{
	if (!in->item)
		return;
	draft_discard(&in->item->draft);
	intake_free_item(in, in->item);
	in->item = NULL;
	intake_end_cut_off(in);
}
