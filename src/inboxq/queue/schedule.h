/* SPDX-License-Identifier: ISC */
/*
 * What goes next, and when: the runner's view of the queue, a sorted array of
 * numbers with a small state each (24 bytes an item).  What the items are stands in
 * their files only; scan.h looks at those, ends.h lets them go.
 *
 * Items go in two lanes, so that small ones pass large ones that wait for their
 * turn.  Each is taken for a small one until its header has been read.
 */
#ifndef INBOXQ_QUEUE_SCHEDULE_H
#define INBOXQ_QUEUE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct schedule;

#define SCHEDULE_NEVER INT64_MAX

enum schedule_lane {
	SCHEDULE_SMALL, /* sent whole, by PUT */
	SCHEDULE_LARGE, /* by OPEN and DATA */
	SCHEDULE_LANES
};

struct schedule_counts {
	/* Now: not sent or put off; sent and not answered; answered, but still there. */
	uint64_t waiting, sent, answered;
};

/* NULL: out of memory. */
MUST_CHECK struct schedule *schedule_new(void);
void schedule_free(struct schedule *schedule);

/* Takes over what stands on disk, in ascending order, and the highest number ever given:
 * numbers known keep their state, new ones wait, and those gone from disk go, unless they
 * are sent or answered.  0, or -1: out of memory. */
MUST_CHECK int schedule_merge(struct schedule *schedule, const uint64_t *found, size_t found_count,
    uint64_t highest);

/* The lowest number still in the queue, or the highest ever given + 1. */
uint64_t schedule_settled(const struct schedule *schedule);
/* The highest number ever given, as far as is known; 0: none. */
uint64_t schedule_highest(const struct schedule *schedule);
/* Is item `n` in the queue still, whatever was answered? */
int schedule_holds(const struct schedule *schedule, uint64_t n);
/* The lowest number in the queue, 0 if it is empty. */
uint64_t schedule_first(const struct schedule *schedule);
const struct schedule_counts *schedule_counts(const struct schedule *schedule);

/* The lane's next number to send at `now` (monotonic seconds), 0 if there is none. */
uint64_t schedule_next(struct schedule *schedule, enum schedule_lane lane, int64_t now);
/* When the first of those put off comes due; SCHEDULE_NEVER if none does.  Right after
 * schedule_next() has said 0 for both lanes. */
int64_t schedule_due(const struct schedule *schedule);
/* Moves an item that waits to where its size belongs. */
void schedule_set_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane);
/* The server wants the item by the other verb, whatever its size: the lane is fixed
 * until the session's end.  0: it was fixed before. */
int schedule_fix_lane(struct schedule *schedule, uint64_t n, enum schedule_lane lane);
int schedule_is_lane_fixed(const struct schedule *schedule, uint64_t n);
/* The server was busy with the item: how often in this session, with this time. */
unsigned schedule_count_busy(struct schedule *schedule, uint64_t n);
void schedule_mark_sent(struct schedule *schedule, uint64_t n, uint64_t size);
/* The size given to schedule_mark_sent(), in *size; 0 if it is not sent. */
int schedule_is_sent(const struct schedule *schedule, uint64_t n, uint64_t *size);
/* Does item `n` wait for an answer, or to be sent? */
int schedule_is_unanswered(const struct schedule *schedule, uint64_t n);
/* What became of it is known, and yet to be made durable. */
void schedule_mark_answered(struct schedule *schedule, uint64_t n);
/* To be sent, for the first time or again, not before `due`. */
void schedule_put_off(struct schedule *schedule, uint64_t n, int64_t due);
/* The file is no longer in queue/. */
void schedule_forget(struct schedule *schedule, uint64_t n);
/* The session is over: what was sent and not answered is to be sent again,
 * what was put off for ever may be tried again, and the lanes are for the next
 * server to say. */
void schedule_take_back(struct schedule *schedule);

#endif
