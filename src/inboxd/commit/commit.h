/* SPDX-License-Identifier: ISC */
/*
 * The commit thread: the one owner of what clients have stored, of the ledger,
 * of publishing and of syncing.  Workers hand it drafts; it hands back
 * outcomes.  It makes no libevent call and holds no lock.
 *
 * It works in turns.  Each turn takes all that has arrived meanwhile (there is
 * no timer: a batch is what came while the last sync ran) and makes ONE sync,
 * which is two things at once: the first sync of this turn's drafts (their
 * bytes and their ledger records) and the second sync of the last turn's
 * items (their names in new/):
 *
 *	take the drafts; know duplicates; write accept records
 *	sync
 *	write a mark: accepts are on disk up to here, items up to there
 *	answer the last turn's items: STORED
 *	publish this turn's drafts; they are the next turn's "last"
 */
#ifndef INBOXD_COMMIT_COMMIT_H
#define INBOXD_COMMIT_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/books.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/base/mailbox.h"
#include "inboxd/commit/request.h"
#include "inboxd/base/settings.h"
#include "inboxd/base/stats.h"
#include "lib/attr.h"

struct commit;

struct commit_setup {
	int root;    /* open root directory, for syncfs; borrowed */
	int sync;    /* enum settings_sync */
	struct books_setup books;
	uint32_t start; /* of names: name.h */
	unsigned number; /* of names: one no worker has */
};

/* Takes `clients` and `ledger`, starts the thread.  NULL: no thread, no
 * memory; nothing was taken. */
MUST_CHECK struct commit *commit_start(const struct commit_setup *setup,
    struct clients *clients, struct ledger *ledger);
/* Sends COMMIT_STOP and waits until all is answered and marked. */
void commit_stop(struct commit *commit);

struct mailbox *commit_mailbox(struct commit *commit);
const struct stats *commit_stats(const struct commit *commit);

#endif
