/* SPDX-License-Identifier: ISC */
/*
 * The items that are announced with OPEN and sent in DATA frames from the offset
 * that the server names: LARGE_MAX at once, a frame of each by turns.  A frame is
 * read whole before its line is written, so nothing is ever midway and any other
 * line may follow; and memory is one frame, whatever an item's size.
 *
 * How far an upload has come is the server's to know: after a cut it says where
 * to go on, so nothing of it is kept here.
 */
#ifndef INBOXQ_UPLINK_LARGE_H
#define INBOXQ_UPLINK_LARGE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct conn;
struct large;
struct runstate_upload;
struct spool_item;

#define LARGE_MAX 2 /* items open at once; the protocol allows PROTO_OPENS_MAX */

enum large_verdict {
	LARGE_OK,
	LARGE_FAULT,  /* no honest server says this */
	LARGE_SPOILT, /* what arrived was wrong for the second time: try again later */
};

/* NULL: out of memory. */
MUST_CHECK struct large *large_new(void);
void large_free(struct large *large);

int large_has_room(const struct large *large);
/* Says OPEN.  Takes `fd`.  There must be room. */
void large_open(struct large *large, struct conn *conn, uint64_t n, int fd,
    const struct spool_item *item);
/* SEND came. */
MUST_CHECK enum large_verdict large_send(struct large *large, uint64_t n, uint64_t offset);
/* The item was answered: no more of it is sent.  0 if it was not open. */
int large_close(struct large *large, uint64_t n);

/* Has SEND asked for bytes that are not yet written? */
int large_has_frame(const struct large *large);
/*
 * Writes the next frame, of up to `most` bytes; there must be one.  Returns 0, or the number of an
 * item whose file could not be read on, with the reason in `why`.
 */
MUST_CHECK uint64_t large_write_frame(struct large *large, struct conn *conn, size_t most,
    const char **why);

/* Items open; those among them that the server has not been sent whole; is item `n`
 * such a one? */
unsigned large_count(const struct large *large);
unsigned large_unfinished(const struct large *large);
int large_is_unfinished(const struct large *large, uint64_t n);
/* How many bytes of the open items the server has or is being sent. */
uint64_t large_bytes(const struct large *large);
/* As uplink_look(). */
void large_look(const struct large *large, struct runstate_upload *uploads);

#endif
