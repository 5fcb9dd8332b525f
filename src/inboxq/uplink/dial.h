/* SPDX-License-Identifier: ISC */
/*
 * A server's addresses, looked up anew each time and each to be tried in turn, IPv6 and IPv4, in
 * the order of getaddrinfo(3).  Nothing here waits: the lookup is resolve.h's, and a socket is
 * connecting when it is given.
 *
 * An address that says nothing costs its share of the time that connecting may take: what is left
 * of that by the number of those to come.
 */
#ifndef INBOXQ_UPLINK_DIAL_H
#define INBOXQ_UPLINK_DIAL_H

#include "inboxq/base/server.h"
#include "lib/address.h"
#include "lib/attr.h"

struct dial;
struct resolver;
struct tls;

struct dial_setup {
	struct resolver *resolver;
	const struct tls *tls; /* who we are: for the order of SRV records */
	unsigned seconds;      /* that the lookup may take, and then all addresses together */
};

/* Who is called. */
struct dial_target {
	char address[ADDRESS_ROOM];
	char name[SERVER_HOST_ROOM]; /* what the certificate has to prove */
	unsigned port;
};

/* Looks `server` up, a word that server_parse() takes.  on_ready is called once, from the loop:
 * dial_next() may then be called, in it, too; what was not found has been logged.  NULL: out of
 * memory. */
MUST_CHECK struct dial *dial_new(const struct dial_setup *setup, const char *server,
    void (*on_ready)(void *ctx), void *ctx);
/* At any time, within on_ready, too. */
void dial_free(struct dial *dial);

/* A non-blocking socket that is connecting to the next address; -1 if none is left. */
MUST_CHECK int dial_next(struct dial *dial, struct dial_target *target);

/* Whoever was reached at the last address was of no use: he is tried after the others next time. */
void dial_blame(struct dial *dial);

/* Has the last address had its time?  One that has spoken, be it half a handshake, has all of
 * `seconds` for itself. */
int dial_is_late(const struct dial *dial, int has_spoken);

#endif
