/* SPDX-License-Identifier: ISC */
/* For the files of the schedule alone: schedule.c, who is next, and states.c, what becomes of an
 * item. */
#ifndef INBOXQ_QUEUE_SCHEDULE_PARTS_H
#define INBOXQ_QUEUE_SCHEDULE_PARTS_H

#include <stdint.h>

#include "inboxq/queue/entries.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/queue/turns.h"
#include "lib/spread.h"

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

/* NULL: there is none; but one that went may be. */
struct entry *schedule_find(const struct schedule *schedule, uint64_t n);
/* Its place in the lists. */
uint32_t schedule_place_of(const struct schedule *schedule, const struct entry *entry);
/* Into the list where one that waits belongs. */
void schedule_place(struct schedule *schedule, const struct entry *entry);
/* The lists are as the entries are at `now`. */
void schedule_refresh(struct schedule *schedule, int64_t now);
/* The lane of one that no server has said a word of. */
enum schedule_lane schedule_first_lane(const struct entry *entry);

#endif
