/* SPDX-License-Identifier: ISC */
/*
 * The syncer: a thread that makes drafts durable before their items are acknowledged, for those
 * whose bytes the journal does not carry.  It does nothing else, so that a large item holds up
 * nobody but itself, and those that are as large.
 */
#ifndef INBOXD_PUBLISH_SYNCER_H
#define INBOXD_PUBLISH_SYNCER_H

#include "inboxd/base/mailbox.h"
#include "inboxd/drafts/draft.h"
#include "lib/attr.h"

struct syncer;

/* What it is sent, and sends back to `reply` as it is, the draft and its entry in tmp/ synced. */
struct sync_order {
	struct message message;
	const struct draft *draft;
	uint64_t size; /* of the item, bytes */
	struct mailbox *reply;
	int no_room;   /* its bytes found no room when they were written back */
	void *asker;   /* whose it is: the sender's own */
};

/* NULL with errno: no thread, no memory. */
MUST_CHECK struct syncer *syncer_start(void);
/* Ends when all that it was sent has been sent back. */
void syncer_stop(struct syncer *syncer);

void syncer_send(struct syncer *syncer, struct sync_order *order);

#endif
