/* SPDX-License-Identifier: ISC */
/*
 * Is the server still there?  Every byte that comes from it counts, and every
 * byte of ours that it takes: on a slow link an item may be on its way for
 * longer than any answer may.
 */
#ifndef INBOXQ_UPLINK_PULSE_H
#define INBOXQ_UPLINK_PULSE_H

#include <stddef.h>
#include <stdint.h>

struct conn;

struct pulse {
	int64_t beat;  /* when a byte went last, either way: monotonic seconds */
	size_t unsent; /* what the server had yet to take at the last look, bytes */
	uint64_t wait; /* what it asked for by WAIT, seconds */
	uint64_t idle; /* READY's, seconds; 0: unknown */
	int ping_due;  /* a PONG is awaited */
};

/* Once before, and once behind what a tick writes: has the server taken bytes between two
 * ticks? */
void pulse_look(struct pulse *pulse, const struct conn *conn, int64_t now);
void pulse_note(struct pulse *pulse, const struct conn *conn);

/* Has nothing moved for `limit` seconds, or what the server asked for, if that is longer? */
int pulse_is_late(const struct pulse *pulse, int64_t now, uint64_t limit);

/* Is a PING to be said, to keep an idle connection?  At half of what the server lets pass.
 * Who is told so says it: ping_due is set. */
int pulse_wants_ping(struct pulse *pulse, int64_t now);

#endif
