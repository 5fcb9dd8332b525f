/* SPDX-License-Identifier: ISC */
/*
 * What goes next, and when: the runner's view of the queue, a sorted array of
 * numbers with a small state each.  What the items are stands in their files only; scan.h
 * looks at those, ends.h lets them go.  52 bytes an item, and up to as much again while
 * the array grows.
 *
 * Items go in two lanes, so that small ones pass large ones that wait for their
 * turn; in which order in a lane is turns.h's to say.  Of an item whose header has not been
 * read, nothing is known: it is taken for a small one, and its turn is behind all others.
 *
 * Once RANK_AHEAD numbers above it have gone, the oldest goes first whatever it is: a receiver
 * remembers what lies above the mark.
 *
 * A server's LATER is that server's alone (later.h).  An item that was tried SCHEDULE_TRIES
 * times, whoever the servers were, rests until the next copy cycle.
 */
#ifndef INBOXQ_QUEUE_SCHEDULE_H
#define INBOXQ_QUEUE_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/queue/rank.h"
#include "lib/attr.h"

struct schedule;

#define SCHEDULE_NEVER INT64_MAX
#define SCHEDULE_HELD (INT64_MAX - 1) /* not as long as this program runs */
#define SCHEDULE_TRIES 10 /* an item and copy cycle */
#define SCHEDULE_INLINE (1024 * 1024) /* bytes: larger ones are taken for large, at first */
#define SCHEDULE_SERVERS UINT16_MAX /* that are told apart */

/* What an item's header says. */
struct schedule_facts {
	enum schedule_priority priority;
	const char *inbox;
	uint64_t size; /* bytes */
};

/* Items that a receiver may have stored, told shortly: what is kept over the program's end. */
struct schedule_note {
	uint64_t low, high;  /* they are of these numbers; 0: there are none */
	int64_t until;       /* others wait until then, monotonic seconds; 0: none is late yet */
	const char *holder;  /* borrowed, as long as the schedule */
};

struct schedule_counts {
	/* Now: not sent or put off; sent and not answered; answered, but still there. */
	uint64_t waiting, sent, answered;
	uint64_t highest; /* the number given last, as far as is known; 0: none was */
};

/* NULL: out of memory. */
MUST_CHECK struct schedule *schedule_new(void);
void schedule_free(struct schedule *schedule);

/* How long an item rests that was tried in vain SCHEDULE_TRIES times: by lot, from half of so
 * many seconds on.  0, as at first: not at all; SCHEDULE_NEVER: until the session's end. */
void schedule_set_rest(struct schedule *schedule, int64_t seconds);

/* Takes over what stands on disk, in ascending order, and the highest number ever given:
 * numbers known keep their state, new ones wait, and those gone from disk go, unless they
 * are sent or answered.  0, or -1: out of memory. */
MUST_CHECK int schedule_merge(struct schedule *schedule, const uint64_t *found, size_t found_count,
    uint64_t highest);
/* One that has come; it is fine if it is known.  0, or -1: out of memory. */
MUST_CHECK int schedule_add(struct schedule *schedule, uint64_t n);
/* Its file has gone: as schedule_forget(); where it is sent or answered, once it would wait
 * again. */
void schedule_remove(struct schedule *schedule, uint64_t n);

/* The first of whom nothing is known, 0 if there is none; and what is to be known: 1, or 0 where it
 * was known. */
uint64_t schedule_unknown(struct schedule *schedule);
int schedule_learn(struct schedule *schedule, uint64_t n, const struct schedule_facts *facts);

/* A session with a server begins: its own LATERs count from here on.  `server` is a number that
 * stands for its name; SCHEDULE_SERVERS above it is the same one again. */
void schedule_begin(struct schedule *schedule, unsigned server);
/* When `server` may have the first of those that wait, or that another has under way, but for
 * those that are held: `now` or before it is at once; SCHEDULE_NEVER if there is none.  It looks
 * at many: once a second, not more. */
int64_t schedule_due_for(const struct schedule *schedule, unsigned server, int64_t now);

/*
 * Which items another receiver may have: those that were sent and not answered are held for
 * whoever may have stored them, and any other has them once `patience` is over: so many seconds, 0,
 * as at first: at once, or SCHEDULE_HELD.  Where it is less than before, those that wait by now
 * wait so much less.  As dialled ("HOST:PORT") a server is known by its address; by its id
 * ("host/id") once it has said READY.
 */
void schedule_set_patience(struct schedule *schedule, int64_t seconds);
void schedule_dialled(struct schedule *schedule, const char *name);
void schedule_met(struct schedule *schedule, const char *server);
/* Item `n` is sent, and the session is over without an answer.  Until when it is held, 0: not. */
int64_t schedule_doubt(struct schedule *schedule, uint64_t n, int64_t now);
/* How many items that wait are held for others than whom the session is with, and until when the
 * last of them (SCHEDULE_HELD) is; 0: none. */
uint64_t schedule_count_held(const struct schedule *schedule, int64_t now, int64_t *until);
/* Does `server`, when it was met last, hold an item that waits for it, and not for us?  As
 * schedule_due_for(): not often. */
int schedule_waits_for(const struct schedule *schedule, unsigned server, int64_t now);
/* What there is to note; and what had been, before any item is known. */
void schedule_note(const struct schedule *schedule, int64_t now, struct schedule_note *note);
void schedule_recall(struct schedule *schedule, const struct schedule_note *note);

/* The lowest number still in the queue, or the highest ever given + 1. */
uint64_t schedule_settled(const struct schedule *schedule);
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
/* A try begins. */
void schedule_mark_sent(struct schedule *schedule, uint64_t n, uint64_t size);
/* There was nobody there: what is sent was not tried, and it does not count. */
void schedule_untry(struct schedule *schedule);
/* The lowest number above `n` that is sent; 0: there is none. */
uint64_t schedule_next_sent(const struct schedule *schedule, uint64_t n);
/* The size given to schedule_mark_sent(), in *size; 0 if it is not sent. */
int schedule_is_sent(const struct schedule *schedule, uint64_t n, uint64_t *size);
/* Does item `n` wait for an answer, or to be sent? */
int schedule_is_unanswered(const struct schedule *schedule, uint64_t n);
/* What became of it is known, and yet to be made durable. */
void schedule_mark_answered(struct schedule *schedule, uint64_t n);
/* To be sent again: by the session's server not before `due`; by others at once. */
void schedule_put_off(struct schedule *schedule, uint64_t n, int64_t due);
/* Likewise, whoever the server is. */
void schedule_hold(struct schedule *schedule, uint64_t n, int64_t due);
/* How often it was tried in this copy cycle, the try under way with it. */
unsigned schedule_tries(const struct schedule *schedule, uint64_t n);
/* The file is no longer in queue/. */
void schedule_forget(struct schedule *schedule, uint64_t n);
/* The session is over: what was sent and not answered is to be sent again,
 * what was put off for ever may be tried again, and the lanes are for the next
 * server to say. */
void schedule_take_back(struct schedule *schedule);

#endif
