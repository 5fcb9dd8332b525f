/* SPDX-License-Identifier: ISC */
/*
 * How a file of a hot folder becomes an item once, whatever happens in between.
 *
 * It is claimed: renamed, on its own file system, to .inboxq/ID/NAME below the folder, where ID
 * is drawn for each batch.  That is made durable.  Then it is copied into the queue, and the
 * item's header says "claim=ID name=NAME"; once that is durable the claim is deleted.
 *
 *	state       DIR/NAME  .inboxq/ID/NAME  item with claim=ID   who finds it so
 *	waiting     is there  -                -                    judges it anew
 *	claimed     -         is there         -                    queues it
 *	queued      -         is there         is there, or its     deletes the claim if it has the
 *	                                       end in sent.log      same bytes, else claims it anew
 *	taken       -         -                the same             has nothing to do
 *
 * A crash leaves one of these.  A power cut may take back what was not synced: a claim is waiting
 * again (no item can name it yet), a deleted claim is there again ("queued").  An item moves
 * between queue/ and failed/ and ends in sent.log; all three are looked at (known.h).  What was
 * cut from sent.log is not known any more: then the file is queued a second time (P7).
 *
 * A claim that a power cut brings back may lack its end, or all: its writer never synced it.  So
 * deletions are made to last within a second (claims_settle()), and one that is found to be the
 * beginning of its item goes: nothing of it is missing.
 *
 * A claim is written to by no one who opens files by their names, since .inboxq is ours alone.
 * Who had it open all along may go on, or so it is where that cannot be asked (ready.h): then the
 * claim is deleted only when it has lain still for a while.  Where it has changed since it was
 * copied, it is claimed anew, under another ID, and queued as it is then, as a whole: its first
 * bytes come twice, and none is lost.
 *
 * Rejected: a list of what was taken, which a crash can part from what it tells of; the digest as
 * the key, by which the second of two equal files would be lost; to copy first and delete then,
 * by which who writes over a name in between loses his file.
 */
#ifndef INBOXQ_WATCH_CLAIM_H
#define INBOXQ_WATCH_CLAIM_H

#include <limits.h>
#include <stdint.h>

#include "inboxq/watch/look.h"
#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/id.h"
#include "lib/why.h"

#define CLAIM_FOLDER ".inboxq"
#define CLAIM_LOCK "lock" /* in it: held by the one watch of the folder */

enum claim_state {
	CLAIM_UNKNOWN, /* found at the start: is it queued? */
	CLAIM_HELD,    /* to be queued */
	CLAIM_QUEUED,  /* to be deleted */
};

struct claim {
	struct claim *next, *before;
	enum claim_state state;
	int is_synced;
	int is_sure;        /* when it was copied nobody had it open for writing */
	struct sight sight; /* QUEUED: its look when it was copied */
	char id[ID_ROOM];
	char sha256[DIGEST_TEXT_ROOM]; /* QUEUED: of what was copied */
	uint64_t n; /* found at the start, QUEUED: its item, which may have gone; 0: has gone */
	char name[NAME_MAX + 1];
};

struct claims {
	int dir;    /* the hot folder; borrowed */
	int folder; /* .inboxq; -1: not open */
	int lock;
};

/* Opens .inboxq in the hot folder, makes it if missing, and takes its lock; `lock` stays -1 where
 * the file system has no locks.  -1 with the reason. */
MUST_CHECK int claims_open(struct claims *claims, int dir, struct why *why);
void claims_close(struct claims *claims);

/* Each below returns 0, or -1 with errno set. */

/* Begins a batch: its ID, and the folder of that name. */
MUST_CHECK int claims_begin(const struct claims *claims, char id[ID_ROOM]);
/* NAME from the hot folder; EEXIST: the batch has one of that name. */
MUST_CHECK int claims_take(const struct claims *claims, const char *id, const char *name);
/* Makes the claims of batch `id` last; `moved`: they come from the hot folder. */
MUST_CHECK int claims_sync(const struct claims *claims, const char *id, int moved);
/* A claim into batch `id`, whose ID it gets. */
MUST_CHECK int claims_renew(const struct claims *claims, struct claim *claim, const char *id);
MUST_CHECK int claims_delete(const struct claims *claims, const struct claim *claim);
/* Makes what was deleted stay away. */
MUST_CHECK int claims_settle(const struct claims *claims);
/* The batch's folder goes if it is empty. */
void claims_end(const struct claims *claims, const char *id);

/* Opens a claim for reading, and its fstat().  The descriptor, or -1. */
MUST_CHECK int claims_read(const struct claims *claims, const struct claim *claim,
    struct stat *st);

/* What the last run has left, all CLAIM_UNKNOWN, before *list. */
MUST_CHECK int claims_find(const struct claims *claims, struct claim **list);
/* Into the list, as its first.  NULL: out of memory. */
MUST_CHECK struct claim *claim_new(struct claim **list, const char *id, const char *name);
void claim_free(struct claim **list, struct claim *claim);

#endif
