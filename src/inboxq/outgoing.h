/* SPDX-License-Identifier: ISC */
/*
 * The items on their way to the server: the window, and the one file whose
 * bytes are being written.  At most OUTGOING_MAX bytes wait in the connection,
 * whatever an item's size.
 */
#ifndef INBOXQ_OUTGOING_H
#define INBOXQ_OUTGOING_H

#include <stdint.h>

#include "lib/attr.h"

struct conn;
struct outgoing;
struct proto_line;
struct queue;
struct spool;

#define OUTGOING_MAX (256 * 1024) /* bytes */

enum outgoing_result {
	OUTGOING_OK,
	OUTGOING_BROKEN,  /* the item's file failed us midway: it was set aside, and the
	                     connection cannot go on */
	OUTGOING_TROUBLE, /* the spool; errno says what */
};

/* Borrows all.  NULL: out of memory. */
MUST_CHECK struct outgoing *outgoing_new(const struct spool *spool, struct queue *queue);
void outgoing_free(struct outgoing *outgoing);

/* READY came, with the window. */
void outgoing_take_ready(struct outgoing *outgoing, const struct proto_line *line);

/* Writes what window and output allow; `no_more`: no new item, but the bytes of the
 * one begun. */
MUST_CHECK enum outgoing_result outgoing_pump(struct outgoing *outgoing, struct conn *conn,
    int64_t now, int no_more);

/* Bytes of an item are still to be written: no line may go between. */
int outgoing_is_midway(const struct outgoing *outgoing);
/* Is it item `n` that is midway? */
int outgoing_is_sending(const struct outgoing *outgoing, uint64_t n);
/* An item of `size` was answered, and left the window. */
void outgoing_answered(struct outgoing *outgoing, uint64_t size);

#endif
