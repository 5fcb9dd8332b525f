/* SPDX-License-Identifier: ISC */
/*
 * The lists of turns.h hold places in the array of entries.h.  They are built anew where those
 * have moved, and when another server's LATERs count: at the next look at them.
 */
#include "inboxq/queue/schedule.h"

#include <stdlib.h>

#include "inboxq/queue/schedule_parts.h"

_Static_assert(TURNS_INBOXES - 1 <= UINT8_MAX, "an inbox fits an entry");
_Static_assert(SCHEDULE_SERVERS == LATER_ANY, "no server is all of them");

struct schedule *
schedule_new(void)
{
	struct schedule *schedule = calloc(1, sizeof *schedule);

	if (!schedule)
		return NULL;
	schedule->turns = turns_new();
	schedule->recheck = SCHEDULE_NEVER;
	spread_begin(&schedule->spread);
	if (schedule->turns)
		return schedule;
	free(schedule);
	return NULL;
}

void
schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	entries_free(&schedule->entries);
	holders_free(&schedule->holders);
	free(schedule->seen);
	turns_free(schedule->turns);
	free(schedule);
}

void
schedule_set_rest(struct schedule *schedule, int64_t seconds)
{
	schedule->rest = seconds;
}

uint32_t
schedule_place_of(const struct schedule *schedule, const struct entry *entry)
{
	return (uint32_t)(entry - schedule->entries.at);
}

static int64_t
due_of(const struct schedule *schedule, const struct entry *entry)
{
	return later_due(&schedule->entries.pool, &entry->later, &schedule->who);
}

void
schedule_place(struct schedule *schedule, const struct entry *entry)
{
	uint32_t at = schedule_place_of(schedule, entry);
	int64_t due = due_of(schedule, entry);
	struct turns_rank rank = {(enum schedule_lane)entry->lane,
	    (enum schedule_priority)entry->priority, entry->inbox, entry->size,
	    !entry->is_known};

	if (due <= schedule->now) {
		turns_put(schedule->turns, at, &rank);
		return;
	}
	turns_put_aside(schedule->turns, at);
	if (due < schedule->recheck)
		schedule->recheck = due;
}

void
schedule_refresh(struct schedule *schedule, int64_t now)
{
	const struct entries *entries = &schedule->entries;
	uint32_t next;

	schedule->now = now;
	if (schedule->is_stale) {
		schedule->is_stale = 0;
		schedule->recheck = SCHEDULE_NEVER;
		turns_clear(schedule->turns);
		for (size_t i = entries->low; i < entries->count; i++)
			if (entries->at[i].state == ENTRY_WAITING)
				schedule_place(schedule, &entries->at[i]);
	}
	if (now < schedule->recheck)
		return;
	schedule->recheck = SCHEDULE_NEVER;
	for (uint32_t at = turns_aside(schedule->turns); at != TURNS_NONE; at = next) {
		const struct entry *entry = &schedule->entries.at[at];
		int64_t due = due_of(schedule, entry);

		next = turns_behind(schedule->turns, at);
		if (due <= now) {
			turns_take(schedule->turns, at);
			schedule_place(schedule, entry);
		} else if (due < schedule->recheck) {
			schedule->recheck = due;
		}
	}
}

int
schedule_merge(struct schedule *schedule, const uint64_t *found, size_t found_count,
    uint64_t highest)
{
	struct entries *entries = &schedule->entries;

	schedule->is_stale = 1;
	if (entries_merge(entries, found, found_count) < 0 ||
	    turns_reserve(schedule->turns, entries->room) < 0)
		return -1;
	schedule->counts.waiting = 0;
	for (size_t i = 0; i < entries->count; i++) {
		schedule->counts.waiting += entries->at[i].state == ENTRY_WAITING;
		schedule_doubt_noted(schedule, &entries->at[i]);
	}
	schedule->counts.highest = highest;
	return 0;
}

struct entry *
schedule_find(const struct schedule *schedule, uint64_t n)
{
	return entries_find(&schedule->entries, n);
}

int
schedule_add(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = schedule_find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		return 0;
	entry = entries_add(&schedule->entries, n, &schedule->is_stale);
	if (!entry)
		return -1;
	if (turns_reserve(schedule->turns, schedule->entries.room) < 0) {
		entries_drop(&schedule->entries, entry);
		return -1;
	}
	schedule_doubt_noted(schedule, entry);
	if (n > schedule->counts.highest)
		schedule->counts.highest = n;
	schedule->counts.waiting++;
	if (!schedule->is_stale)
		schedule_place(schedule, entry);
	return 0;
}

uint64_t
schedule_unknown(struct schedule *schedule)
{
	uint32_t at;

	schedule_refresh(schedule, schedule->now);
	at = turns_unknown(schedule->turns);
	return at == TURNS_NONE ? 0 : schedule->entries.at[at].n;
}

int
schedule_holds(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = schedule_find(schedule, n);

	return entry && entry->state != ENTRY_GONE;
}

uint64_t
schedule_first(const struct schedule *schedule)
{
	const struct entries *entries = &schedule->entries;

	return entries->low < entries->count ? entries->at[entries->low].n : 0;
}

uint64_t
schedule_settled(const struct schedule *schedule)
{
	uint64_t first = schedule_first(schedule);

	return first ? first : schedule->counts.highest + 1;
}

const struct schedule_counts *
schedule_counts(const struct schedule *schedule)
{
	return &schedule->counts;
}

uint64_t
schedule_next(struct schedule *schedule, enum schedule_lane lane, int64_t now)
{
	const struct entry *oldest;
	uint32_t at;

	schedule_refresh(schedule, now);
	oldest = entries_left_behind(&schedule->entries, schedule->counts.highest);
	/* Where it cannot be sent, the mark does not move whatever goes. */
	if (oldest && oldest->lane == lane && due_of(schedule, oldest) <= now)
		return oldest->n;
	at = turns_next(schedule->turns, lane);
	return at == TURNS_NONE ? 0 : schedule->entries.at[at].n;
}

int64_t
schedule_due(const struct schedule *schedule)
{
	return schedule->recheck;
}

/* What is known of one that waits has changed. */
static void
place_anew(struct schedule *schedule, const struct entry *entry)
{
	if (entry->state != ENTRY_WAITING || schedule->is_stale)
		return;
	turns_take(schedule->turns, schedule_place_of(schedule, entry));
	schedule_place(schedule, entry);
}

void
schedule_set_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry)
		return;
	entry->lane = (uint8_t)lane;
	place_anew(schedule, entry);
}

enum schedule_lane
schedule_first_lane(const struct entry *entry)
{
	return entry->is_known && entry->size > SCHEDULE_INLINE ? SCHEDULE_LARGE : SCHEDULE_SMALL;
}

int
schedule_learn(struct schedule *schedule, uint64_t n, const struct schedule_facts *facts)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry || entry->is_known)
		return 0;
	entry->is_known = 1;
	entry->priority = (uint8_t)facts->priority;
	entry->inbox = (uint8_t)turns_inbox(schedule->turns, facts->inbox);
	entry->size = facts->size;
	if (!entry->is_fixed)
		entry->lane = (uint8_t)schedule_first_lane(entry);
	place_anew(schedule, entry);
	return 1;
}

int64_t
schedule_due_for(const struct schedule *schedule, unsigned server, int64_t now)
{
	struct later_who who = schedule_who(schedule, server);

	return entries_due(&schedule->entries, &who, now);
}

int
schedule_fix_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry || entry->is_fixed)
		return 0;
	schedule_set_lane(schedule, n, lane);
	entry->is_fixed = 1;
	return 1;
}

int
schedule_is_lane_fixed(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = schedule_find(schedule, n);

	return entry && entry->is_fixed;
}

unsigned
schedule_count_busy(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry)
		return 0;
	if (entry->busy < UINT8_MAX)
		entry->busy++;
	return entry->busy;
}
