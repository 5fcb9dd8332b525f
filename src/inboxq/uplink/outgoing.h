/* SPDX-License-Identifier: ISC */
/*
 * The items on their way to the server: the window with the one file whose PUT is
 * being written, and the large ones (large.h) beside it.  Little more than
 * OUTGOING_MAX bytes wait in the connection, whatever an item's size; so a small
 * item never waits for more than about that much of a large one.
 */
#ifndef INBOXQ_UPLINK_OUTGOING_H
#define INBOXQ_UPLINK_OUTGOING_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/uplink/large.h"
#include "lib/attr.h"

struct conn;
struct ends;
struct outgoing;
struct proto_line;
struct runstate_upload;
struct schedule;
struct spool;

#define OUTGOING_MAX (256 * 1024) /* bytes */

enum outgoing_result {
	OUTGOING_OK,
	OUTGOING_BROKEN,  /* the item's file failed us midway: it was set aside, and the
	                     connection cannot go on */
	OUTGOING_TROUBLE, /* the spool; errno says what */
};

/* Borrows all.  `bandwidth`: bytes a second, 0: as fast as it goes.  NULL: out of memory. */
MUST_CHECK struct outgoing *outgoing_new(const struct spool *spool, struct schedule *schedule,
    struct ends *ends, uint64_t bandwidth);
void outgoing_free(struct outgoing *outgoing);

/* The connection stands: what was written before is on its way to `server`, as all that
 * follows is.  Borrowed. */
void outgoing_opened(struct outgoing *outgoing, const char *server);

/* READY came, with the window. */
void outgoing_take_ready(struct outgoing *outgoing, const struct proto_line *line);

/* Writes what window and output allow; `no_more`: nothing but the rest of a PUT
 * that has begun. */
MUST_CHECK enum outgoing_result outgoing_pump(struct outgoing *outgoing, struct conn *conn,
    int64_t now, int no_more);

/* So many items may begin from here on; UINT_MAX, as at first: as many as there are. */
void outgoing_allow(struct outgoing *outgoing, unsigned items);

/* When outgoing_pump() may write more, microseconds, where it is the bandwidth that holds it; else
 * 0. */
int64_t outgoing_wait(const struct outgoing *outgoing);
/* So many bytes went out beside it. */
void outgoing_count(struct outgoing *outgoing, size_t bytes);

/* SEND came, for an item that is open. */
MUST_CHECK enum large_verdict outgoing_take_send(struct outgoing *outgoing, uint64_t n,
    uint64_t offset);

/* Bytes of a PUT are still to be written: no line may go between. */
int outgoing_is_midway(const struct outgoing *outgoing);
/* Does the server still lack bytes of item `n`, or is it not yet known that it does not? */
int outgoing_is_unfinished(const struct outgoing *outgoing, uint64_t n);
/* Item `n` of `size` was answered: it left the window, or is no longer open. */
void outgoing_answered(struct outgoing *outgoing, uint64_t n, uint64_t size);

/* From here on no further large item is announced; is one open? */
void outgoing_open_no_large(struct outgoing *outgoing);
int outgoing_has_large(const struct outgoing *outgoing);

/* The largest item that the server takes. */
uint64_t outgoing_item_max(const struct outgoing *outgoing);
/* How many open items the server has not been sent whole, and the bytes of all open
 * ones that it has. */
unsigned outgoing_unfinished(const struct outgoing *outgoing);
uint64_t outgoing_large_bytes(const struct outgoing *outgoing);
/* As uplink_look(). */
void outgoing_look(const struct outgoing *outgoing, struct runstate_upload *uploads);

#endif
