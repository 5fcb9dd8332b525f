/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/entries.h"

#include <stdlib.h>
#include <string.h>

#include "inboxq/queue/rank.h"

#define SPARE 64   /* entries, at least */
#define NEAR 1024 /* entries, from the oldest on: more are hardly under way at once */

void
entries_free(struct entries *entries)
{
	later_pool_free(&entries->pool);
	free(entries->at);
}

/* The first entry whose number is not below `n`; `count` if there is none. */
static size_t
place_of(const struct entries *entries, uint64_t n)
{
	size_t low = 0, high = entries->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (entries->at[middle].n < n)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *
entries_find(const struct entries *entries, uint64_t n)
{
	size_t at = place_of(entries, n);

	return at < entries->count && entries->at[at].n == n ? &entries->at[at] : NULL;
}

uint64_t
entries_next_sent(const struct entries *entries, uint64_t n)
{
	for (size_t i = place_of(entries, n + 1); i < entries->count; i++)
		if (entries->at[i].state == ENTRY_SENT)
			return entries->at[i].n;
	return 0;
}

void
entries_untry(struct entries *entries)
{
	for (size_t i = entries->low; i < entries->count; i++)
		if (entries->at[i].state == ENTRY_SENT && entries->at[i].tries > 0)
			entries->at[i].tries--;
}

static void
begin(struct entry *entry, uint64_t n)
{
	*entry = (struct entry){.n = n, .priority = SCHEDULE_NORMAL};
}

static void
take_over(struct entries *entries, struct entry *at, size_t count, size_t room)
{
	free(entries->at);
	entries->at = at;
	entries->count = count;
	entries->room = room;
	entries->gone = 0;
	entries->low = 0;
}

static size_t
count_live(const struct entries *entries)
{
	return entries->count - entries->low - entries->gone;
}

/* Room for one more: by leaving out those that went, and half as much again. */
static int
make_room(struct entries *entries)
{
	size_t live = count_live(entries), count = 0;
	size_t room = live + live / 2 + SPARE;
	struct entry *at = room < UINT32_MAX ? malloc(room * sizeof *at) : NULL;

	if (!at)
		return -1;
	for (size_t i = entries->low; i < entries->count; i++)
		if (entries->at[i].state != ENTRY_GONE)
			at[count++] = entries->at[i];
	take_over(entries, at, count, room);
	return 0;
}

/* Where a gap for `n` is, or one is made. */
static struct entry *
open_gap(struct entries *entries, uint64_t n, int *moved)
{
	size_t at;

	if (entries->count == entries->room) {
		if (make_room(entries) < 0)
			return NULL;
		*moved = 1;
	}
	/* A number below others is rare: who gives numbers goes up. */
	for (at = entries->count; at > 0 && entries->at[at - 1].n > n; at--)
		continue;
	if (at < entries->count) {
		memmove(&entries->at[at + 1], &entries->at[at],
		    (entries->count - at) * sizeof *entries->at);
		*moved = 1;
	}
	entries->count++;
	return &entries->at[at];
}

struct entry *
entries_add(struct entries *entries, uint64_t n, int *moved)
{
	struct entry *entry = entries_find(entries, n);
	int was_known = entry != NULL;
	size_t at;

	if (!was_known)
		entry = open_gap(entries, n, moved);
	if (!entry)
		return NULL;
	begin(entry, n);
	at = (size_t)(entry - entries->at);
	if (at < entries->low) {
		entries->gone += entries->low - at - (size_t)was_known;
		entries->low = at;
	} else if (was_known) {
		entries->gone--;
	}
	return entry;
}

void
entries_drop(struct entries *entries, struct entry *entry)
{
	later_clear(&entries->pool, &entry->later);
	entry->state = ENTRY_GONE;
	entries->gone++;
	while (entries->low < entries->count && entries->at[entries->low].state == ENTRY_GONE) {
		entries->low++;
		entries->gone--;
	}
}

const struct entry *
entries_left_behind(const struct entries *entries, uint64_t highest)
{
	uint64_t near = RANK_AHEAD + count_live(entries);
	size_t i = entries->low;

	if (i == entries->count || highest + 1 - entries->at[i].n < near)
		return NULL;
	for (; i < entries->count && i < entries->low + NEAR; i++)
		if (entries->at[i].state == ENTRY_WAITING)
			return &entries->at[i];
	return NULL;
}

int
entries_is_open(const struct entry *entry)
{
	return entry->state == ENTRY_WAITING || entry->state == ENTRY_SENT;
}

int
entries_is_held(const struct entries *entries, const struct entry *entry, int64_t now)
{
	const struct later *held = later_held(&entries->pool, &entry->later);

	return held && held->due > now;
}

int64_t
entries_due(const struct entries *entries, const struct later_who *who, int64_t now)
{
	int64_t first = LATER_NEVER;

	for (size_t i = entries->low; i < entries->count && first > now; i++) {
		const struct entry *entry = &entries->at[i];
		int64_t due = LATER_NEVER;

		if (entries_is_open(entry) && !entries_is_held(entries, entry, now))
			due = later_due(&entries->pool, &entry->later, who);
		if (due < first)
			first = due;
	}
	return first;
}

/* Is it to stay, though its file is not there? */
static int
is_under_way(const struct entry *entry)
{
	return entry->state == ENTRY_SENT || entry->state == ENTRY_ANSWERED;
}

/* Both lists ascend, so it is one pass. */
int
entries_merge(struct entries *entries, const uint64_t *found, size_t found_count)
{
	size_t room = entries->count + found_count + SPARE, count = 0, old = 0;
	struct entry *merged = room < UINT32_MAX ? malloc(room * sizeof *merged) : NULL;

	if (!merged)
		return -1;
	for (size_t i = 0; i <= found_count; i++) {
		uint64_t n = i < found_count ? found[i] : UINT64_MAX;

		for (; old < entries->count && entries->at[old].n < n; old++) {
			if (is_under_way(&entries->at[old]))
				merged[count++] = entries->at[old];
			else
				later_clear(&entries->pool, &entries->at[old].later);
		}
		if (i == found_count)
			break;
		if (old < entries->count && entries->at[old].n == n &&
		    entries->at[old].state != ENTRY_GONE)
			merged[count++] = entries->at[old];
		else
			begin(&merged[count++], n);
		old += old < entries->count && entries->at[old].n == n;
	}
	take_over(entries, merged, count, room);
	return 0;
}
