/* SPDX-License-Identifier: ISC */
/*
 * What journal and ledger say together: whether the two belong to each other, and which items are
 * unfinished.  A seq above the mark `published` and up to the journal's last is
 *
 *	a good frame                       acknowledged (or, of the newest batch, about to be); no
 *	                                   item, if the ledger has a void: it was given up, since
 *	                                   the journal could not be written, and yet it was whole
 *	a damaged one, or in a hole where  acknowledged, if the ledger has its accept; no item, if
 *	a batch cannot be read             it has a void; else nobody knows what it was: 65
 *	else                               no item: allotted, and given up
 *
 * and an accept of the ledger above it was never acknowledged, as is one that has no frame where
 * no hole is.
 */
#ifndef INBOXD_RECOVER_FRAMES_H
#define INBOXD_RECOVER_FRAMES_H

#include "inboxd/recover/recovery.h"
#include "lib/attr.h"

/* Each returns 0, or -1 with error and code; nothing is changed on the disk. */

/* Reads the journal, and holds it against what was read of the ledger. */
MUST_CHECK int frames_read(struct recovery *r);
/* Fills in `all`, and has in the books what the ledger lacks. */
MUST_CHECK int frames_list(struct recovery *r);

#endif
