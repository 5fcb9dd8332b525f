/* SPDX-License-Identifier: ISC */
/*
 * The items that the last run left between their accept record and their stored mark: what
 * became of each is found out, told to the ledger, and made so.  recover.c has the order of
 * all steps, of which these are the first three, and why it is this one.
 */
#ifndef INBOXD_RECOVER_FINISH_H
#define INBOXD_RECOVER_FINISH_H

#include <stddef.h>

#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/recover/replay.h"
#include "lib/attr.h"

enum verdict {
	FINISH,  /* it lies in tmp/ under its name, written anew */
	REPLACE, /* it is in new/; its fresh copy lies in tmp/ beside it */
	LEAVE,   /* it is in new/, written anew */
	CLAIMED, /* a consumer has it */
	VOID,    /* it was never published */
	VERDICTS
};

struct unfinished {
	struct tail_item *item;
	struct inbox *inbox; /* NULL: its folder is gone */
	enum verdict verdict;
};

struct recovery {
	struct site *site;
	const struct root *root;
	struct replay replay;
	struct unfinished *all;
	size_t count;
	struct inbox *closed; /* folders that are configured no more */
	size_t closed_count;
	size_t verdicts[VERDICTS], strays;
	struct why *error;
	int code; /* of sysexits(3), for a failure */
};

/* errno's failure of `what` on <inbox>/<name>, for who reads the log: sets error and code.
 * Returns -1. */
int recovery_fail(struct recovery *r, const char *what, const char *inbox, const char *name);

/* Each returns 0, or -1 with error and code; a failed sync ends the program (P9). */

/* 1: fills in `all`, with a verdict for each, and `closed`. */
MUST_CHECK int finish_judge(struct recovery *r);
/* 2: the old segment is told, and synced. */
MUST_CHECK int finish_tell(struct recovery *r, const char *segment);
/* 3: items are published, and folders synced. */
MUST_CHECK int finish_publish(struct recovery *r);
/* What step 1 has opened. */
void finish_free(struct recovery *r);

#endif
