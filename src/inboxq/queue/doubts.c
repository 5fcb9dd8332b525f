/* SPDX-License-Identifier: ISC */
/*
 * Which items of the schedule a receiver may have stored without our knowing: whose answer was
 * lost.  Sent to another, each would be there twice; so others wait for a while, and only for
 * these.
 *
 * Who that is goes by READY's id: one that comes back at another address is the same, and two
 * behind one address are two.  What was written before READY, and lost before it, goes by the
 * address.
 */
#include <stdlib.h>

#include "inboxq/queue/schedule_parts.h"

uint16_t
schedule_short_of(unsigned server)
{
	return (uint16_t)(server % SCHEDULE_SERVERS);
}

struct later_who
schedule_who(const struct schedule *schedule, unsigned server)
{
	uint16_t at = schedule_short_of(server);

	return at < schedule->seen_count ? schedule->seen[at]
	                                 : (struct later_who){.server = at};
}

/* Another may ask from here on. */
static void
set_who(struct schedule *schedule, const struct later_who *who)
{
	schedule->is_stale |= schedule->who.server != who->server ||
	    schedule->held_until > schedule->now;
	schedule->who = *who;
}

/* Where memory runs out, it is as if we had not met. */
static void
remember(struct schedule *schedule)
{
	size_t at = schedule->who.server, count = at + 1;
	struct later_who *more;

	if (count > schedule->seen_count) {
		more = realloc(schedule->seen, count * sizeof *more);
		if (!more)
			return;
		for (size_t i = schedule->seen_count; i < count; i++)
			more[i] = (struct later_who){.server = (uint16_t)i};
		schedule->seen = more;
		schedule->seen_count = count;
	}
	schedule->seen[at] = schedule->who;
}

void
schedule_set_patience(struct schedule *schedule, int64_t seconds)
{
	struct entries *entries = &schedule->entries;
	int64_t less = schedule->patience - seconds;

	schedule->patience = seconds;
	if (less <= 0 || schedule->held_until == 0)
		return;
	schedule->held_until -= less;
	schedule->is_stale = 1;
	for (size_t i = entries->low; i < entries->count; i++)
		later_hold_less(&entries->pool, &entries->at[i].later, less);
}

void
schedule_begin(struct schedule *schedule, unsigned server)
{
	set_who(schedule, &(struct later_who){.server = schedule_short_of(server)});
}

void
schedule_dialled(struct schedule *schedule, const char *name)
{
	set_who(schedule, &(struct later_who){.server = schedule->who.server,
	                      .name = holders_number(&schedule->holders, name)});
}

void
schedule_met(struct schedule *schedule, const char *server)
{
	struct later_who who = schedule->who;

	who.root = holders_number(&schedule->holders, server);
	set_who(schedule, &who);
	remember(schedule);
}

static uint16_t
own_number(const struct schedule *schedule)
{
	return schedule->who.root ? schedule->who.root : schedule->who.name;
}

static void
hold(struct schedule *schedule, struct entry *entry, uint16_t holder, int64_t due, int64_t now)
{
	later_hold(&schedule->entries.pool, &entry->later, holder, due, now);
	if (schedule->held_until < due)
		schedule->held_until = due;
}

int64_t
schedule_doubt(struct schedule *schedule, uint64_t n, int64_t now)
{
	struct entry *entry = schedule_find(schedule, n);
	uint16_t holder = own_number(schedule);
	const struct later *held;

	if (!entry || !entries_is_open(entry) || holder == HOLDERS_NONE || schedule->patience == 0)
		return 0;
	hold(schedule, entry, holder,
	    schedule->patience == SCHEDULE_HELD ? SCHEDULE_HELD : now + schedule->patience, now);
	held = later_held(&schedule->entries.pool, &entry->later);
	return held && held->due > now ? held->due : 0;
}

static int64_t
due_for(const struct schedule *schedule, const struct entry *entry, const struct later_who *who)
{
	return later_due(&schedule->entries.pool, &entry->later, who);
}

uint64_t
schedule_count_held(const struct schedule *schedule, int64_t now, int64_t *until)
{
	const struct entries *entries = &schedule->entries;
	uint64_t count = 0;

	*until = 0;
	for (size_t i = entries->low; i < entries->count && now < schedule->held_until; i++) {
		const struct entry *entry = &entries->at[i];
		const struct later *held = later_held(&entries->pool, &entry->later);

		if (entry->state != ENTRY_WAITING || !held || held->due <= now ||
		    held->server == schedule->who.root || held->server == schedule->who.name)
			continue;
		count++;
		if (held->due > *until)
			*until = held->due;
	}
	return count;
}

int
schedule_waits_for(const struct schedule *schedule, unsigned server, int64_t now)
{
	const struct entries *entries = &schedule->entries;
	struct later_who who = schedule_who(schedule, server);

	for (size_t i = entries->low; i < entries->count && now < schedule->held_until; i++) {
		const struct entry *entry = &entries->at[i];

		if (entry->state == ENTRY_WAITING && entries_is_held(entries, entry, now) &&
		    due_for(schedule, entry, &who) <= now &&
		    due_for(schedule, entry, &schedule->who) > now)
			return 1;
	}
	return 0;
}

/* Is it to be noted for `holder` (HOLDERS_NONE: for any)?  Until when; 0: not, 1: it is only sent
 * yet. */
static int64_t
is_doubtful(const struct schedule *schedule, const struct entry *entry, int64_t now,
    uint16_t *holder)
{
	const struct later *held = later_held(&schedule->entries.pool, &entry->later);
	int64_t due = 0;
	uint16_t who = HOLDERS_NONE;

	if (!entries_is_open(entry))
		return 0;
	if (held && held->due > now) {
		due = held->due;
		who = held->server;
	} else if (entry->state == ENTRY_SENT) {
		due = 1;
		who = own_number(schedule);
	}
	if (who == HOLDERS_NONE || (*holder != HOLDERS_NONE && who != *holder))
		return 0;
	*holder = who;
	return due;
}

/* One holder's: that of the oldest such item. */
void
schedule_note(const struct schedule *schedule, int64_t now, struct schedule_note *note)
{
	const struct entries *entries = &schedule->entries;
	uint16_t holder = HOLDERS_NONE;
	size_t i = entries->low;

	*note = (struct schedule_note){0};
	if (schedule->patience == 0 || (schedule->counts.sent == 0 && now >= schedule->held_until))
		i = entries->count;
	for (; i < entries->count; i++) {
		int64_t due = is_doubtful(schedule, &entries->at[i], now, &holder);

		if (due == 0)
			continue;
		if (note->low == 0)
			note->low = entries->at[i].n;
		note->high = entries->at[i].n;
		if (due > 1 && due > note->until)
			note->until = due;
	}
	if (holder != HOLDERS_NONE)
		note->holder = holders_name(&schedule->holders, holder);
}

void
schedule_recall(struct schedule *schedule, const struct schedule_note *note)
{
	schedule->noted = *note;
	schedule->noted.holder = NULL;
	schedule->noted_holder = holders_number(&schedule->holders, note->holder);
}

void
schedule_doubt_noted(struct schedule *schedule, struct entry *entry)
{
	const struct schedule_note *noted = &schedule->noted;

	if (schedule->noted_holder == HOLDERS_NONE || entry->n < noted->low ||
	    entry->n > noted->high || entry->state != ENTRY_WAITING ||
	    noted->until <= schedule->now)
		return;
	hold(schedule, entry, schedule->noted_holder, noted->until, schedule->now);
}
