/* SPDX-License-Identifier: ISC */
/*
 * Rejected: the time of the last write to the socket.  The kernel takes megabytes at
 * once, and is then busy with them for longer than an answer may take.
 */
#include "inboxq/uplink/pulse.h"

#include "lib/conn.h"

#define WAIT_MAX 600 /* seconds: a server that works for longer may as well be asked anew */

void
pulse_answer(struct pulse *pulse, int64_t now)
{
	pulse->beat = now;
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
	pulse->beat = now;
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
	pulse->beat = now;
}

int
pulse_is_late(const struct pulse *pulse, int64_t now, uint64_t limit)
{
	return now - pulse->beat > (int64_t)(limit < pulse->wait ? pulse->wait : limit);
}

int
pulse_wants_ping(struct pulse *pulse, int64_t now)
{
	if (pulse->idle == 0 || pulse->ping_due || now - pulse->beat < (int64_t)(pulse->idle / 2))
		return 0;
	pulse->ping_due = 1;
	return 1;
}
