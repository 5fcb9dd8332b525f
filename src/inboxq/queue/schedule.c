/* SPDX-License-Identifier: ISC */
/*
 * The array is rebuilt by schedule_merge() and otherwise only marked, so a number
 * is found by bisection and a lane's next one to send by a cursor.
 */
#include "inboxq/queue/schedule.h"

#include <stdlib.h>

enum entry_state { ENTRY_WAITING, ENTRY_SENT, ENTRY_ANSWERED, ENTRY_GONE };

struct entry {
	uint64_t n;
	union {
		int64_t due;   /* WAITING: monotonic seconds; 0: at once */
		uint64_t size; /* SENT: bytes */
	};
	uint8_t state; /* enum entry_state */
	uint8_t lane;  /* enum schedule_lane */
	uint8_t is_fixed, busy;
};

struct lane {
	size_t cursor; /* nothing below it can be sent before `recheck` */
	int64_t recheck;
};

struct schedule {
	struct entry *entries;
	size_t count;
	size_t low; /* nothing below it is in the queue */
	struct lane lanes[SCHEDULE_LANES];
	uint64_t highest; /* number ever seen */
	struct schedule_counts counts;
};

/* Each lane is looked through from the begin now, and again at `recheck`. */
static void
reset_lanes(struct schedule *schedule, int64_t recheck)
{
	for (size_t i = 0; i < SCHEDULE_LANES; i++) {
		schedule->lanes[i].cursor = 0;
		schedule->lanes[i].recheck = recheck;
	}
}

struct schedule *
schedule_new(void)
{
	struct schedule *schedule = calloc(1, sizeof *schedule);

	if (schedule)
		reset_lanes(schedule, SCHEDULE_NEVER);
	return schedule;
}

void
schedule_free(struct schedule *schedule)
{
	if (!schedule)
		return;
	free(schedule->entries);
	free(schedule);
}

/* Both lists ascend, so it is one pass. */
int
schedule_merge(struct schedule *schedule, const uint64_t *found, size_t found_count,
    uint64_t highest)
{
	size_t room = schedule->count + found_count;
	struct entry *merged = calloc(room ? room : 1, sizeof *merged);
	const struct entry *old = schedule->entries, *end = old;
	size_t count = 0;

	if (!merged)
		return -1;
	if (schedule->count) /* else `old` is NULL, to which C adds nothing, not even 0 */
		end += schedule->count;
	schedule->counts.waiting = 0;
	for (size_t i = 0; i <= found_count; i++) {
		uint64_t n = i < found_count ? found[i] : UINT64_MAX;

		for (; old < end && old->n < n; old++)
			if (old->state == ENTRY_SENT || old->state == ENTRY_ANSWERED)
				merged[count++] = *old;
		if (i == found_count)
			break;
		if (old < end && old->n == n) {
			merged[count] = *old++;
			if (merged[count].state == ENTRY_GONE) {
				merged[count].state = ENTRY_WAITING;
				merged[count].due = 0;
			}
		} else {
			merged[count].n = n;
		}
		schedule->counts.waiting += merged[count].state == ENTRY_WAITING;
		count++;
	}
	free(schedule->entries);
	schedule->entries = merged;
	schedule->count = count;
	schedule->low = 0;
	schedule->highest = highest;
	reset_lanes(schedule, SCHEDULE_NEVER);
	return 0;
}

static struct entry *
find(const struct schedule *schedule, uint64_t n)
{
	size_t low = 0, high = schedule->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (schedule->entries[middle].n == n)
			return &schedule->entries[middle];
		if (schedule->entries[middle].n < n)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void
skip_gone(struct schedule *schedule)
{
	while (schedule->low < schedule->count &&
	    schedule->entries[schedule->low].state == ENTRY_GONE)
		schedule->low++;
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
	return schedule->low < schedule->count ? schedule->entries[schedule->low].n : 0;
}

uint64_t
schedule_settled(const struct schedule *schedule)
{
	return schedule->low < schedule->count ? schedule->entries[schedule->low].n
	                                       : schedule->highest + 1;
}

uint64_t
schedule_highest(const struct schedule *schedule)
{
	return schedule->highest;
}

const struct schedule_counts *
schedule_counts(const struct schedule *schedule)
{
	return &schedule->counts;
}

uint64_t
schedule_next(struct schedule *schedule, enum schedule_lane which, int64_t now)
{
	struct lane *lane = &schedule->lanes[which];

	if (now >= lane->recheck) {
		lane->cursor = schedule->low;
		lane->recheck = SCHEDULE_NEVER;
	}
	for (; lane->cursor < schedule->count; lane->cursor++) {
		const struct entry *entry = &schedule->entries[lane->cursor];

		if (entry->state != ENTRY_WAITING || entry->lane != which)
			continue;
		if (entry->due <= now)
			return entry->n;
		if (entry->due < lane->recheck)
			lane->recheck = entry->due;
	}
	return 0;
}

int64_t
schedule_due(const struct schedule *schedule)
{
	int64_t small = schedule->lanes[SCHEDULE_SMALL].recheck;
	int64_t large = schedule->lanes[SCHEDULE_LARGE].recheck;

	return small < large ? small : large;
}

void
schedule_set_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane)
{
	struct entry *entry = find(schedule, n);
	size_t at;

	if (!entry)
		return;
	at = (size_t)(entry - schedule->entries);
	entry->lane = (uint8_t)lane;
	if (at < schedule->lanes[lane].cursor)
		schedule->lanes[lane].cursor = at;
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

static void
set_waiting(struct schedule *schedule, struct entry *entry, int64_t due)
{
	entry->state = ENTRY_WAITING;
	entry->due = due;
	schedule->counts.waiting++;
	if (due < schedule->lanes[entry->lane].recheck)
		schedule->lanes[entry->lane].recheck = due;
}

/* An entry stops being what it is; who calls says what it becomes. */
static void
leave_state(struct schedule *schedule, const struct entry *entry)
{
	if (entry->state == ENTRY_WAITING)
		schedule->counts.waiting--;
	else if (entry->state == ENTRY_SENT)
		schedule->counts.sent--;
	else if (entry->state == ENTRY_ANSWERED)
		schedule->counts.answered--;
}

void
schedule_mark_sent(struct schedule *schedule, uint64_t n, uint64_t size)
{
	struct entry *entry = find(schedule, n);

	if (!entry || entry->state != ENTRY_WAITING)
		return;
	leave_state(schedule, entry);
	entry->state = ENTRY_SENT;
	entry->size = size;
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

	if (!entry || entry->state == ENTRY_GONE)
		return;
	leave_state(schedule, entry);
	set_waiting(schedule, entry, due);
}

void
schedule_forget(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = find(schedule, n);

	if (!entry)
		return;
	leave_state(schedule, entry);
	entry->state = ENTRY_GONE;
	skip_gone(schedule);
}

void
schedule_take_back(struct schedule *schedule)
{
	for (size_t i = schedule->low; i < schedule->count; i++) {
		struct entry *entry = &schedule->entries[i];

		if (entry->state == ENTRY_SENT ||
		    (entry->state == ENTRY_WAITING && entry->due == SCHEDULE_NEVER)) {
			leave_state(schedule, entry);
			set_waiting(schedule, entry, 0);
		}
		entry->lane = SCHEDULE_SMALL;
		entry->is_fixed = 0;
		entry->busy = 0;
	}
	reset_lanes(schedule, 0);
}
