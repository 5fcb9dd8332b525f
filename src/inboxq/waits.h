/* SPDX-License-Identifier: ISC */
/*
 * The waits between sessions: what the begin of all, and the end of each session, mean for when
 * which server may be tried (servers.h), and the rest of who has nothing to send.
 */
#ifndef INBOXQ_WAITS_H
#define INBOXQ_WAITS_H

#include <stddef.h>
#include <stdint.h>

struct servers;

/* Moments are microseconds of clock_monotonic(). */
struct waits {
	struct servers *servers; /* its owner's */
	uint64_t phase;  /* our own among all clients (phase.h) */
	uint64_t report; /* how often who rests shows up, microseconds */
	int64_t rest;    /* until then we stay away, unless there is an item; 0: we do not */
	int64_t due;     /* when the wait is over */
	unsigned superseded; /* how many sessions in a row ended so */
	int64_t told;        /* when the log said what that may mean */
};

/* How a session has ended. */
enum waits_end {
	WAITS_ASKED,     /* we wished it, and the server is as good as before */
	WAITS_UNUSED,    /* it has no use for what waits */
	WAITS_LOST,      /* not reached, or broken off */
	WAITS_AWAY,      /* it asked to be left alone */
	WAITS_SUPERSEDED, /* likewise, since another connection speaks for our queue */
	WAITS_IDLE,      /* likewise, since there was nothing to send */
	WAITS_OVERSLEPT, /* it may be fine: we were not there */
	WAITS_OURS,      /* our own trouble, which passes */
};

/* Nothing has been tried yet. */
void waits_begin(struct waits *waits);
/* `which` is the server; `seconds` its own word; `was_open`: the session had begun, so whoever lost
 * it may be one of many, who would all come to the next server in this moment. */
void waits_end(struct waits *waits, size_t which, enum waits_end end, uint64_t seconds,
    int was_open);
/* When the next session may begin is then in `due`; has it come? */
int waits_is_over(struct waits *waits, int has_work);

#endif
