/* SPDX-License-Identifier: ISC */
/*
 * An unfinished item's bytes, written anew.  After a crash or a failed sync what
 * the page cache shows may not be what the disk holds, so a file that is only
 * found is never promised: a synced copy of it is.  Where the disk has no room for
 * one, the file itself is written anew, out of reach of consumers meanwhile.
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

#endif
