/* SPDX-License-Identifier: ISC */
/*
 * Gaps as they are seen, and end, and are confirmed: in memory (missing.h), the ledger, the log
 * and the metrics at once.
 *
 * Somebody confirms a gap who has found out what became of its numbers, or that nobody will: it is
 * told of no more as something that is wrong, and stays in the client's story.
 */
#ifndef INBOXD_COMMIT_LOSSES_H
#define INBOXD_COMMIT_LOSSES_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/commit/request.h"
#include "lib/log.h"

struct losses {
	/* Borrowed: */
	struct clients *clients;
	struct ledger *ledger;
	struct stats *stats;
	struct log_gate gate;
};

/* The client has settled all below `number`: what of it never came is missing from now on. */
void losses_settle(struct losses *losses, struct queue *queue, uint64_t number);
/* An item's accept record is made, and void, or it is stored: was it missing?  As a restart reads
 * it, it is so no more from the accept on. */
void losses_note_accepted(struct item *item);
void losses_note_void(struct losses *losses, const struct item *item);
void losses_note_stored(struct losses *losses, const struct item *item);
/* A number is skipped.  1: it was missing, and the record is made. */
int losses_note_skipped(struct losses *losses, const struct notice *notice);

/* Fills in the answer.  DONE: it is on the disk.  NULL: there is no room for the record of it. */
void losses_confirm(struct losses *losses, struct confirm *confirm);

#endif
