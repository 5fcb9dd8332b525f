/* SPDX-License-Identifier: ISC */
/*
 * The journal as it is written (lib/journal.h has its format): frames gather to a batch, and
 * writer_sync() makes the batch durable by one write and one fdatasync(2) of blocks that were
 * written before.  An item may be acknowledged when the sync behind its frame has returned, and
 * not earlier.  Belongs to the commit thread (and to recovery, before that one runs).
 *
 * A sync that fails ends the program (P9).
 */
#ifndef INBOXD_COMMIT_WRITER_H
#define INBOXD_COMMIT_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/journal.h"

struct writer;

/*
 * Makes the journal of a root anew, with `segments` segments, in place of what may lie there of
 * one that was never used; `last` is the last seq that the ledger knows: all up to it counts as
 * published.  Opens it.  NULL with the reason, and errno: ENOSPC and the like where there is no
 * room, and then what had been made is gone again.
 */
MUST_CHECK struct writer *writer_make(int root, const char *root_id, uint32_t segments,
    uint64_t last, struct why *error);

/*
 * Goes on behind what journal_read() has found.  The newest batch is written again over itself
 * and synced: after a sync that failed the page cache may show what the disk has not.  NULL with
 * the reason and errno.
 */
MUST_CHECK struct writer *writer_open(int root, const struct journal *found, struct why *error);

/* Makes it have that many segments; all frames must be published.  0, or -1 with the reason and
 * errno: then it can only be closed, and what is on the disk is a whole journal still. */
MUST_CHECK int writer_resize(struct writer *writer, uint32_t segments, struct why *error);

void writer_close(struct writer *writer);

/* Is there room for one more frame: in this batch, and in the journal? */
int writer_has_room(const struct writer *writer, size_t record_size, size_t item_size);
/* And is a whole segment free behind it? */
int writer_leaves_spare(const struct writer *writer, size_t record_size, size_t item_size);
/* Adds it to the batch; there must be room.  `item` NULL: a frame without bytes, of an item whose
 * draft is durable.  Both are copied. */
void writer_add(struct writer *writer, uint64_t seq, const char *record, size_t record_size,
    const void *item, size_t item_size);
/* How many frames the batch has. */
size_t writer_batched(const struct writer *writer);
/* Takes all frames out of the batch again. */
void writer_drop(struct writer *writer);
/* The i-th frame of the batch that was synced last, and where it lies. */
const struct journal_frame *writer_frame(const struct writer *writer, size_t i);

/* The marks that the next batch will have; they never go back. */
void writer_mark(struct writer *writer, uint64_t durable, uint64_t published);

/* Is it time for a batch of marks alone?  So it is when drafts have become durable, which the
 * publisher waits to have on the disk, or when that frees a segment and none is free; in a journal
 * that is full not for each of them. */
int writer_wants_marks(const struct writer *writer);

/* Writes the batch, with frames or with marks alone, and syncs it.  0; or -1 with errno where there
 * is no room to write (on a file system that copies what is written over, or counts it), or no
 * descriptor to go on in the next segment: then nothing of it counts, and it can be tried again,
 * or dropped. */
MUST_CHECK int writer_sync(struct writer *writer);

/* The marks that are on the disk. */
uint64_t writer_durable(const struct writer *writer);
uint64_t writer_published(const struct writer *writer);
/* Of the newest frame, 0: none. */
uint64_t writer_last(const struct writer *writer);
const char *writer_generation(const struct writer *writer);
uint32_t writer_segments(const struct writer *writer);
/* The folder, for journal_read_frame(). */
int writer_dir(const struct writer *writer);

#endif
