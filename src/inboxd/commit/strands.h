/* SPDX-License-Identifier: ISC */
/*
 * The items that wait for the commit thread: those of one session behind each other in a strand,
 * and the strands served in turn, an item each time.  So a session that sends much waits for
 * itself, and holds up each other one by an item.
 *
 * A strand is its session's memory, but the commit thread alone touches it; it is there as long as
 * an item of it is.
 */
#ifndef INBOXD_COMMIT_STRANDS_H
#define INBOXD_COMMIT_STRANDS_H

#include "inboxd/commit/item_list.h"

/* All zero: nothing waits in it. */
struct strand {
	struct item_list items;
	struct strand *next;
};

struct strands {
	struct strand *first, *last; /* whose turn it is, first to last; none is empty */
};

/* Behind the others of its strand, `item->strand`. */
void strands_add(struct strands *strands, struct item *item);
/* Makes it the turn of the next strand whose first item has room, by `has_room`, who is told
 * whether it waits alone there.  0: nothing waits, or has room; where one that is alone has none,
 * no other is asked for. */
int strands_find(struct strands *strands,
    int (*has_room)(const void *ctx, const struct item *item, int is_alone), const void *ctx);
/* Takes out the first item of the strand whose turn it is; there must be one. */
struct item *strands_pop(struct strands *strands);

#endif
