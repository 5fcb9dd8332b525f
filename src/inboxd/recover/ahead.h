/* SPDX-License-Identifier: ISC */
/*
 * What recovery does with each item by itself, done for many at once (base/crew.h), before the
 * walk that goes over them one by one: a server answers a thousand such calls in a second, and one
 * by one in ten.
 *
 * Only what goes well is done here.  An item that it does not go well with is left as it was, and
 * the errno noted (struct unfinished): the walk deals with it, and with those not come to.
 */
#ifndef INBOXD_RECOVER_AHEAD_H
#define INBOXD_RECOVER_AHEAD_H

#include "inboxd/recover/recovery.h"

/* So many at a time: as many descriptors may be open. */
#define AHEAD_MAX 128

/* What stands under the item's name in that folder? */
enum standing ahead_look_at(int dir, const struct tail_item *item);

/* With a journal: `draft` and `item` of each, of which the verdict wants them. */
void ahead_look(struct recovery *r);
/* Are its bytes to come from the journal, into a draft of its own name? */
int ahead_is_written(const struct unfinished *u);
/* Those drafts of the items from `from` to before `to`, no more than AHEAD_MAX: `fd`, not synced,
 * which becomes the caller's. */
void ahead_write(struct recovery *r, size_t from, size_t to);
void ahead_write_one(struct recovery *r, struct unfinished *u);
/* Closes what nobody has taken. */
void ahead_give_up(struct recovery *r);
/* Drafts that are durable, moved into new/: `is_published`. */
void ahead_publish(struct recovery *r);

#endif
