/* SPDX-License-Identifier: ISC */
/*
 * The file beside an item, in meta/ of its inbox ([inbox NAME] meta = json).  The publisher makes
 * it, of what was acknowledged alone, and syncs it with the drafts of the same round: so it is on
 * the disk before its item can be seen, and a crash leaves none that no item follows.
 */
#ifndef INBOXD_PUBLISH_BESIDE_H
#define INBOXD_PUBLISH_BESIDE_H

#include "inboxd/publish/publication.h"
#include "lib/attr.h"

/* Is it still to be written? */
static inline int
beside_is_due(const struct publication *p)
{
	return p->beside && p->beside_fd < 0;
}

/* Is it written, and to be synced? */
static inline int
beside_is_open(const struct publication *p)
{
	return p->beside && p->beside_fd >= 0;
}

/* Writes it.  0, or -1 with errno: it is due still. */
MUST_CHECK int beside_write(struct publication *p);
/* Syncs it, not its folder.  Where its bytes found no room it is due again; any other failure ends
 * the program (P9). */
void beside_sync(struct publication *p);
/* It is synced, or given up. */
void beside_close(struct publication *p);
void beside_free(struct publication *p);

/* The item is to be seen as `name`: makes a file of that name, too, synced with its folder.  0, or
 * -1 with errno, and there is none. */
MUST_CHECK int beside_make_as(const struct publication *p, const char *name);
/* The item has the other of the two names: this one's file goes. */
void beside_drop(const struct publication *p, const char *name);

#endif
