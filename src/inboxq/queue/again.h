/* SPDX-License-Identifier: ISC */
/*
 * What a server refused by its rules is offered again by itself after a time: rules change, and
 * whoever mended a slip at the server cannot go to every client.
 */
#ifndef INBOXQ_QUEUE_AGAIN_H
#define INBOXQ_QUEUE_AGAIN_H

#include <stdint.h>

#include "lib/attr.h"

struct spool;

/* Zeroed at first. */
struct again {
	int64_t next; /* when failed/ is looked at, monotonic seconds */
};

/*
 * To be called often: looks at failed/ now and then, and puts back into queue/, under new
 * numbers, what was refused `after` seconds ago and not set aside for a fault of its own.
 * `after` 0: nothing, ever.  0, or -1 with errno set.
 */
MUST_CHECK int again_offer(struct again *again, struct spool *spool, uint64_t after);

#endif
