/* SPDX-License-Identifier: ISC */
/*
 * A front is a protocol: it takes a connection when the handshake has agreed on its
 * name (ALPN), and has it to its end.  Whoever holds a connection is a guest of the
 * worker: the handshake first (handshake.h), then the front's own struct.
 */
#ifndef INBOXD_SERVE_FRONT_H
#define INBOXD_SERVE_FRONT_H

#include <stdint.h>

#include "lib/attr.h"

struct conn;
struct front;
struct shop;
struct ticket;

/* The first member of what has a connection. */
struct guest {
	struct guest *next, *previous; /* who was useful later, and earlier, see guest_touch() */
	const struct front *front;
	struct ticket *ticket; /* for main's news of it; NULL: nobody wants any */
	uint64_t began;       /* seconds of shop->awake: when the connection came */
	uint64_t touched;     /* likewise: when it was useful last */
	uint64_t site_number; /* of the configuration that trusts its peer */
	int stays;            /* it counts among shop->staying */
	int is_crowded;       /* one too many: another makes room for it, or it goes */
};

struct front {
	const char *alpn;
	/* Takes the connection, whose handshake is done, in place of `from`: begins with
	 * conn_set_owner() and guest_enter().  Within the connection's on_open. */
	void (*adopt)(struct shop *shop, struct conn *conn, const struct guest *from);
	/* Once a second.  It may leave in it, here and below. */
	void (*tick)(struct guest *guest);
	/* The receiver stops: what is in flight is answered, then it leaves. */
	void (*drain)(struct guest *guest);
	/* Its place is wanted.  1: it does nothing, and goes, in order; it has called
	 * guest_retire().  NULL: none does. */
	int (*make_room)(struct guest *guest);
};

/* On the worker's list from here on; `from` NULL: a new connection. */
void guest_enter(struct shop *shop, struct guest *guest, const struct front *front,
    const struct guest *from);
/* Off it; the memory is the caller's. */
void guest_leave(struct shop *shop, struct guest *guest);

/* Its handshake is done: it counts, and may be one too many. */
void guest_settle(struct shop *shop, struct guest *guest);
/* It is about to go, and takes no place from others any more; nor is it among the first to be asked
 * for one.  Any number of times. */
void guest_retire(struct shop *shop, struct guest *guest);
/* It does what it is here for: of all guests it is now the last that would have to make room. */
void guest_touch(struct shop *shop, struct guest *guest);
/* Has one of those that do nothing made room?  Who was useful longest ago is asked first; who could
 * not, last the next time. */
MUST_CHECK int guest_make_room(struct shop *shop);

/* Counts and logs that the connection is over, and frees it: for on_close().  `identity`:
 * "" where it is not known. */
void guest_close(struct shop *shop, struct guest *guest, struct conn *conn, const char *identity,
    const char *error);

#endif
