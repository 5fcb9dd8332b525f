/* SPDX-License-Identifier: ISC */
/*
 * The old segment, completed: what it lacks of the journal's accepts, what became of those that
 * were never acknowledged, and in the end that all is stored.  So each segment tells the whole
 * story of its time.
 */
#ifndef INBOXD_RECOVER_TELL_H
#define INBOXD_RECOVER_TELL_H

#include "inboxd/recover/recovery.h"
#include "lib/attr.h"

/* Each returns 0, or -1 with error and code; a failed sync ends the program (P9). */

/* Opens the segment, drops what is torn of it, adds accepts and voids, and syncs it. */
MUST_CHECK int tell_accepts(struct recovery *r);
/* In new/ the item will have that name; synced. */
MUST_CHECK int tell_renamed(struct recovery *r, uint64_t seq, const char *name);
/* All is stored that is not void; for the next sync, which follows at once. */
MUST_CHECK int tell_stored(struct recovery *r);
void tell_close(struct recovery *r);

#endif
