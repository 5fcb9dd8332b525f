/* SPDX-License-Identifier: ISC */
/*
 * The items of the queue as schedule.h keeps them: an array that ascends by number.  One is
 * found by bisection.  It grows at its end, since a new number is above all others; those that
 * went leave a gap, until it is full and is made dense again.
 */
#ifndef INBOXQ_QUEUE_ENTRIES_H
#define INBOXQ_QUEUE_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/queue/later.h"
#include "lib/attr.h"

enum entry_state { ENTRY_WAITING, ENTRY_SENT, ENTRY_ANSWERED, ENTRY_GONE };

struct entry {
	uint64_t n;
	uint64_t size;      /* bytes, once it is known or sent */
	struct later later; /* WAITING: until when */
	uint8_t state;      /* enum entry_state */
	uint8_t lane;       /* enum schedule_lane */
	uint8_t priority;   /* enum schedule_priority */
	uint8_t inbox;      /* turns_inbox() */
	uint8_t busy, tries;
	unsigned is_known : 1; /* its header has been read */
	unsigned is_fixed : 1; /* the lane is */
	unsigned is_absent : 1; /* SENT, ANSWERED: its file is gone */
};

/* Zeroed at first. */
struct entries {
	struct entry *at;
	size_t count, room;
	size_t low;  /* nothing below it is in the queue */
	size_t gone; /* from there on */
	struct later_pool pool; /* of the entries' waits */
};

void entries_free(struct entries *entries);

/* As schedule_next_sent() and schedule_untry(). */
uint64_t entries_next_sent(const struct entries *entries, uint64_t n);
void entries_untry(struct entries *entries);
/* NULL: not there; but one that went may be. */
struct entry *entries_find(const struct entries *entries, uint64_t n);

/*
 * One that is not in the queue, waiting and unknown; all the others may stand elsewhere from
 * here on, and *moved is set if any does.  NULL: out of memory.
 */
MUST_CHECK struct entry *entries_add(struct entries *entries, uint64_t n, int *moved);
/* An item goes. */
void entries_drop(struct entries *entries, struct entry *entry);

/* The oldest one that waits, where RANK_AHEAD numbers above the mark have gone, `highest`
 * being the number given last; NULL. */
const struct entry *entries_left_behind(const struct entries *entries, uint64_t highest);

/* As schedule_due_for(). */
int64_t entries_due(const struct entries *entries, const struct later_who *who, int64_t now);
/* Does it wait for an answer, or to be sent? */
int entries_is_open(const struct entry *entry);
/* Have all but its holder to wait for it? */
int entries_is_held(const struct entries *entries, const struct entry *entry, int64_t now);

/* Takes over what stands on disk, as schedule_merge().  0, or -1: out of memory. */
MUST_CHECK int entries_merge(struct entries *entries, const uint64_t *found, size_t found_count);

#endif
