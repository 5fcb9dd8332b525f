/* SPDX-License-Identifier: ISC */
/*
 * Which of the claims that a killed watch has left are queued?  All items are looked at, and
 * sent.log, under the spool's lock, so that none is on its way from failed/ to queue/ meanwhile;
 * on the way to sent.log it is seen in one of the two.
 */
#ifndef INBOXQ_WATCH_KNOWN_H
#define INBOXQ_WATCH_KNOWN_H

#include <stdint.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/attr.h"

struct claim;

/* Tells `item` of each that lies in queue/ or failed/, some twice; one whose header cannot be read
 * is passed over.  What leaves meanwhile, without having been told, has a line in sent.log before
 * this returns.  0, or -1 with errno. */
typedef void known_item_fn(
    void *ctx, enum spool_part part, uint64_t n, const struct spool_item *item);
MUST_CHECK int known_items(struct spool *spool, known_item_fn *item, void *ctx);

/* Of the claims of `list` that are CLAIM_UNKNOWN, those that the spool knows become CLAIM_QUEUED,
 * with the SHA-256 of the item, which is durable; the others CLAIM_HELD.  0, or -1 with errno,
 * and nothing is decided. */
MUST_CHECK int known_tell(struct spool *spool, struct claim *list);

#endif
