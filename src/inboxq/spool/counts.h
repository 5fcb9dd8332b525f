/* SPDX-License-Identifier: ISC */
/*
 * How much lies in the spool, against the bounds of [queue] items and bytes.  What is counted
 * is queue/ and failed/ together, since both fill the disk, and an item's bytes without its header.
 *
 * The counts stand in a file (mark.h), so that an add costs the same whatever waits.  They are
 * raised before items come in and lowered after they have gone: who is killed leaves them too
 * high, never too low.  Whoever would be refused by them counts anew, if anything has
 * changed since that was done last.  They hold for one boot of the system: after a power cut
 * items may be back that had gone.
 */
#ifndef INBOXQ_SPOOL_COUNTS_H
#define INBOXQ_SPOOL_COUNTS_H

#include <stdint.h>
#include <sys/types.h>

#include "inboxq/spool/spool.h"
#include "lib/attr.h"
#include "lib/why.h"

/* 0 or -1 with errno set.  "Under the lock": spool_lock(). */

/*
 * Is there room for so many items more, of so many bytes together?  Under the lock, before the
 * first of them is given a number.  They count from now on: counts_left() of each that
 * does not come after all.  -1 with a sentence in `why`; EDQUOT: there is none, else it cannot be
 * told.
 */
MUST_CHECK int counts_admit(struct spool *spool, uint64_t items, uint64_t bytes, struct why *why);

/* Without the lock, and by what was counted last: would an item of so many bytes be
 * refused?  Spares the copying of what will be. */
int counts_refuse(const struct spool *spool, uint64_t bytes, struct why *why);

/* What an item counts as whose file has that size. */
uint64_t counts_bytes(off_t size);

/* An item is about to leave the spool; has left it. */
void counts_leaving(struct spool *spool);
void counts_left(struct spool *spool, uint64_t bytes);
/* Lowers the counts by what has left, under the lock; spool_unlock() does it by itself. */
void counts_settle(struct spool *spool);
/* The same, taking the lock, if nobody has it: else another time. */
void counts_try_settle(struct spool *spool);

/* Counts anew, under the lock, where there are bounds: what is in the file was wrong, or may be. */
MUST_CHECK int counts_renew(struct spool *spool);

/* What really lies there, under the lock. */
MUST_CHECK int counts_now(const struct spool *spool, uint64_t *items, uint64_t *bytes);
/* What the file says; -1 where it says nothing that holds.  For fsck. */
MUST_CHECK int counts_look(const struct spool *spool, uint64_t *items, uint64_t *bytes);

#endif
