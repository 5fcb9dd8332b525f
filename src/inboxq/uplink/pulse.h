/* SPDX-License-Identifier: ISC */
/*
 * Does the session move?  What counts is an answer that was due, as a whole line, and bytes of
 * ours that the server takes: on a slow link an item may be on its way for longer than any answer
 * may.  Bytes that make no line count for nothing, else a server that sends one now and then could
 * keep us for ever; and a word that it still works only for so long.
 */
#ifndef INBOXQ_UPLINK_PULSE_H
#define INBOXQ_UPLINK_PULSE_H

#include <stdint.h>

struct conn;

struct pulse {
	int64_t beat;  /* when something moved last, either way: monotonic seconds */
	int64_t taken; /* what the server has taken of ours, bytes */
	uint64_t wait; /* what it asked for by WAIT, seconds */
	int64_t waits; /* since when it says nothing but WAIT; 0: it does not */
	uint64_t idle; /* READY's, seconds; 0: unknown */
	int ping_due;  /* a PONG is awaited */
};

/* An answer came that was due. */
void pulse_answer(struct pulse *pulse, int64_t now);
/* WAIT came: it counts for 10 minutes behind the last answer. */
void pulse_wait(struct pulse *pulse, int64_t now, uint64_t seconds);
/* PONG came. */
void pulse_pong(struct pulse *pulse, int64_t now);

/* Has the server taken bytes since the last look? */
void pulse_look(struct pulse *pulse, const struct conn *conn, int64_t now);

/* Has nothing moved for `limit` seconds, or what the server asked for, if that is longer? */
int pulse_is_late(const struct pulse *pulse, int64_t now, uint64_t limit);

/* Is a PING to be said, to keep an idle connection?  At half of what the server lets pass.
 * Who is told so says it: ping_due is set. */
int pulse_wants_ping(struct pulse *pulse, int64_t now);

#endif
