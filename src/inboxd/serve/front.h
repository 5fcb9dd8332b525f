/* SPDX-License-Identifier: ISC */
/*
 * A front is a protocol: it takes a connection when the handshake has agreed on its
 * name (ALPN), and has it to its end.  Whoever holds a connection is a guest of the
 * worker: the handshake first (handshake.h), then the front's own struct.
 */
#ifndef INBOXD_SERVE_FRONT_H
#define INBOXD_SERVE_FRONT_H

#include <stdint.h>

struct conn;
struct front;
struct shop;

/* The first member of what has a connection. */
struct guest {
	struct guest *next, *previous;
	const struct front *front;
	uint64_t began;       /* seconds of shop->now: when the connection came */
	uint64_t site_number; /* of the configuration that trusts its peer */
	int crowded;          /* one too many: it is told so, and goes */
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
};

/* On the worker's list from here on; `from` NULL: a new connection. */
void guest_enter(struct shop *shop, struct guest *guest, const struct front *front,
    const struct guest *from);
/* Off it; the memory is the caller's. */
void guest_leave(struct shop *shop, struct guest *guest);

/* Counts and logs that the connection is over, and frees it: for on_close().  `identity`:
 * "" where it is not known. */
void guest_close(struct shop *shop, struct conn *conn, const char *identity, const char *error);

#endif
