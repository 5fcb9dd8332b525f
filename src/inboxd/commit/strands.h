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
	uint64_t served; /* its last item: in that round, counted from 1; 0: in none */
};

struct strand_list {
	struct strand *first, *last;
};

/* All zero: nothing waits.  No strand in it is empty. */
struct strands {
	uint64_t round; /* counted from 0 */
	struct strand_list waiting; /* for their turn, first to last */
	/* Whose turn came when there was room only for items that are alone: theirs comes before
	 * all others as soon as there is enough.  (Behind the others again, they would wait for
	 * ever where those that send one item after the other fill what is left.) */
	struct strand_list passed;
	int is_passed; /* it is the turn of the first of those */
};

/* More room has come: by one item each may be alone again. */
void strands_begin_round(struct strands *strands);
/* Behind the others of its strand, `item->strand`. */
void strands_add(struct strands *strands, struct item *item);
int strands_are_empty(const struct strands *strands);
/* Makes it the turn of the next strand whose first item has room, by `has_room`, who is told
 * whether it waits alone there, and is its strand's first in this round: who sends much, and
 * slowly, sends one by one, too.  0: nothing waits, or has room; where one that is alone has none,
 * no other is asked for. */
int strands_find(struct strands *strands,
    int (*has_room)(const void *ctx, const struct item *item, int is_alone), const void *ctx);
/* Takes out the first item of the strand whose turn it is, as strands_find() has just said. */
struct item *strands_pop(struct strands *strands);

#endif
