/* SPDX-License-Identifier: ISC */
/*
 * The last records of a history: from which segment on they have to be read, so that a ledger of
 * years costs no more than its end; and those that came last, kept as their lines.
 */
#ifndef INBOXCTL_ROOT_TAIL_H
#define INBOXCTL_ROOT_TAIL_H

#include <stdint.h>

#include "inboxctl/root/history.h"
#include "lib/attr.h"
#include "lib/segment.h"

/*
 * The segment behind which at least `count` records stand that are wanted, or "": all are to be
 * read.  Damage is not spoken of: who reads them next does.  0, or -1: reading failed, which has
 * been told.
 */
MUST_CHECK int tail_find(const struct root *root, uint64_t count, history_wants *wants, void *ctx,
    char after[SEGMENT_NAME_ROOM]);

struct tail;

/* Holds the last `count` entries.  NULL: out of memory. */
MUST_CHECK struct tail *tail_new(uint64_t count);
void tail_free(struct tail *tail);
/* 0, or -1: out of memory. */
MUST_CHECK int tail_put(struct tail *tail, const struct entry *entry);
/* Takes the oldest of them out.  0: there is none. */
MUST_CHECK int tail_take(struct tail *tail, struct entry *entry);

#endif
