/* SPDX-License-Identifier: ISC */
/*
 * The journal as it is read from outside, on a dead host's disk or while a receiver writes it.
 * A part that is being written looks damaged for a moment; so what is wrong is believed only
 * when it has been read again.
 */
#ifndef INBOXCTL_ROOT_JOURNALED_H
#define INBOXCTL_ROOT_JOURNALED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/journal.h"
#include "lib/record.h"

struct root;

struct journaled {
	const struct root *root; /* borrowed */
	int dir;                 /* the folder; -1: there is none, or it cannot be opened */
	struct journal journal;
	uint64_t published;      /* the mark as it was when this was opened */
	unsigned again;          /* how often it has been read since */
};

/* Reads it.  journaled_close() is due whatever was found. */
void journaled_open(struct journaled *journaled, const struct root *root);
void journaled_close(struct journaled *journaled);

/* Reads it again, if it has not been too often: a receiver may have gone on.  Has anything
 * changed?  Frames found before are void. */
int journaled_again(struct journaled *journaled);

/* Is there a newest batch to go by?  If not, all that follows says no. */
int journaled_is_there(const struct journaled *journaled);
/* Is the accept published, as far as the journal says? */
int journaled_has_published(const struct journaled *journaled, uint64_t seq);
/* Was its draft durable, if not in the journal itself? */
int journaled_has_draft(const struct journaled *journaled, uint64_t seq);
/* The frame of an accept that is acknowledged and not published; NULL: there is none that can be
 * read. */
const struct journal_frame *journaled_find(const struct journaled *journaled, uint64_t seq);
/* The first one above `after`, whether it can be read or not; NULL: there is none. */
const struct journal_frame *journaled_next(const struct journaled *journaled, uint64_t after);
/* Does a part that is missing or damaged stand where its frame may have been? */
int journaled_misses(const struct journaled *journaled, uint64_t seq);

/*
 * The frame's record, and in *item its item's bytes, to be freed; NULL: it has none.  `item` may
 * be NULL.  0, or -1 with errno: EBADMSG where the bytes are not the frame's (a receiver has
 * overwritten it, or they are damaged), or are no accept of that number.
 */
MUST_CHECK int journaled_read(const struct journaled *journaled,
    const struct journal_frame *frame, struct record *record, void **item);

/* Are these the item's bytes, by its record's size and SHA-256?  0 where memory is out, too. */
int journaled_is_item(const struct record *record, const void *item, size_t size);
/* Do both tell of the same item?  A copy in a segment's state has not all fields. */
int journaled_is_same(const struct record *a, const struct record *b);

/* Tells on standard error what of it is damaged, and returns how much that is. */
uint64_t journaled_tell(const struct journaled *journaled);

#endif
