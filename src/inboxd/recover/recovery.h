/* SPDX-License-Identifier: ISC */
/*
 * What the steps of recovery share: what was read, which items are unfinished, and what is to
 * become of each.
 */
#ifndef INBOXD_RECOVER_RECOVERY_H
#define INBOXD_RECOVER_RECOVERY_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/recover/replay.h"
#include "lib/journal.h"
#include "lib/name.h"

/* finish.h says when. */
enum verdict {
	DRAFT,   /* it lies in tmp/ under its name, and is durable there */
	ANEW,    /* its draft is made anew, of the journal's bytes */
	MEND,    /* its draft, which the disk has spoilt, is replaced by one of these bytes */
	COPY,    /* its draft is made anew, of its own */
	FINISH,  /* it lies in tmp/ under its name, written anew */
	REPLACE, /* it is in new/; its fresh copy lies in tmp/ beside it */
	LEAVE,   /* it is in new/, written anew */
	VISIBLE, /* it is in new/ */
	CLAIMED, /* a consumer has it */
	VOID,    /* it was never published, nor acknowledged */
	VERDICTS
};

/* What lies under an item's name in a folder? */
enum standing {
	UNSEEN,    /* it was not looked at */
	NOTHING,
	ITS_SIZE,  /* a file as long as the item */
	SOMETHING, /* anything else */
	UNKNOWN    /* it could not be looked at */
};

struct unfinished {
	struct tail_item item;
	const struct journal_frame *frame; /* NULL: the ledger's accept is all there is */
	int was_framed;      /* acknowledged, though its frame may be damaged or gone */
	struct inbox *inbox; /* NULL: its folder is gone */
	enum verdict verdict;
	/* What was done of it with others (ahead.h). */
	enum standing draft, in_new; /* in tmp/ and in new/ */
	int fd;           /* the draft that was written; -1: none */
	int is_published; /* it lies in new/ */
	int error;        /* errno of what could not be done; 0: none */
};

struct crew;

struct remembered {
	struct queue *queue;
	const struct known *known; /* an item of it */
};

struct recovery {
	struct site *site;
	struct root *root;
	struct clients *clients;
	const char *segment; /* the ledger's newest; "": there is none */
	struct replay replay;
	struct journal journal;
	uint64_t published;  /* up to this seq, say journal or ledger */
	uint64_t last;       /* the last seq that may have been acknowledged */
	uint64_t due_seq;    /* the first that the ledger lacks */
	int has_remembered;  /* these are listed: frames.c's */
	struct remembered *remembered; /* by seq */
	size_t remembered_count, remembered_room;
	struct unfinished *all; /* by seq */
	size_t count, room;
	struct unfinished **wanted; /* by name: those whose drafts are wanted as they are */
	size_t wanted_count;
	struct inbox *closed; /* folders that are configured no more */
	size_t closed_count;
	int told; /* the old segment, while it is open for writing; -1 */
	struct namer namer; /* for items whose names are taken */
	size_t verdicts[VERDICTS], strays;
	struct crew *crew; /* who does what is of each item by itself (ahead.h) */
	int64_t spoke; /* when the supervisor was told something */
	struct why *error;
	int code; /* of sysexits(3), for a failure */
};

/* Did the last run have a journal, by its ledger?  Else this start is to make the first one. */
static inline int
recovery_has_journal(const struct recovery *r)
{
	return r->replay.version >= RECORD_VERSION_JOURNAL;
}

/* What failed has been said in error: errno sets code.  Returns -1. */
int recovery_said(struct recovery *r);
/* Tells the supervisor how far it is, once a second at most: `done` of `count` things are `what`.
 * `count` 0: it begins with that, and nobody knows how much there is. */
void recovery_tell(struct recovery *r, const char *what, size_t done, size_t count);
/* errno's failure of `what` on <inbox>/<name>, for who reads the log: sets error and code.
 * Returns -1. */
int recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name);

#endif
