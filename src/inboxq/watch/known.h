/* SPDX-License-Identifier: ISC */
/*
 * Which of the claims that a killed watch has left are queued?  All items are looked at, and
 * sent.log, under the spool's lock, so that none is on its way from failed/ to queue/ meanwhile;
 * on the way to sent.log it is seen in one of the two.
 */
#ifndef INBOXQ_WATCH_KNOWN_H
#define INBOXQ_WATCH_KNOWN_H

#include "lib/attr.h"

struct claim;
struct spool;

/* Of the claims of `list` that are CLAIM_UNKNOWN, those that the spool knows become CLAIM_QUEUED,
 * with the SHA-256 of the item, which is durable; the others CLAIM_HELD.  0, or -1 with errno,
 * and nothing is decided. */
MUST_CHECK int known_tell(struct spool *spool, struct claim *list);

#endif
