/* SPDX-License-Identifier: ISC */
/*
 * The one sync of a publisher's round, in ways to choose from, a row each of a table in sync.c:
 *
 * files       write-out of all drafts is started, then each draft, by several threads, and each
 *             folder that a name came into or left, and the ledger is synced.  Costs by the file;
 *             leaves the disk's other users alone.
 * filesystem  syncfs(2) on the whole file system.  Costs once; also flushes whatever others
 *             wrote there.
 * auto        whichever of the two would cost less time for what is there, by what they have
 *             cost lately; always files where syncfs(2) is not to be trusted
 *             (lib/filesystem.h).
 */
#ifndef INBOXD_PUBLISH_SYNC_H
#define INBOXD_PUBLISH_SYNC_H

#include "inboxd/publish/publication.h"
#include "lib/attr.h"
#include "lib/why.h"

/* May that way (enum settings_sync) be gone on the file system of `root`?  0; or -1 with what to
 * set instead. */
MUST_CHECK int sync_check(int root, int way, struct why *why);

/* What is done for that way on the file system of `root`. */
int sync_choose(int root, int way);

struct crew;

struct sync_how {
	int root;   /* opened before anything was written, for syncfs */
	int way;    /* enum settings_sync */
	int ledger; /* descriptor, -1: none yet */
	struct crew *crew; /* who syncs files */
	/* What they have cost: microseconds. */
	double a_file, a_filesystem;
};

/* In a thread that may have others to help it, until sync_end(), which closes the ledger, too. */
void sync_begin(struct sync_how *how, int root, int way);
void sync_end(struct sync_how *how);

/*
 * Syncs the drafts of `fresh` with their entries in tmp/, but for those that the journal does not
 * carry, which are durable; what lies beside them in meta/, as far as it is written; the entries in
 * new/ that the items of `visible` got; and what the ledger's file holds (chains by
 * publication->next).
 *
 * A failure ends the program (P9), but for one: a draft whose bytes found no room when they were
 * written back gets is_lost, and what lies beside one is due again.
 */
void sync_round(struct sync_how *how, struct publication *fresh,
    const struct publication *visible);

#endif
