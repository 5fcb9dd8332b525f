/* SPDX-License-Identifier: ISC */
/*
 * The one sync of a commit turn, in two ways to choose from, a row each of a table in
 * sync.c:
 *
 * files       write-out of all drafts is started, then the ledger, each draft
 *             and each folder that a name came into or left is synced, in this
 *             order.  Costs by the file; names the file that failed; leaves the
 *             disk's other users alone.
 * filesystem  syncfs(2) on the whole file system.  Costs once; also flushes
 *             whatever others wrote there.
 */
#ifndef INBOXD_COMMIT_SYNC_H
#define INBOXD_COMMIT_SYNC_H

#include "inboxd/commit/request.h"

/* What this system lacks for that way (enum settings_sync), and what to set instead; NULL:
 * nothing. */
const char *sync_lacks(int sync);

struct sync_how {
	int root;   /* opened before anything was written, for syncfs */
	int sync;   /* enum settings_sync */
	int ledger; /* descriptor */
};

/*
 * Syncs what is new since the last call: the drafts of `drafts` with their
 * entries in tmp/, and the entries in new/ that the items of `published` got
 * (chains by item->next; duplicates have nothing to sync).
 *
 * A failure ends the program (P9), but for one: a draft whose bytes found no
 * room when they were written back.  It gets item->no_room.
 */
void sync_turn(const struct sync_how *how, struct item *drafts, const struct item *published);

#endif
