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
 *	                   something else     -          MEND; without bytes stops (65)
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
 *	renamed            nothing            -          VISIBLE: a start that was cut off did that
 *	up to S            nothing            nothing    CLAIMED
 *	else                                             VOID
 */
#ifndef INBOXD_RECOVER_FINISH_H
#define INBOXD_RECOVER_FINISH_H

#include "inboxd/recover/recovery.h"
#include "lib/attr.h"

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
