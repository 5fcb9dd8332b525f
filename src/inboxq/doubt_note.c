/* SPDX-License-Identifier: ISC */
/* Between two programs time goes by the date: one that was set wrong makes others wait for
 * `patience` at the most, or not at all. */
#include "inboxq/doubt_note.h"

#include <string.h>
#include <time.h>

#include "inboxq/queue/schedule.h"
#include "lib/clock.h"

#define SLACK 2 /* seconds: so much two clocks differ from look to look */

void
doubt_note_begin(struct doubt_note *note, const struct spool *spool, struct schedule *schedule,
    uint64_t patience, int once)
{
	uint64_t now = (uint64_t)time(NULL), left = patience;
	struct schedule_note recalled;

	*note = (struct doubt_note){.spool = spool, .schedule = schedule, .once = once};
	/* Where it cannot be read, nobody waits. */
	if (held_read(spool, &note->told) < 0 || note->told.low == 0)
		return;
	if (note->told.until)
		left = note->told.until > now ? note->told.until - now : 0;
	if (left > patience)
		left = patience;
	if (left == 0)
		return;
	recalled = (struct schedule_note){note->told.low, note->told.high,
	    once ? SCHEDULE_HELD : clock_seconds() + (int64_t)left, note->told.holder};
	schedule_recall(schedule, &recalled);
	note->was_late = 1;
}

static void
look(struct doubt_note *note, struct held *held, uint64_t patience)
{
	int64_t now = clock_seconds();
	uint64_t date = (uint64_t)time(NULL), until;
	struct schedule_note found;

	*held = (struct held){0};
	schedule_note(note->schedule, now, &found);
	if (found.low == 0)
		return;
	held->low = found.low;
	held->high = found.high;
	until = found.until == SCHEDULE_HELD ? date + patience
	                                     : date + (uint64_t)(found.until - now);
	if (found.until)
		held->until = until;
	held_set_holder(held, found.holder);
	/* The same end as before. */
	if (held->until && note->was_late && note->told.until &&
	    (note->once || held->until + SLACK - note->told.until <= 2 * SLACK))
		held->until = note->told.until;
}

void
doubt_note_tick(struct doubt_note *note, uint64_t patience)
{
	struct held held;

	look(note, &held, patience);
	if (memcmp(&held, &note->told, sizeof held) == 0)
		return;
	note->was_late = held.until != 0;
	/* A disk that is full holds up nothing, and says so elsewhere. */
	if (held_write(note->spool, &held) == 0)
		note->told = held;
}
