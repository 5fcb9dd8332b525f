/* SPDX-License-Identifier: ISC */
/*
 * What an item of the schedule is at the moment: it waits, is sent, or is answered.  Which of those
 * that wait is next is schedule.c's to say.
 */
#include "inboxq/queue/schedule_parts.h"

/* An entry stops being what it is; who calls says what it becomes. */
static void
leave_state(struct schedule *schedule, const struct entry *entry)
{
	if (entry->state == ENTRY_WAITING) {
		schedule->counts.waiting--;
		if (!schedule->is_stale)
			turns_take(schedule->turns, schedule_place_of(schedule, entry));
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
		schedule_place(schedule, entry);
}

void
schedule_mark_sent(struct schedule *schedule, uint64_t n, uint64_t size)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry || entry->state != ENTRY_WAITING)
		return;
	schedule_refresh(schedule, schedule->now);
	turns_serve(schedule->turns, schedule_place_of(schedule, entry));
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
	const struct entry *entry = schedule_find(schedule, n);

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
	const struct entry *entry = schedule_find(schedule, n);

	return entry && entries_is_open(entry);
}

void
schedule_mark_answered(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry)
		return;
	leave_state(schedule, entry);
	entry->state = ENTRY_ANSWERED;
	schedule->counts.answered++;
}

void
schedule_put_off(struct schedule *schedule, uint64_t n, int64_t due)
{
	struct entry *entry = schedule_find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		set_waiting(schedule, entry, schedule->who.server, due);
}

void
schedule_hold(struct schedule *schedule, uint64_t n, int64_t due)
{
	struct entry *entry = schedule_find(schedule, n);

	if (entry && entry->state != ENTRY_GONE)
		set_waiting(schedule, entry, LATER_ANY, due);
}

unsigned
schedule_tries(const struct schedule *schedule, uint64_t n)
{
	const struct entry *entry = schedule_find(schedule, n);

	return entry ? entry->tries : 0;
}

void
schedule_forget(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = schedule_find(schedule, n);

	if (!entry || entry->state == ENTRY_GONE)
		return;
	leave_state(schedule, entry);
	entries_drop(&schedule->entries, entry);
}

void
schedule_remove(struct schedule *schedule, uint64_t n)
{
	struct entry *entry = schedule_find(schedule, n);

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
		entry->lane = (uint8_t)schedule_first_lane(entry);
		entry->is_fixed = 0;
		entry->busy = 0;
	}
}
