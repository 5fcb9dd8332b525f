/* SPDX-License-Identifier: ISC */
/*
 * An item in the spool is one file: a header of SPOOL_HEADER bytes, which is one line of text
 * padded with spaces, LF last, then its bytes.
 *
 *	inboxq-item 1 <inbox> <size> <sha256> time=<seconds> [priority=<low|high>] [claim=<id>]
 *	    [name=<escaped>]
 *
 * What follows the time stands in any order, and what is not known there is passed over.
 *
 * The digest is taken while the bytes are copied in, so it protects them all
 * the way to the receiver's disk.
 *
 * Rejected: header and bytes in two files, which a crash can part.
 */
#ifndef INBOXQ_SPOOL_ITEM_H
#define INBOXQ_SPOOL_ITEM_H

#include <stdint.h>
#include <time.h>

#include "inboxq/spool/spool.h"
#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/escape.h"
#include "lib/id.h"
#include "lib/proto.h"

#define SPOOL_REASON_MAX 1024 /* bytes */

/* How it is told from others that wait; zero is what an item is that says nothing of it. */
enum item_priority { ITEM_NORMAL, ITEM_LOW, ITEM_HIGH, ITEM_PRIORITIES };

struct spool_item {
	char inbox[PROTO_INBOX_MAX + 1];
	uint64_t size; /* bytes, without the header */
	char sha256[DIGEST_TEXT_ROOM];
	uint64_t time;                          /* when it was taken in, seconds since 1970 UTC */
	enum item_priority priority;
	char claim[ID_ROOM]; /* of a file that a hot folder gave up: the claim's id; else "" */
	char name[ESCAPE_ROOM(PROTO_NAME_MAX)]; /* the file's name, escaped; "": none */
};

/* "low", "normal", "high"; and back: 0, or -1 where it is none of these. */
const char *item_priority_text(enum item_priority priority);
MUST_CHECK int item_priority_parse(const char *text, enum item_priority *priority);

void item_header_format(char header[SPOOL_HEADER], const struct spool_item *item);
/* 0, or -1 where it is not a header. */
MUST_CHECK int item_header_parse(const char header[SPOOL_HEADER], struct spool_item *item);

/*
 * Opens item `n` and reads its header; the descriptor stands at the item's
 * first byte.  -1: errno is ENOENT where it is gone, EILSEQ where the header
 * or the file's size is not what it should be (`why` says which), and *item
 * holds what could be read; item_is_to_blame() judges any other.
 */
MUST_CHECK int item_open(const struct spool *spool, enum spool_part part, uint64_t n,
    struct spool_item *item, struct why *why);

/* Does an errno of opening or reading an item tell of that item (a bad disk, a file that
 * is none of ours), and not of a lack of ours? */
int item_is_to_blame(int error);

/* Reads the whole item: does it no longer have the size and the SHA-256 of its
 * header, or can it not be read?  An item that is gone is not damaged. */
MUST_CHECK int item_is_damaged(const struct spool *spool, enum spool_part part, uint64_t n);

/* The rest returns 0, or -1 with errno set. */

/* Deletes the item's file; one that is gone already is fine. */
MUST_CHECK int item_delete(struct spool *spool, enum spool_part part, uint64_t n);

/* Moves the item from queue/ to failed/, also where a crash has left it in both: EEXIST
 * only where failed/ has another one of that number.  item_write_reason(), which writes
 * failed/N.reason (one line of text) so that it lasts, goes before it. */
MUST_CHECK int item_write_reason(const struct spool *spool, uint64_t n, const char *text);
MUST_CHECK int item_set_aside(const struct spool *spool, uint64_t n);
/* "" where there is none. */
void item_read_reason(const struct spool *spool, uint64_t n, char text[SPOOL_REASON_MAX + 1]);
/* When it was written, seconds since 1970 UTC; 0: there is none. */
time_t item_reason_time(const struct spool *spool, uint64_t n);
/* From failed/ back into queue/, under the lock, as spool_enqueue(); ENOENT: it is not there. */
MUST_CHECK int item_requeue(struct spool *spool, uint64_t from, uint64_t *n);
/* What was moved between queue/ and failed/ has. */
MUST_CHECK int item_sync_moves(const struct spool *spool);
void item_drop_reason(const struct spool *spool, uint64_t n);

#endif
