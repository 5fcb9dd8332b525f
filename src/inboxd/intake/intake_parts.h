/* SPDX-License-Identifier: ISC */
/*
 * Intake is one module in three files: intake.c (the way to the commit thread, and the
 * ends), whole.c (items whose bytes come at once) and pieces.c (in pieces).  This is what
 * they share; nobody else includes it.
 */
#ifndef INBOXD_INTAKE_INTAKE_PARTS_H
#define INBOXD_INTAKE_INTAKE_PARTS_H

#include "inboxd/commit/request.h"
#include "inboxd/commit/strands.h"
#include "inboxd/drafts/draft.h"
#include "inboxd/drafts/meta.h"
#include "inboxd/intake/intake.h"
#include "inboxd/serve/shop.h"

struct open;

#define INTAKE_CLOSED 64     /* numbers remembered */
#define INTAKE_TEXT_ROOM 256 /* of why an item is not taken */

struct intake {
	struct shop *shop;
	struct sharer *sharer;
	const char *identity;
	const struct intake_owner *owner;
	void *ctx;
	struct queue *queue; /* the commit thread's token */
	uint64_t generation;
	const char *queue_id;
	struct strand strand;  /* the commit thread's, while items are there */
	uint64_t items, bytes; /* handed over and not come back */
	uint64_t remaining;    /* bytes that follow, of what is next: */
	uint64_t following;    /* of so many, */
	uint64_t waited;       /* since so many seconds; */
	struct item *item;     /* an item whole: its draft is open; */
	struct open *piece;    /* or a piece of this one; or, both NULL, nobody's */
	struct digest *digest; /* of `item` */
	struct open *opens;    /* those whose bytes are wanted */
	unsigned open_count;   /* also those that the commit thread is asked about */
	_Atomic uint64_t *client_opens; /* of all sessions of this client */
	uint64_t closed[INTAKE_CLOSED]; /* numbers that ended last: more pieces may come */
	unsigned closed_at;
	int is_cut_off;
	struct untold untold;
};

/* ---- intake.c */

void intake_count_offer(struct intake *in);
/* Each item that was offered passes one of these three, once. */
void intake_end_cut_off(struct intake *in);
void intake_end_not_stored(struct intake *in, uint64_t number, enum proto_code code,
    const char *text);
/* LATER, for what the disk said. */
void intake_end_failed(struct intake *in, uint64_t number, enum draft_result result,
    const char *inbox);

/* Why nobody may send it, REFUSED or, while that may be a slip, LATER, with a text; or
 * PROTO_CODE_COUNT and the inbox. */
MUST_CHECK enum proto_code intake_refusal(struct intake *in, const struct intake_offer *offer,
    struct inbox **inbox, char text[INTAKE_TEXT_ROOM]);
/* Is the inbox there, and takes nothing now?  LATER with a text; or PROTO_CODE_COUNT. */
MUST_CHECK enum proto_code intake_takes_none(const struct inbox *inbox,
    char text[INTAKE_TEXT_ROOM]);
/* Says so, unless the item is known: one that was stored before the rules were as they are is
 * answered by its name (P4). */
void intake_refuse(struct intake *in, const struct intake_offer *offer, enum proto_code code,
    const char *text);
/* Is there room on the disk for it?  Then it is taken. */
MUST_CHECK int intake_take_room(struct intake *in, uint64_t size, int is_large);
/* Without a draft. */
struct item *intake_new_item(struct intake *in, const struct intake_offer *offer);
/* Frees it, and what is kept of it. */
void intake_free_item(struct intake *in, struct item *item);
/* `size` bytes follow. */
void intake_expect(struct intake *in, uint64_t size);
/* Are so many seconds too many for so many bytes? */
int intake_is_too_long(const struct intake *in, uint64_t seconds, uint64_t size);
/* What its inbox wants to be told of it, and since when it is here: behind its last byte. */
void intake_describe(const struct intake *in, struct item *item, const struct inbox *inbox,
    struct meta *out);
/* To the commit thread. */
void intake_hand_over(struct intake *in, struct item *item);

/* ---- whole.c */

void whole_take(struct intake *in, const unsigned char *data, size_t len);
void whole_cut_off(struct intake *in);
void whole_tick(struct intake *in);

/* ---- pieces.c */

/* An item that was open, or asked about, is so no more. */
void pieces_uncount(struct intake *in);
/* The commit thread does not know the item: its bytes are wanted, if there is room.
 * Takes `item`. */
void pieces_begin(struct intake *in, struct item *item);
void pieces_take(struct intake *in, const unsigned char *data, size_t len);
/* Has one come whole, and what was there before is still read back? */
int pieces_are_due(const struct intake *in);
void pieces_cut_off(struct intake *in);
void pieces_tick(struct intake *in);
/* As intake_is_late(). */
int pieces_are_late(struct intake *in);

#endif
