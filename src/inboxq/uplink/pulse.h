/* SPDX-License-Identifier: ISC */
/*
 * Does the session move?  What counts is an answer that was due, as a whole line, and bytes of
 * items that the server takes: on a slow link one may be on its way for longer than any answer
 * may.  Bytes that make no line count for nothing, else a server that sends one now and then could
 * keep us for ever.  Nor does what we say beside items: PING or STATE would be taken, and PONG
 * come, from a server that deals with no item any more.  And for ten minutes at most it may say
 * that it still works, or its system take what it does not answer.
 */
#ifndef INBOXQ_UPLINK_PULSE_H
#define INBOXQ_UPLINK_PULSE_H

#include <stddef.h>
#include <stdint.h>

struct conn;

struct pulse {
	int64_t beat;  /* when something moved last, either way: monotonic seconds */
	int64_t due;   /* since when a word is due, and nothing has moved that counts */
	int64_t owed;  /* since when it has had an item whole, and has answered none */
	int64_t taken; /* what the server has taken of ours, bytes */
	uint64_t wait; /* what it asked for by WAIT, seconds */
	int64_t waits; /* since when it says nothing but WAIT; 0: it does not */
	uint64_t idle; /* READY's, seconds; 0: unknown */
	int ping_due;  /* a PONG is awaited */
};

/* Another connection. */
void pulse_begin(struct pulse *pulse, int64_t now);
/* Nothing is due, in each such second; or at least no answer for an item. */
void pulse_rest(struct pulse *pulse, int64_t now);
void pulse_owed_none(struct pulse *pulse, int64_t now);
/* So many seconds were slept through. */
void pulse_sleep(struct pulse *pulse, int64_t now, int64_t seconds);
/* So many bytes that are no item's are on their way. */
void pulse_aside(struct pulse *pulse, size_t bytes);

/* An answer came that was due. */
void pulse_answer(struct pulse *pulse, int64_t now);
/* WAIT came: it counts for 10 minutes behind the last answer. */
void pulse_wait(struct pulse *pulse, int64_t now, uint64_t seconds);
/* PONG came. */
void pulse_pong(struct pulse *pulse, int64_t now);

/* Has the server taken bytes since the last look? */
void pulse_look(struct pulse *pulse, const struct conn *conn, int64_t now);

/* Has nothing moved for `limit` seconds, or what the server asked for, if that is longer, while
 * something was due? */
int pulse_is_late(const struct pulse *pulse, int64_t now, uint64_t limit);

/* Is a PING to be said, to keep an idle connection?  At half of what the server lets pass.
 * Who is told so says it: ping_due is set. */
int pulse_wants_ping(struct pulse *pulse, int64_t now);

#endif
