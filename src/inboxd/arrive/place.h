/* SPDX-License-Identifier: ISC */
/* A connection's place, as the door counts it: in memory of whoever asks for it. */
#ifndef INBOXD_ARRIVE_PLACE_H
#define INBOXD_ARRIVE_PLACE_H

#include <stdint.h>

struct source;

struct place {
	struct place *older, *newer; /* handshakes of the same address */
	struct source *address, *block;
	int64_t began; /* monotonic microseconds */
	enum place_state {
		PLACE_HANDSHAKE,
		PLACE_YIELDED, /* likewise, and to end: it counts as one no more */
		PLACE_SERVED,
	} state;
};

#endif
