/* SPDX-License-Identifier: ISC */
/*
 * Fsck is one module in two files: fsck.c (what is said, how things move, and the spool's own
 * files) and fsck_items.c (queue/, failed/ and tmp/).  This is what they share; nobody else
 * includes it.
 */
#ifndef INBOXQ_SPOOL_FSCK_PARTS_H
#define INBOXQ_SPOOL_FSCK_PARTS_H

#include "inboxq/spool/fsck.h"
#include "inboxq/spool/sentlog.h"
#include "lib/why.h"

struct fsck {
	struct spool *spool;
	int repair;
	fsck_say *say;
	void *ctx;
	struct fsck_counts *counts;
	struct sentlog *sentlog; /* where something is repaired */
};

void fsck_note(const struct fsck *fsck, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What is wrong, in `text`, and what its repair came to: 0, or -1 with errno; `done` says what
 * was done.  Where nothing is to be repaired, `rc` does not count. */
void fsck_tell(struct fsck *fsck, const char *text, int rc, const char *done);

/* A name for people. */
#define FSCK_NAME_ROOM 200
const char *fsck_name(char dst[FSCK_NAME_ROOM], const char *name);

/* To odd/, under a name that is free there. */
MUST_CHECK int fsck_move_to_odd(const struct fsck *fsck, enum spool_part from, const char *name);

/* queue/ and failed/; tmp/. */
MUST_CHECK int fsck_items(struct fsck *fsck, enum spool_part part);
MUST_CHECK int fsck_drafts(struct fsck *fsck);

#endif
