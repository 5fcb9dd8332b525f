/* SPDX-License-Identifier: ISC */
/* For the files of the schedule alone: schedule.c, who is next, states.c, what becomes of an
 * item, and doubts.c, who may have it already. */
#ifndef INBOXQ_QUEUE_SCHEDULE_PARTS_H
#define INBOXQ_QUEUE_SCHEDULE_PARTS_H

#include <stdint.h>

#include "inboxq/queue/entries.h"
#include "inboxq/queue/holders.h"
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
	struct later_who who; /* whom the session is with */
	struct holders holders;
	struct later_who *seen; /* who each server was when it was met last, by its number */
	size_t seen_count;
	int64_t patience;   /* seconds; SCHEDULE_HELD: as long as the program runs */
	int64_t held_until; /* no hold lasts longer */
	struct schedule_note noted; /* what schedule_recall() told, */
	uint16_t noted_holder;      /* and of whom; HOLDERS_NONE: nothing */
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
/* As a number: never that of all servers. */
uint16_t schedule_short_of(unsigned server);
/* Who that server is, as far as is known. */
struct later_who schedule_who(const struct schedule *schedule, unsigned server);
/* One that has come may be one of those that schedule_recall() told of. */
void schedule_doubt_noted(struct schedule *schedule, struct entry *entry);
/* The lane of one that no server has said a word of. */
enum schedule_lane schedule_first_lane(const struct entry *entry);

#endif
