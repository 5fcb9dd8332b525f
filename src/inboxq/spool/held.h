/* SPDX-License-Identifier: ISC */
/*
 * SPOOL/held: which items a receiver may have stored without our knowing (queue/doubts.c), for the
 * `inboxq run` that comes next, and for `inboxq status`.  It may be lost (mark.h): what another
 * receiver then has as well is there twice.
 */
#ifndef INBOXQ_SPOOL_HELD_H
#define INBOXQ_SPOOL_HELD_H

#include <stdint.h>

#include "lib/attr.h"

struct spool;

#define HELD_NAME "held"
#define HELD_HOLDER_ROOM 128

struct held {
	uint64_t low, high; /* among these numbers; 0: there are none */
	uint64_t until;     /* others have them then, seconds since 1970 UTC; 0: none is late yet */
	char holder[HELD_HOLDER_ROOM]; /* "host/id", or the address */
};

/* A host too long for it is cut, an address is left out: 0, and there are none. */
void held_set_holder(struct held *held, const char *holder);

/* 0, or -1 with errno, as mark_read(). */
MUST_CHECK int held_read(const struct spool *spool, struct held *held);
/* 0, or -1 with errno, as mark_write(). */
MUST_CHECK int held_write(const struct spool *spool, const struct held *held);

#endif
