/* SPDX-License-Identifier: ISC */
/*
 * How fast we may send: [server] bandwidth.  A bucket fills by the clock and is emptied by what
 * is written; it holds a tenth of a second's worth, so what goes out is smooth, and what had
 * nothing to send for long makes up for nothing.
 *
 * Rejected: SO_MAX_PACING_RATE, which smooths as well, but behind megabytes of the kernel's, that
 * a small item would wait for.
 */
#ifndef INBOXQ_UPLINK_PACE_H
#define INBOXQ_UPLINK_PACE_H

#include <stddef.h>
#include <stdint.h>

/* With `rate` set, and all else zero, at first. */
struct pace {
	uint64_t rate; /* bytes a second; 0: as fast as it goes */
	int64_t bytes; /* in the bucket; below 0: more was written than was there */
	int64_t part;  /* of the next byte, in millionths */
	int64_t then;  /* microseconds: when it was filled last */
	int is_empty;  /* nothing goes until there is some worth it */
};

/* How many bytes may be written at `now` (microseconds of a clock that nobody sets); 0: none.
 * What belongs together may be written beyond it, up to PACE_LEAST or so. */
size_t pace_room(struct pace *pace, int64_t now);
#define PACE_LEAST 1024 /* bytes: no room is smaller, and not 0 */
/* So many were. */
void pace_take(struct pace *pace, size_t bytes);
/* When there is room again, microseconds; 0: it is not this that holds us. */
int64_t pace_wait(const struct pace *pace);

#endif
