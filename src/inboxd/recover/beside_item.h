/* SPDX-License-Identifier: ISC */
/*
 * The file beside an unfinished item, in meta/ of its inbox.  It is made anew with the drafts, and
 * so is on the disk before the mark "durable", and before the item can be seen.  Beside one that
 * can be seen already it is made only where it is missing: consumers read it.
 */
#ifndef INBOXD_RECOVER_BESIDE_ITEM_H
#define INBOXD_RECOVER_BESIDE_ITEM_H

#include "inboxd/recover/fresh.h"
#include "inboxd/recover/recovery.h"
#include "lib/attr.h"

/* Each returns 0, or -1 with error and code. */

/* Makes it, if its inbox wants one; the sync is fresh_end()'s, the folder's the caller's. */
MUST_CHECK int beside_item_write(struct recovery *r, const struct unfinished *u,
    struct fresh_sync *sync);
/* The item gets another name: it does, too, durably. */
MUST_CHECK int beside_item_rename(struct recovery *r, const struct unfinished *u,
    const char *name);

#endif
