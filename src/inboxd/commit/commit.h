/* SPDX-License-Identifier: ISC */
/*
 * The commit thread: the one owner of what clients have stored, of the ledger and of the journal.
 * Workers hand it drafts; it hands back outcomes.  It makes no libevent call and holds no lock.
 *
 * It works in turns.  Each turn takes what has arrived meanwhile (there is no timer: a batch is
 * what came while the last sync ran, of each session in turn, and no more than is worth a sync),
 * and makes ONE sync, of the journal:
 *
 *	take the drafts; know duplicates; records into the ledger (not synced) and, with the
 *	    items' bytes, into a batch of the journal
 *	write the batch, sync it
 *	answer all of it: STORED
 *	hand the drafts to the publisher, which makes them durable, then visible
 *
 * An item whose bytes the journal does not carry goes to the syncer first, and comes back when
 * its draft is durable.  What was acknowledged and is not visible yet is bounded, by the journal's
 * room and in items; at the bound items wait, unanswered.
 */
#ifndef INBOXD_COMMIT_COMMIT_H
#define INBOXD_COMMIT_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/mailbox.h"
#include "inboxd/base/settings.h"
#include "inboxd/base/stats.h"
#include "inboxd/commit/books.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/commit/request.h"
#include "inboxd/commit/writer.h"
#include "lib/attr.h"

struct commit;
struct hold;

struct commit_setup {
	int root;    /* open root directory, for syncfs; borrowed */
	const struct hold *hold; /* likewise; NULL: whose the root is is not looked at */
	int sync;    /* enum settings_sync: how the publisher does */
	struct books_setup books;
	uint32_t start;   /* of names: name.h */
	unsigned number;  /* of names: one no worker has */
	int64_t patience;  /* how long the publisher may be silent and a probe is answered all the
	                      same, microseconds */
	uint64_t lag_max; /* items acknowledged and not visible, at most: each may hold a
	                     descriptor */
};

/* Takes `clients`, `ledger` and `writer`, starts the thread, and with it the publisher and the
 * syncer.  NULL: no thread, no memory; nothing was taken. */
MUST_CHECK struct commit *commit_start(const struct commit_setup *setup,
    struct clients *clients, struct ledger *ledger, struct writer *writer);
/* Sends COMMIT_STOP and waits until all is answered, published and marked; what the publisher
 * is in trouble with is left to the next start. */
void commit_stop(struct commit *commit);

struct mailbox *commit_mailbox(struct commit *commit);
/* As counted by the thread and by the publisher, together. */
uint64_t commit_count(const struct commit *commit, enum counter which);

#endif
