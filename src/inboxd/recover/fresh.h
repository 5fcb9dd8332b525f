/* SPDX-License-Identifier: ISC */
/*
 * An unfinished item's bytes, written anew.  After a crash or a failed sync what
 * the page cache shows may not be what the disk holds, so a file that is only
 * found is never promised: what the journal has is, or a synced copy.  Where the disk has
 * no room for one, the file itself is written anew, out of reach of consumers meanwhile.
 */
#ifndef INBOXD_RECOVER_FRESH_H
#define INBOXD_RECOVER_FRESH_H

#include "inboxd/base/inbox.h"
#include "inboxd/recover/replay.h"
#include "lib/attr.h"

#define FRESH_SUFFIX ".again"
#define FRESH_NAME_ROOM (NAME_ROOM + sizeof FRESH_SUFFIX)

enum fresh {
	FRESH_COPIED, /* size and SHA-256 are right, and the copy is synced */
	FRESH_MENDED, /* likewise, but without a copy: it is where it was */
	FRESH_CLAIMED, /* a consumer has taken it meanwhile */
	FRESH_ABSENT, /* it is not in that folder */
	FRESH_WRONG,  /* it is there, with other bytes */
	FRESH_FAILED  /* with errno; there is no copy */
};

/* Copies the item from the folder `from` into tmp/ of its inbox, as fresh_name()
 * says; what had that name goes.  A failed sync ends the program (P9). */
MUST_CHECK enum fresh fresh_copy(const struct tail_item *item, const struct inbox *inbox,
    int from);
void fresh_name(const struct tail_item *item, char dst[FRESH_NAME_ROOM]);
/* The copy takes the item's name in tmp/.  -1 with errno. */
MUST_CHECK int fresh_take(const struct tail_item *item, const struct inbox *inbox);
/* Has what lies in `dir` under its name the item's size and SHA-256?  1 or 0; -1 with errno. */
MUST_CHECK int fresh_is_right(const struct tail_item *item, int dir);

/*
 * Drafts of bytes that are at hand, and their sync.  A journal has tens of thousands: so one sync
 * of the file system for all, but where sync_choose() says `files`: then so many files at a
 * time that the disk is written to in one go.
 */
#define FRESH_OPEN_MAX 128

struct crew;

struct fresh_sync {
	struct crew *crew; /* who syncs files */
	int root;        /* whose file system is synced once; -1: file by file */
	int needs;       /* something has been written that no sync covers */
	int fds[FRESH_OPEN_MAX]; /* written, not synced */
	const struct inbox *inboxes[FRESH_OPEN_MAX]; /* whose they are */
	size_t count;
};

/* `root`: the root folder, opened before anything was written; `way`: enum settings_sync; `crew`
 * stays the caller's. */
void fresh_begin(struct fresh_sync *sync, int root, int way, struct crew *crew);
/* Takes a file that was written, for the sync.  0; or -1 with errno. */
MUST_CHECK int fresh_keep(struct fresh_sync *sync, const struct inbox *inbox, int fd);
/* Syncs what is open, and closes it: descriptors are wanted.  0; or -1 with errno. */
MUST_CHECK int fresh_let_go(struct fresh_sync *sync);
/* Makes a draft of these bytes, and syncs it by itself; `accept` as for draft_make_of().  What has
 * its name in tmp/ stays until the new one takes its place. */
MUST_CHECK int fresh_replace(const struct tail_item *item, const struct inbox *inbox,
    const char *accept, const void *bytes, size_t size);
/* Now all bytes are durable; entries of folders are not.  0; or -1 with errno, for want of room:
 * any other failure ends the program (P9). */
MUST_CHECK int fresh_end(struct fresh_sync *sync);
/* Closes what is open. */
void fresh_give_up(struct fresh_sync *sync);

#endif
