/* SPDX-License-Identifier: ISC */
/*
 * Who is next among items that may be sent now.  They stand in lists by lane, priority, inbox
 * and size: first by priority, then the inboxes by turns, an item each, then small ones before
 * big ones.  Whoever is passed over TURNS_PASSES times has a turn all the same, so that no
 * priority and no size starves.
 *
 * An item is known here by its place in the owner's array.  12 bytes an item, and 89 KiB.
 *
 * Rejected: turns by bytes.  Items that are large have a lane of their own, and within one a
 * client cares how soon its items go, not how evenly the bytes do.
 */
#ifndef INBOXQ_QUEUE_TURNS_H
#define INBOXQ_QUEUE_TURNS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/queue/rank.h"
#include "lib/attr.h"

struct turns;

#define TURNS_PASSES 15
#define TURNS_INBOXES 256 /* of which any others share the turns */
#define TURNS_NONE UINT32_MAX

struct turns_rank {
	enum schedule_lane lane;
	enum schedule_priority priority;
	unsigned inbox; /* of turns_inbox() */
	uint64_t size;  /* bytes */
	int is_unknown; /* of inbox, size and priority nothing is known: behind all others */
};

/* NULL: out of memory. */
MUST_CHECK struct turns *turns_new(void);
void turns_free(struct turns *turns);
/* Room for items up to `room`, which is not yet in use.  0, or -1: out of memory. */
MUST_CHECK int turns_reserve(struct turns *turns, size_t room);
/* Empties all lists.  The turns stay as they are. */
void turns_clear(struct turns *turns);

/* Whose turn it is, for an inbox of that name. */
unsigned turns_inbox(struct turns *turns, const char *name);

/* Behind all of its rank, or before them where its place is below all of theirs; it must stand
 * nowhere. */
void turns_put(struct turns *turns, uint32_t item, const struct turns_rank *rank);
/* Aside: it may not be sent now. */
void turns_put_aside(struct turns *turns, uint32_t item);
/* Out of wherever it stands, if it stands. */
void turns_take(struct turns *turns, uint32_t item);
/* As turns_take(), and it has had its turn. */
void turns_serve(struct turns *turns, uint32_t item);

/* The lane's next one; TURNS_NONE. */
uint32_t turns_next(const struct turns *turns, enum schedule_lane lane);
/* The first of whom nothing is known, of either lane; TURNS_NONE. */
uint32_t turns_unknown(const struct turns *turns);
/* The first of those put aside, and the one behind `item`; TURNS_NONE. */
uint32_t turns_aside(const struct turns *turns);
uint32_t turns_behind(const struct turns *turns, uint32_t item);

#endif
