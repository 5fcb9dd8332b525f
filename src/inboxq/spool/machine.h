/* SPDX-License-Identifier: ISC */
/*
 * Which machine a spool belongs to, so that a copy of it on another one (a clone, an image, a
 * backup put elsewhere) becomes a queue of its own: two queues with one id push each other from
 * the receiver's door, and each hears of numbers that the other one settled.
 *
 * What is kept is derived from the system's machine-id by HMAC-SHA256, as machine-id(5) asks of
 * whoever lets it out of his hands: nobody can tell that from it, or from that of another program.
 * A system without one, and clones that have the same, are not told apart: that costs an item
 * that is stored twice, and never one.  One that lies in memory (tmpfs) is none: it would be
 * another at each boot, and so the queue.
 */
#ifndef INBOXQ_SPOOL_MACHINE_H
#define INBOXQ_SPOOL_MACHINE_H

#include "inboxq/spool/spool.h"
#include "lib/attr.h"
#include "lib/id.h"

/* This system's, as 32 digits.  0, or -1 with errno: ENOENT: it has none. */
MUST_CHECK int machine_id(char id[ID_ROOM]);

/*
 * For the one `run`, before it says its queue's id to anybody.  Notes the machine where none is
 * noted; where it is another one, keeps the id in `queue-id.old` and draws a new one: 1, with the
 * old one in `old`.  0: nothing is new.  -1 with errno: it could not be done, and the id is as it
 * was, or a new one already.
 */
MUST_CHECK int machine_settle(struct spool *spool, char old[ID_ROOM]);

#endif
