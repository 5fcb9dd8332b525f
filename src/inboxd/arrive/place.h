/* SPDX-License-Identifier: ISC */
/* A connection's place, as the door counts it: in memory of whoever asks for it. */
#ifndef INBOXD_ARRIVE_PLACE_H
#define INBOXD_ARRIVE_PLACE_H

#include <stdint.h>

struct source;

struct place {
	struct place *older, *newer; /* handshakes of the same address */
	struct source *address, *block;
	int64_t since; /* monotonic microseconds: when it came, or was asked to make way */
	int is_served; /* its handshake is done */
};

#endif
