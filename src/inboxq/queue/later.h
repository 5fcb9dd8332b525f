/* SPDX-License-Identifier: ISC */
/*
 * Until when an item is put off, and by whom: LATER is a server's own word, and another one may
 * have the item at once.  A hold is the reverse: its holder may have it at once, and all others
 * wait, since he may have stored it already.
 *
 * The first such wait stands with the item, and takes no memory of its own; only those of further
 * servers do, in a pool.
 */
#ifndef INBOXQ_QUEUE_LATER_H
#define INBOXQ_QUEUE_LATER_H

#include <stddef.h>
#include <stdint.h>

#define LATER_NEVER INT64_MAX
#define LATER_ANY UINT16_MAX /* whoever the server is */

/* Zeroed at first: not put off. */
struct later {
	int64_t due;     /* monotonic seconds; 0: none */
	uint32_t next;   /* in the pool, + 1; 0: the last one */
	uint16_t server; /* or LATER_ANY; of a hold its holder (holders.h) */
	uint16_t is_hold;
};

/* Who asks for an item: the number of the server for its LATERs, and those of holders that it is,
 * by its address and by READY; HOLDERS_NONE where that is not known. */
struct later_who {
	uint16_t server, name, root;
};

/* Zeroed at first. */
struct later_pool {
	struct later *at;
	size_t count, room;
	uint32_t free; /* as next */
};

void later_pool_free(struct later_pool *pool);

/* `server` takes the item at `due` and not before; what it said before is forgotten, and so are
 * waits that are over at `now`.  Where memory runs out, all servers are to wait so long. */
void later_set(struct later_pool *pool, struct later *item, uint16_t server, int64_t due,
    int64_t now);
/* When `who` may have the item; 0: at once. */
int64_t later_due(const struct later_pool *pool, const struct later *item,
    const struct later_who *who);
/*
 * All but `holder` wait until `due`.  One who holds it already goes on as he does, though his time
 * be over: a server that never answers keeps an item from the others but once.  Another holder
 * takes his place.  Where memory runs out, nobody waits: that costs a copy at most.
 */
void later_hold(struct later_pool *pool, struct later *item, uint16_t holder, int64_t due,
    int64_t now);
/* The item's hold ends `seconds` sooner. */
void later_hold_less(const struct later_pool *pool, struct later *item, int64_t seconds);
/* The item's hold, its time over or not; NULL: it has none. */
const struct later *later_held(const struct later_pool *pool, const struct later *item);
/* Forgets all waits, or those until `due`. */
void later_clear(struct later_pool *pool, struct later *item);
void later_clear_due(struct later_pool *pool, struct later *item, int64_t due);

#endif
