/* SPDX-License-Identifier: ISC */
/*
 * The items that the last run left unfinished, acknowledged or about to be and not known to be
 * in new/ for good: what is to become of each is found out, and made so.  frames.h says which
 * they are; recover.c has the order of all steps, and why it is this one.
 *
 * With a journal (D is its mark `durable`):
 *
 *	frame              tmp/ has           new/ has   verdict
 *	above D, bytes     anything           -          ANEW
 *	above D, none      a file of its size -          DRAFT: it was synced before its frame
 *	                   else               -          stops (65)
 *	up to D            a file of its size -          DRAFT
 *	                   something else     -          ANEW; without bytes stops (65)
 *	                   nothing            anything   VISIBLE
 *	                   nothing            nothing    CLAIMED: else it would be in tmp/
 *	damaged, with an accept in the ledger:
 *	up to D                                          as above, without bytes
 *	above D            the item           -          COPY
 *	                   else               -          stops (65)
 *	none, only an accept in the ledger               VOID: never acknowledged
 *
 * What is above D cannot be in new/, since D was on the disk before the first rename, and of the
 * page cache nothing is believed of it.  What lies in tmp/ up to D, or without bytes, was synced
 * and is believed.  "-": it is not looked for.
 *
 * Of a root that had no journal yet, S being the mark `synced`:
 *
 *	accept             tmp/ has           new/ has   verdict
 *	                   the item           -          FINISH
 *	                   nothing            the item   REPLACE, or LEAVE where no copy has room
 *	up to S            nothing            nothing    CLAIMED
 *	else                                             VOID
 */
#ifndef INBOXD_RECOVER_FINISH_H
#define INBOXD_RECOVER_FINISH_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/recover/replay.h"
#include "lib/attr.h"
#include "lib/journal.h"
#include "lib/name.h"

enum verdict {
	DRAFT,   /* it lies in tmp/ under its name, and is durable there */
	ANEW,    /* its draft is made anew, of the journal's bytes */
	COPY,    /* its draft is made anew, of its own */
	FINISH,  /* it lies in tmp/ under its name, written anew */
	REPLACE, /* it is in new/; its fresh copy lies in tmp/ beside it */
	LEAVE,   /* it is in new/, written anew */
	VISIBLE, /* it is in new/ */
	CLAIMED, /* a consumer has it */
	VOID,    /* it was never published, nor acknowledged */
	VERDICTS
};

struct unfinished {
	struct tail_item item;
	const struct journal_frame *frame; /* NULL: the ledger's accept is all there is */
	int was_framed;      /* acknowledged, though its frame may be damaged or gone */
	int is_told;         /* the ledger has its accept */
	struct inbox *inbox; /* NULL: its folder is gone */
	enum verdict verdict;
};

struct recovery {
	struct site *site;
	struct root *root;
	struct clients *clients;
	const char *segment; /* the ledger's newest; "": there is none */
	struct replay replay;
	struct journal journal;
	int dir;             /* the journal's folder, for its frames */
	uint64_t published;  /* up to this seq, say journal or ledger */
	uint64_t last;       /* the last seq that may have been acknowledged */
	uint64_t due_seq;    /* the first that the ledger lacks */
	struct unfinished *all; /* by seq */
	size_t count, room;
	struct unfinished **wanted; /* by name: those whose drafts are wanted as they are */
	size_t wanted_count;
	struct inbox *closed; /* folders that are configured no more */
	size_t closed_count;
	int told; /* the old segment, while it is open for writing; -1 */
	struct namer namer; /* for items whose names are taken */
	size_t verdicts[VERDICTS], strays;
	struct why *error;
	int code; /* of sysexits(3), for a failure */
};

/* errno's failure of `what` on <inbox>/<name>, for who reads the log: sets error and code.
 * Returns -1. */
int recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name);

/* Each returns 0, or -1 with error and code; a failed sync ends the program (P9). */

/* A verdict for each of `all`, and `closed`.  With a journal it changes nothing on the disk;
 * without, it makes the fresh copies. */
MUST_CHECK int finish_judge(struct recovery *r);
/* Drafts that are to be made anew are, and are synced with all of tmp/. */
MUST_CHECK int finish_write(struct recovery *r);
/* Items are published, and folders synced. */
MUST_CHECK int finish_publish(struct recovery *r);
/* Is that the name of an item whose draft is wanted as it is?  Asked after judging, before
 * publishing. */
int finish_wants(struct recovery *r, const char *name);
/* What judging has opened. */
void finish_free(struct recovery *r);

#endif
