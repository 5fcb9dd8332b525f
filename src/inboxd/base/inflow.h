/* SPDX-License-Identifier: ISC */
/*
 * What flows into an inbox, whatever configuration is in force: what was stored in it since the
 * start, how much is likely to wait there, and whether it takes items.  One for each name, which
 * the sites that have the inbox share, so that a reload forgets nothing.
 *
 * What waits is counted by the survey, and at 30,000 items a second a count of a minute ago is
 * nothing: so it is that count and all that was accepted since, and what was under way when it
 * began.  What consumers have taken meanwhile only the next count knows: what is told here may be
 * too much, and never too little by more than what others than the receiver put there.
 *
 * Atomic numbers, each with one thread that writes it: commit (taken, stored), the publisher
 * (published), the survey (beside), main (paused), any worker (used).  `over` is set by the commit
 * thread and taken back by the survey.  What is written with each item has a line of the
 * processor's cache for each writer, away from what workers read with each item.
 */
#ifndef INBOXD_BASE_INFLOW_H
#define INBOXD_BASE_INFLOW_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

/* What may wait in an inbox; 0: no bound. */
struct inflow_bounds {
	uint64_t items, bytes;
};

struct inflow_sum {
	_Atomic uint64_t items, bytes;
};

#define PAUSE_REASON_ROOM 256
#define PAUSE_SINCE_UNKNOWN 1

/* Somebody has an inbox take nothing (pauses.h). */
struct pause {
	int64_t since; /* seconds since 1970 UTC; or PAUSE_SINCE_UNKNOWN; 0: there is none */
	uint64_t uid;  /* who */
	char reason[PAUSE_REASON_ROOM]; /* without control bytes */
};

#define INFLOW_LINE 64 /* bytes: where lines are longer, it is slower, and right */

struct inflow {
	_Atomic unsigned references;
	_Atomic uint64_t used; /* when clients last sent it items: monotonic seconds; 0: never */
	/* What waits, less `taken`: by the last count. */
	_Atomic int64_t beside_items, beside_bytes;
	_Atomic int over;        /* its bounds are reached */
	_Atomic unsigned paused; /* INFLOW_PAUSED and INFLOW_PAUSED_ALL */
	alignas(INFLOW_LINE) struct inflow_sum taken; /* accepted, and not given up again */
	struct inflow_sum stored; /* acknowledged */
	_Atomic int64_t last; /* when one was acknowledged last, UTC microseconds; 0: none was */
	alignas(INFLOW_LINE) struct inflow_sum published; /* in new/ */
	struct pause pause; /* main's alone: of this inbox */
};

#define INFLOW_PAUSED 1u     /* the inbox is */
#define INFLOW_PAUSED_ALL 2u /* all are */

/* Does it take nothing, as somebody wants it? */
static inline unsigned
inflow_is_paused(const struct inflow *inflow)
{
	return atomic_load_explicit(&inflow->paused, memory_order_acquire);
}

/* One reference.  Ends the program when memory runs out. */
struct inflow *inflow_new(void);
void inflow_ref(struct inflow *inflow);
/* NULL is fine. */
void inflow_unref(struct inflow *inflow);

/* An item of `size` bytes was accepted, or that was taken back; it is acknowledged, at `now`; it is
 * in new/, or will never be. */
void inflow_take(struct inflow *inflow, uint64_t size);
void inflow_untake(struct inflow *inflow, uint64_t size);
void inflow_store(struct inflow *inflow, uint64_t size, int64_t now);
void inflow_publish(struct inflow *inflow, uint64_t size);

/* May an item of `size` bytes be accepted?  One that nothing waits beside may, whatever its size;
 * one that is too large for what is left says nothing of the others.  Else none is, until a count
 * shows less than nineteen parts in twenty.  `name`: the inbox's, for the log. */
int inflow_has_room(struct inflow *inflow, const struct inflow_bounds *most, uint64_t size,
    const char *name);
int inflow_is_over(const struct inflow *inflow);
/* Is it over, or half way there?  Then it is worth a new count. */
int inflow_wants_count(const struct inflow *inflow, const struct inflow_bounds *most);

/* What is in new/ before a count begins, for ... */
struct inflow_mark {
	uint64_t items, bytes;
};
struct inflow_mark inflow_mark(const struct inflow *inflow);
/* ... its end: so much lies there. */
void inflow_counted(struct inflow *inflow, const struct inflow_bounds *most,
    const struct inflow_mark *before, uint64_t items, uint64_t bytes, const char *name);

#endif
