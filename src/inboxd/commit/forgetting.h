/* SPDX-License-Identifier: ISC */
/*
 * Which queues the receiver knows no more: those unseen for long, those whose room others need, and
 * those that somebody wants forgotten.
 *
 * What is forgotten is nothing that a promise stands on: a queue that rests (clients.h) has no item
 * that could be sent again.  If its client comes back it begins at its own mark, as a new one does;
 * only what was counted of it is gone, but from the ledger.  By force, items go that the client may
 * still send again: that is the administrator's to say.
 *
 * Nothing may name it any more, in memory or on the disk:
 *
 *	a session      holds it from HELLO until its end is heard of (queue_hold());
 *	an item        of such a session is answered before that end, and holds it likewise;
 *	a request      of the session's came before its end, by the same mailbox;
 *	a connection   of its client's, older than its last and not heard yet, might send again what
 *	               that one has settled: so of connections that old none begins a queue;
 *	the publisher  knows drafts and frames, and no queue;
 *	the journal    has frames of it, which a start would read: so it stays until the ledger has
 *	               a mark that its last accept is stored.  A start that reads of its end has
 *	               read that mark before, and takes nothing below it for unfinished.
 *
 * The record is not synced for its own sake: after a crash the queue may be known again, as if it
 * had never been forgotten.
 */
#ifndef INBOXD_COMMIT_FORGETTING_H
#define INBOXD_COMMIT_FORGETTING_H

#include <stdint.h>

#include "inboxd/base/limits.h"
#include "inboxd/base/stats.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/commit/request.h"
#include "lib/log.h"

/* Those whose time has come go in steps of so many, once a second: a fleet that is retired, or a
 * limit that is lowered, holds up nobody. */
#define FORGETTING_STEP 100

struct forgetting {
	/* Borrowed: */
	struct clients *clients;
	struct ledger *ledger;
	struct stats *stats;
	const struct limits *limits;
	int64_t next;    /* when to look again, monotonic microseconds */
	uint64_t came;   /* the newest connection that ever had one of those forgotten */
	struct log_gate gate;
};

/* Those whose time has come, unseen by what receivers have run, and those of which there are too
 * many, if the limit has become lower: a few at a time, once a second.  For each turn, and cheap.
 * NULL: does nothing. */
void forgetting_in_steps(struct forgetting *forgetting);
/* For how many milliseconds at most to sleep before the next turn; -1: for ever, as for NULL. */
int forgetting_wait(const struct forgetting *forgetting);
/* Makes room for one more queue of the identity, if that is what the limit is of: 1.  0: it is not,
 * or none rests, or what those have sent is still under way. */
int forgetting_by_room(struct forgetting *forgetting, enum limit limit, const char *identity);
/* All that is wished, or none; fills in the answer.  NULL: there is no room for it. */
void forgetting_by_wish(struct forgetting *forgetting, struct forget *forget);

#endif
