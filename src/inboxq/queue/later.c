/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/later.h"

#include <stdlib.h>

void
later_pool_free(struct later_pool *pool)
{
	free(pool->at);
	*pool = (struct later_pool){0};
}

static struct later *
next_of(const struct later_pool *pool, const struct later *later)
{
	return later->next ? &pool->at[later->next - 1] : NULL;
}

/* Its index + 1; 0: out of memory. */
static uint32_t
take_one(struct later_pool *pool)
{
	uint32_t taken = pool->free;

	if (taken) {
		pool->free = pool->at[taken - 1].next;
		return taken;
	}
	if (pool->count == pool->room) {
		size_t room = pool->room ? 2 * pool->room : 64;
		struct later *more =
		    room < UINT32_MAX ? realloc(pool->at, room * sizeof *more) : NULL;

		if (!more)
			return 0;
		pool->at = more;
		pool->room = room;
	}
	return (uint32_t)++pool->count;
}

void
later_set(struct later_pool *pool, struct later *item, uint16_t server, int64_t due, int64_t now)
{
	struct later *spare = NULL;
	uint32_t fresh;

	for (struct later *at = item; at; at = next_of(pool, at)) {
		if (at->is_hold)
			continue;
		if (at->due && at->server == server) {
			at->due = due;
			return;
		}
		if (at->due <= now)
			spare = at;
	}
	if (spare) {
		spare->due = due;
		spare->server = server;
		spare->is_hold = 0;
		return;
	}
	fresh = take_one(pool); /* which may have moved all but *item */
	if (!fresh) {
		if (item->due < due)
			item->due = due;
		item->server = LATER_ANY;
		item->is_hold = 0;
		return;
	}
	pool->at[fresh - 1] = (struct later){due, item->next, server, 0};
	item->next = fresh;
}

static int
waits(const struct later *later, const struct later_who *who)
{
	if (later->is_hold)
		return later->server != who->name && later->server != who->root;
	return later->server == who->server || later->server == LATER_ANY;
}

int64_t
later_due(const struct later_pool *pool, const struct later *item, const struct later_who *who)
{
	int64_t due = 0;

	for (const struct later *at = item; at; at = next_of(pool, at))
		if (waits(at, who) && at->due > due)
			due = at->due;
	return due;
}

void
later_hold(struct later_pool *pool, struct later *item, uint16_t holder, int64_t due, int64_t now)
{
	struct later *place = NULL;
	uint32_t fresh;

	for (struct later *at = item; at; at = next_of(pool, at)) {
		if (at->is_hold && at->server == holder)
			return;
		if (at->is_hold || (!place && at->due <= now))
			place = at;
	}
	if (!place) {
		fresh = take_one(pool);
		if (!fresh)
			return;
		place = &pool->at[fresh - 1];
		place->next = item->next;
		item->next = fresh;
	}
	place->due = due;
	place->server = holder;
	place->is_hold = 1;
}

void
later_hold_less(const struct later_pool *pool, struct later *item, int64_t seconds)
{
	for (struct later *at = item; at; at = next_of(pool, at))
		if (at->is_hold)
			at->due -= seconds;
}

const struct later *
later_held(const struct later_pool *pool, const struct later *item)
{
	for (const struct later *at = item; at; at = next_of(pool, at))
		if (at->is_hold)
			return at;
	return NULL;
}

void
later_clear(struct later_pool *pool, struct later *item)
{
	while (item->next) {
		uint32_t next = item->next;

		item->next = pool->at[next - 1].next;
		pool->at[next - 1].next = pool->free;
		pool->free = next;
	}
	*item = (struct later){0};
}

void
later_clear_due(struct later_pool *pool, struct later *item, int64_t due)
{
	for (struct later *at = item; at; at = next_of(pool, at))
		if (at->due == due)
			at->due = 0;
}
