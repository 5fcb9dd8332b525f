/* SPDX-License-Identifier: ISC */
/*
 * The journal as it lies on the disk: what an acknowledgement stands on until the item's file
 * is durable.  The receiver (inboxd/commit/writer.h) writes it; a start and inboxctl read it.
 *
 * <root>/journal/ has segments 0000, 0001, ... of JOURNAL_SEGMENT bytes each, whose blocks were
 * written when they were made.  What one sync makes durable is a batch: a head, then its frames.
 * A batch begins at a multiple of JOURNAL_BLOCK and lies within one segment, so nothing that
 * was synced before is ever written again beside it.  All integers are little-endian.
 *
 *	at  bytes
 *	 0    8   "inboxd-j"
 *	 8    4   version: 1
 *	12    4   CRC-32C of all from the root's id to the end of the table
 *	16   32   root: its id, 32 digits of lower-case hexadecimal
 *	48   32   generation: likewise, drawn when the journal was made
 *	80    8   number of the batch, from 1, ascending
 *	88    8   before: the number of the batch that this one follows; 0: none
 *	96    8   from: the last seq of a frame before this batch (0: none)
 *	104   8   last: the last seq of a frame up to the end of this batch
 *	112   8   durable: the drafts of all up to this seq are on stable storage
 *	120   8   published: the names in new/ and the ledger's lines of all up to this seq are, too
 *	128   4   chain: the CRC of the head of `before`; 0: none
 *	132   4   segments: how many the journal has
 *	136   4   count of frames
 *	140   4   0
 *	144  24   a row of the table for each frame: seq (8), bytes of its record (4) and of its
 *	          item (4; 0 for one that carries none), whether it carries its item's bytes (4:
 *	          1 or 0), CRC-32C of both (4)
 *
 * Then for each frame, one behind the other: the record, which is the accept's line in the
 * ledger with its LF (record.h), and the item's bytes if it carries them.  A frame without
 * bytes is of an item whose draft was durable before.  The rest of the last block is undefined.
 *
 * Seqs ascend within a batch and from one to the next: `from` is the `last` of the batch that it
 * follows.  published <= durable <= last.  The generation is told to nobody: bytes that a client
 * sent can look like a head, but never like one of ours.
 *
 * The marks `durable` and `published` never go back.  A frame is free once a batch that was
 * synced says that it is published; a segment may be written again from its beginning when all
 * its frames are free and it does not hold the newest batch.
 */
#ifndef LIB_JOURNAL_H
#define LIB_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/id.h"
#include "lib/why.h"

#define JOURNAL_FOLDER "journal"
#define JOURNAL_VERSION 1
#define JOURNAL_BLOCK 4096
#define JOURNAL_SEGMENT (1024 * 1024)
#define JOURNAL_SEGMENTS_MIN 4
#define JOURNAL_SEGMENTS_MAX 9999
/* Most bytes of an item that a frame carries. */
#define JOURNAL_ITEM_MAX (64 * 1024)
#define JOURNAL_HEAD_SIZE 144
#define JOURNAL_ROW_SIZE 24

/* What a head says but for its table; see above. */
struct journal_head {
	char root[ID_ROOM], generation[ID_ROOM];
	uint64_t number, before, from, last, durable, published;
	uint32_t chain, segments, count;
	uint32_t crc; /* its own: the next one's chain */
	uint32_t version;
};

/* A row of the table, and where the frame lies. */
struct journal_frame {
	uint64_t seq;
	uint32_t record_size, item_size, has_item;
	uint32_t crc;     /* of record and bytes */
	uint32_t segment; /* its file */
	uint32_t offset;  /* of the record there; the bytes follow it */
	int is_damaged;   /* the CRC is wrong: neither record nor bytes can be used */
};

/* ---- the codec */

/* Bytes of a head with a table of `count` rows. */
size_t journal_head_size(uint32_t count);
/* Bytes of a frame. */
size_t journal_frame_size(const struct journal_frame *frame);
/* Writes the head with its table; head->crc and ->version are set. */
void journal_put_head(unsigned char *dst, struct journal_head *head,
    const struct journal_frame *table);
/* Reads a head from JOURNAL_HEAD_SIZE bytes, and believes all they say but for the magic.  Bytes
 * of head and table; 0: there is none, or (head->version is not 0) no segment could hold it. */
size_t journal_get_head(const unsigned char *src, struct journal_head *head);
/* Such a head, with its table, in full: the checksum is right, and it says nothing that a
 * receiver would not write into a segment that has `room` bytes from there on.  Bytes that the
 * batch takes, or 0: it is none. */
size_t journal_check_head(const unsigned char *src, const struct journal_head *head, size_t room);
/* Row i of its table; where the frame lies is for the caller to add. */
void journal_get_row(const unsigned char *src, uint32_t i, struct journal_frame *frame);
/* The name of a segment's file. */
#define JOURNAL_NAME_ROOM 12
void journal_segment_name(uint32_t segment, char name[JOURNAL_NAME_ROOM]);

/* ---- reading */

/* Numbers that a batch had that is missing or has a damaged head: above `after`, up to `until`.
 * Some of them may never have had a frame. */
struct journal_hole {
	uint64_t after, until;
};

enum journal_found {
	JOURNAL_READ,     /* the rest of the struct tells */
	JOURNAL_NONE,     /* there is no folder, or no whole batch in it: it was never used */
	/* A segment is missing, or shorter than it was made, or what is wanted lies in a file that
	 * is none of the journal's segments; the rest of the struct tells what there is.  Or which
	 * batch is the newest cannot be told; head.number is 0. */
	JOURNAL_DAMAGED,
	JOURNAL_STRANGER, /* of another root, or a segment of another generation than others */
	JOURNAL_NEWER,    /* of a version that this program does not know */
	JOURNAL_FAILED    /* reading failed, with errno */
};

struct journal {
	enum journal_found found;
	struct why why; /* of all but JOURNAL_READ and _NONE: which file, what, what it should be */
	/* The newest batch that was synced: its head, where it begins and the bytes it takes
	 * there (whole blocks). */
	struct journal_head head;
	uint32_t segment, offset, size;
	uint64_t highest; /* number of any batch that was seen; above head.number: a torn one */
	/* The frames above head.published that belong to head or to a batch before it, by seq. */
	struct journal_frame *frames;
	size_t count;
	struct journal_hole *holes; /* likewise, where such a batch cannot be read */
	size_t hole_count;
};

/*
 * Reads <root>/journal.  `dir` is that folder, open, or -1 where there is none; `root` the
 * root's id, or NULL: whosever it is.  Changes nothing; a receiver may write meanwhile, which
 * can look like damage: who reads beside one tries again.
 *
 * The newest whole batch counts, and what it follows.  What stands above it was being written
 * when the last run ended, was never synced, and so never answered: a torn batch counts as never
 * written.  What another one follows was synced before that was begun, even if the other is torn:
 * a bad frame there, or a batch that is missing, is damage, and is told as such (is_damaged,
 * holes), never passed over.  Below a hole only whole batches are taken, since a batch with bad
 * frames may be a torn one there, and its numbers another's: the hole covers it.
 *
 * Time and memory are bounded by the size of the segments, whatever is in them.
 */
void journal_read(struct journal *journal, int dir, const char *root);
void journal_free(struct journal *journal);

/*
 * Reads a frame's record (with its LF, and a NUL behind it) and, where it carries one and
 * `item` is not NULL, its item's bytes; both are checked against the frame's CRC.  `record` has
 * room for RECORD_LINE_MAX + 1 bytes, `item` for frame->item_size.  0, or -1 with errno, EBADMSG
 * for bytes that are not the frame's.
 */
MUST_CHECK int journal_read_frame(int dir, const struct journal_frame *frame, char *record,
    void *item);

#endif
