/* SPDX-License-Identifier: ISC */
/*
 * An item's way in, for any front: it is offered, its bytes come, it goes to the commit
 * thread, and its end is told to whoever owns the intake.  One intake a connection, on its
 * worker; drafts, digests, what remains, opened items, what counts against the client's
 * window and every counter of an item are here.
 *
 * It knows no line of any protocol, and a front knows no draft: what a front may say
 * of an item is what it is told by struct intake_owner.
 */
#ifndef INBOXD_INTAKE_INTAKE_H
#define INBOXD_INTAKE_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/serve/share.h"
#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/proto.h"
#include "lib/record.h"

struct intake;
struct join;
struct shop;
struct site;
struct untold;

/* How an item ends; exactly one of the first two is called for each one offered, unless
 * the connection ends before (then it is counted as cut off). */
struct intake_owner {
	/* P1: it lies in its inbox under `name` and is synced; `again`: it did so before it
	 * was offered.  Nothing else may be told to a client as stored.  Returns whether there
	 * is still somebody to tell. */
	int (*on_stored)(void *ctx, uint64_t number, const char *name, int again);
	/* It is not.  LATER or REFUSED, as the code has it; LATER: in `seconds`. */
	void (*on_not_stored)(void *ctx, uint64_t number, enum proto_code code, uint64_t seconds,
	    const char *text);
	/* An opened item is not known: its bytes are wanted, from `offset` on. */
	void (*on_wanted)(void *ctx, uint64_t number, uint64_t offset);
	/* Something has come back from the commit thread, and its end was told: there may be
	 * room to go on.  The intake may be freed in it. */
	void (*on_back)(void *ctx);
};

/* Borrows all: `sharer` is the connection's share of the way to the commit thread. */
MUST_CHECK struct intake *intake_new(struct shop *shop, struct sharer *sharer,
    const char *identity, const struct intake_owner *owner, void *ctx);
/* Once, before the first offer: whose items they are, as the commit thread's answer says.
 * `queue_id` is borrowed. */
void intake_join(struct intake *in, const struct join *join, const char *queue_id);
/* What the commit thread has not been told, for it: whoever takes it sends it there. */
void intake_take_untold(struct intake *in, struct untold *out);
/* Only where it is not busy.  NULL is fine. */
void intake_free(struct intake *in);

struct intake_offer {
	uint64_t number, size, sent; /* sent: UTC microseconds, 0: not said */
	const char *inbox;           /* borrowed for the call, not terminated */
	size_t inbox_len;
	unsigned char sha256[DIGEST_SIZE];
	char hint[RECORD_HINT_ROOM]; /* "": none */
};

/* The largest item that may be offered whole, bytes. */
uint64_t intake_whole_most(const struct site *site);

/* Its `size` bytes follow, by intake_bytes(), whether it is taken or has ended already. */
void intake_whole(struct intake *in, const struct intake_offer *offer);

/* Is it known?  If not, its bytes are wanted, in pieces. */
void intake_open(struct intake *in, const struct intake_offer *offer);

enum intake_piece {
	INTAKE_PIECE,    /* its bytes follow, by intake_bytes() */
	INTAKE_NOT_OPEN, /* nobody was told that bytes of it are wanted */
	INTAKE_MISPLACED /* see *offset and *most */
};
/* Bytes of an open item are next.  Those of one that has ended lately are taken, and
 * dropped: its end may have crossed them.  MISPLACED: what would be right. */
MUST_CHECK enum intake_piece intake_piece(struct intake *in, uint64_t number, uint64_t *offset,
    uint64_t length, uint64_t *most);

/* Takes up to `len` of the bytes that follow; returns how many it took. */
size_t intake_bytes(struct intake *in, const unsigned char *data, size_t len);
/* How many are still to come. */
uint64_t intake_remaining(const struct intake *in);
/* Must they wait for the client's window? */
int intake_must_wait(const struct intake *in);

/* The number will never come: what has come of it goes. */
void intake_forget(struct intake *in, uint64_t number);
/* Once a second: what comes for an inbox that is paused now is put off; of large items what has
 * come stays. */
void intake_tick(struct intake *in);
/* The connection reads no more: what was not handed over is abandoned.  Of large items,
 * what has come stays for the next connection. */
void intake_cut_off(struct intake *in);

/* Is something at the commit thread? */
int intake_is_busy(const struct intake *in);
/* Likewise, or has one come whole, and what was there of it before is still read? */
int intake_is_due(const struct intake *in);
/* Nothing is under way: no item whose bytes come, none that is open, none at the commit thread. */
int intake_is_empty(const struct intake *in);
/* Once a second in which the client was read: has an item taken longer to come than [limits] line,
 * and its bytes at [limits] rate, allow? */
int intake_is_late(struct intake *in);

#endif
