/* SPDX-License-Identifier: ISC */
/*
 * The lists of turns.h hold places in the array of entries.h.  They are built anew where those
 * have moved, and when another server's LATERs count: at the next look at them.
 */
#include "inboxq/queue/schedule.h"

#include <stdlib.h>

#include "inboxq/queue/entries.h"
#include "inboxq/queue/turns.h"
#include "lib/spread.h"

_Static_assert(TURNS_INBOXES - 1 <= UINT8_MAX, "an inbox fits an entry");
_Static_assert(SCHEDULE_SERVERS == LATER_ANY, "no server is all of them");

struct schedule {
	struct entries entries;
	struct turns *turns;
	struct spread spread;
	int64_t rest;     /* seconds */
	int64_t now;      /* monotonic seconds, as told last */
	int64_t recheck;  /* when the first of those put aside may be sent */
	uint16_t server;
	int is_stale; /* the lists are to be built anew */
	struct schedule_counts counts;
};

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
	turns_free(schedule->turns);
	free(schedule);
}

void
schedule_set_rest(struct schedule *schedule, int64_t seconds)
{
	schedule->rest = seconds;
}

static uint32_t
place_of(const struct schedule *schedule, const struct entry *entry)
{
	return (uint32_t)(entry - schedule->entries.at);
}

static int64_t
due_of(const struct schedule *schedule, const struct entry *entry)
{
	return later_due(&schedule->entries.pool, &entry->later, schedule->server);
}

/* Into the list where one that waits belongs. */
static void
place(struct schedule *schedule, const struct entry *entry)
{
	uint32_t at = place_of(schedule, entry);
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

/* The lists are as the entries are at `now`. */
static void
refresh(struct schedule *schedule, int64_t now)
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
				place(schedule, &entries->at[i]);
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
			place(schedule, entry);
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
	for (size_t i = 0; i < entries->count; i++)
		schedule->counts.waiting += entries->at[i].state == ENTRY_WAITING;
	schedule->counts.highest = highest;
	return 0;
}

static struct entry *
find(const struct schedule *schedule, uint64_t n)
{
	return entries_find(&schedule->entries, n);
}

int
schedule_add(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		return 0;
	entry = entries_add(&schedule->entries, n, &schedule->is_stale);
	if (!entry)
		return -1;
	if (turns_reserve(schedule->turns, schedule->entries.room) < 0) {
		entries_drop(&schedule->entries, entry);
		return -1;
	}
	if (n > schedule->counts.highest)
		schedule->counts.highest = n;
	schedule->counts.waiting++;
	if (!schedule->is_stale)
		place(schedule, entry);
	return 0;
}

uint64_t
schedule_unknown(struct schedule *schedule)
{
	uint32_t at;

	refresh(schedule, schedule->now);
	at = turns_unknown(schedule->turns);
	return at == TURNS_NONE ? 0 : schedule->entries.at[at].n;
}

int
schedule_holds(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = find(schedule, n);

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

	refresh(schedule, now);
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
	turns_take(schedule->turns, place_of(schedule, entry));
	place(schedule, entry);
}

void
schedule_set_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane)
{
	struct entry *entry = find(schedule, n);

	if (!entry)
		return;
	entry->lane = (uint8_t)lane;
	place_anew(schedule, entry);
}

static enum schedule_lane
first_lane(const struct entry *entry)
{
	return entry->is_known && entry->size > SCHEDULE_INLINE ? SCHEDULE_LARGE : SCHEDULE_SMALL;
}

int
schedule_learn(struct schedule *schedule, uint64_t n, const struct schedule_facts *facts)
{
	struct entry *entry = find(schedule, n);

	if (!entry || entry->is_known)
		return 0;
	entry->is_known = 1;
	entry->priority = (uint8_t)facts->priority;
	entry->inbox = (uint8_t)turns_inbox(schedule->turns, facts->inbox);
	entry->size = facts->size;
	if (!entry->is_fixed)
		entry->lane = (uint8_t)first_lane(entry);
	place_anew(schedule, entry);
	return 1;
}

/* As an entry's waits have it: never LATER_ANY. */
static uint16_t
short_of(unsigned server)
{
	return (uint16_t)(server % SCHEDULE_SERVERS);
}

void
schedule_begin(struct schedule *schedule, unsigned server)
{
	schedule->is_stale |= schedule->server != short_of(server);
	schedule->server = short_of(server);
}

int64_t
schedule_due_for(const struct schedule *schedule, unsigned server, int64_t now)
{
	return entries_due(&schedule->entries, short_of(server), now);
}

int
schedule_fix_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane)
{
	struct entry *entry = find(schedule, n);

	if (!entry || entry->is_fixed)
		return 0;
	schedule_set_lane(schedule, n, lane);
	entry->is_fixed = 1;
	return 1;
}

int
schedule_is_lane_fixed(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = find(schedule, n);

	return entry && entry->is_fixed;
}

unsigned
schedule_count_busy(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (!entry)
		return 0;
	if (entry->busy < UINT8_MAX)
		entry->busy++;
	return entry->busy;
}

/* An entry stops being what it is; who calls says what it becomes. */
static void
leave_state(struct schedule *schedule, const struct entry *entry)
{
	if (entry->state == ENTRY_WAITING) {
		schedule->counts.waiting--;
		if (!schedule->is_stale)
			turns_take(schedule->turns, place_of(schedule, entry));
	} else if (entry->state == ENTRY_SENT)
		schedule->counts.sent--;
	else if (entry->state == ENTRY_ANSWERED)
		schedule->counts.answered--;
}

/* Was it tried too often in this cycle?  The next one is due then. */
static int64_t
rest_of(struct schedule *schedule, struct entry *entry)
{
	uint64_t rest = (uint64_t)schedule->rest;

	if (entry->tries < SCHEDULE_TRIES || rest == 0)
		return 0;
	entry->tries = 0;
	if (schedule->rest == SCHEDULE_NEVER)
		return SCHEDULE_NEVER;
	return schedule->now + (int64_t)spread_draw(&schedule->spread, rest - rest / 2, rest);
}

/* To be sent again, by `server` or any not before `due`. */
static void
set_waiting(struct schedule *schedule, struct entry *entry, uint16_t server, int64_t due)
{
	int64_t rest = entry->state == ENTRY_SENT ? rest_of(schedule, entry) : 0;

	leave_state(schedule, entry);
	if (entry->is_absent) {
		entries_drop(&schedule->entries, entry);
		return;
	}
	entry->state = ENTRY_WAITING;
	schedule->counts.waiting++;
	if (due > schedule->now)
		later_set(&schedule->entries.pool, &entry->later, server, due, schedule->now);
	if (rest)
		later_set(&schedule->entries.pool, &entry->later, LATER_ANY, rest, schedule->now);
	if (!schedule->is_stale)
		place(schedule, entry);
}

void
schedule_mark_sent(struct schedule *schedule, uint64_t n, uint64_t size)
{
	struct entry *entry = find(schedule, n);

	if (!entry || entry->state != ENTRY_WAITING)
		return;
	refresh(schedule, schedule->now);
	turns_serve(schedule->turns, place_of(schedule, entry));
	leave_state(schedule, entry);
	entry->state = ENTRY_SENT;
	entry->size = size;
	if (entry->tries < UINT8_MAX)
		entry->tries++;
	schedule->counts.sent++;
}

int
schedule_is_sent(const struct schedule *schedule, uint64_t n, uint64_t *size)
{
	const struct entry *entry = find(schedule, n);

	if (!entry || entry->state != ENTRY_SENT)
		return 0;
	*size = entry->size;
	return 1;
}

void
schedule_untry(struct schedule *schedule)
{
	entries_untry(&schedule->entries);
}

uint64_t
schedule_next_sent(const struct schedule *schedule, uint64_t n)
{
	return schedule->counts.sent ? entries_next_sent(&schedule->entries, n) : 0;
}

int
schedule_is_unanswered(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = find(schedule, n);

	return entry && (entry->state == ENTRY_WAITING || entry->state == ENTRY_SENT);
}

void
schedule_mark_answered(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (!entry)
		return;
	leave_state(schedule, entry);
	entry->state = ENTRY_ANSWERED;
	schedule->counts.answered++;
}

void
schedule_put_off(struct schedule *schedule, uint64_t n, int64_t due)
{
	struct entry *entry = find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		set_waiting(schedule, entry, schedule->server, due);
}

void
schedule_hold(struct schedule *schedule, uint64_t n, int64_t due)
{
	struct entry *entry = find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		set_waiting(schedule, entry, LATER_ANY, due);
}

unsigned
schedule_tries(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = find(schedule, n);

	return entry ? entry->tries : 0;
}

void
schedule_forget(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (!entry || entry->state == ENTRY_GONE)
		return;
	leave_state(schedule, entry);
	entries_drop(&schedule->entries, entry);
}

void
schedule_remove(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (entry && entry->state == ENTRY_WAITING)
		schedule_forget(schedule, n);
	else if (entry)
		entry->is_absent = 1;
}

void
schedule_take_back(struct schedule *schedule)
{
	schedule->is_stale = 1;
	for (size_t i = schedule->entries.low; i < schedule->entries.count; i++) {
		struct entry *entry = &schedule->entries.at[i];

		if (entry->state == ENTRY_GONE)
			continue;
		if (entry->state == ENTRY_SENT)
			set_waiting(schedule, entry, LATER_ANY, 0);
		later_clear_due(&schedule->entries.pool, &entry->later, SCHEDULE_NEVER);
		entry->lane = (uint8_t)first_lane(entry);
		entry->is_fixed = 0;
		entry->busy = 0;
	}
}
