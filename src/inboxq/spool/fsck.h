/* SPDX-License-Identifier: ISC */
/*
 * What is wrong in a spool, each finding in a sentence, and put right on demand.  Nothing is ever
 * deleted: an item that is damaged moves to failed/, with the reason beside it and its line in
 * sent.log, and what is no item moves to odd/.  Digests are read in pieces, so memory does not
 * grow with an item.
 *
 * It is safe beside adds, and looking beside `run`, too: what leaves meanwhile is no finding.
 * Repairs are for when no `run` is active: the caller holds run.lock then.
 */
#ifndef INBOXQ_SPOOL_FSCK_H
#define INBOXQ_SPOOL_FSCK_H

#include <stdint.h>

#include "inboxq/spool/spool.h"
#include "lib/attr.h"

#define SPOOL_ODD "odd" /* the folder of what is no item */

enum fsck_kind {
	FSCK_NOTE,     /* good to know, and nothing to be done */
	FSCK_FOUND,    /* is wrong */
	FSCK_REPAIRED, /* was wrong */
	FSCK_FAILED,   /* is wrong, and could not be put right */
};

struct fsck_counts {
	uint64_t items, wrong, repaired;
};

typedef void fsck_say(void *ctx, enum fsck_kind kind, const char *text);

/* 0 with *counts, whatever was found, or -1 with errno: the spool cannot be looked at. */
MUST_CHECK int fsck_spool(struct spool *spool, int repair, fsck_say *say, void *ctx,
    struct fsck_counts *counts);

#endif
