/* SPDX-License-Identifier: ISC */
/*
 * Rejected: the time of the last write to the socket.  The kernel takes megabytes at
 * once, and is then busy with them for longer than an answer may take.
 */
#include "inboxq/uplink/pulse.h"

#include "lib/conn.h"

#define WAIT_MAX 600 /* seconds: a server that works for longer may as well be asked anew */

void
pulse_begin(struct pulse *pulse, int64_t now)
{
	pulse_answer(pulse, now);
	pulse->taken = 0;
}

void
pulse_rest(struct pulse *pulse, int64_t now)
{
	pulse->due = now;
}

void
pulse_owed_none(struct pulse *pulse, int64_t now)
{
	pulse->owed = now;
}

static int64_t
later(int64_t then, int64_t seconds, int64_t now)
{
	return then + seconds < now ? then + seconds : now;
}

void
pulse_sleep(struct pulse *pulse, int64_t now, int64_t seconds)
{
	pulse->beat = later(pulse->beat, seconds, now);
	pulse->due = later(pulse->due, seconds, now);
	pulse->owed = later(pulse->owed, seconds, now);
}

/* Before bytes of items count, so many more are to be taken. */
void
pulse_aside(struct pulse *pulse, size_t bytes)
{
	pulse->taken += (int64_t)bytes;
}

void
pulse_answer(struct pulse *pulse, int64_t now)
{
	pulse->beat = pulse->due = pulse->owed = now;
	pulse->wait = 0;
	pulse->waits = 0;
}

void
pulse_wait(struct pulse *pulse, int64_t now, uint64_t seconds)
{
	uint64_t left;

	if (pulse->waits == 0)
		pulse->waits = now;
	if (now - pulse->waits >= WAIT_MAX)
		return;
	left = (uint64_t)(pulse->waits + WAIT_MAX - now);
	pulse->beat = pulse->due = now;
	pulse->wait = seconds < left ? seconds : left;
}

void
pulse_pong(struct pulse *pulse, int64_t now)
{
	if (pulse->ping_due)
		pulse->beat = now;
	pulse->ping_due = 0;
}

void
pulse_look(struct pulse *pulse, const struct conn *conn, int64_t now)
{
	int64_t taken = conn_taken(conn);

	if (taken <= pulse->taken)
		return;
	pulse->taken = taken;
	pulse->beat = pulse->due = now;
}

int
pulse_is_late(const struct pulse *pulse, int64_t now, uint64_t limit)
{
	return now - pulse->due > (int64_t)(limit < pulse->wait ? pulse->wait : limit) ||
	    now - pulse->owed > WAIT_MAX + (int64_t)limit;
}

int
pulse_wants_ping(struct pulse *pulse, int64_t now)
{
	if (pulse->idle == 0 || pulse->ping_due || now - pulse->beat < (int64_t)(pulse->idle / 2))
		return 0;
	pulse->ping_due = 1;
	return 1;
}
