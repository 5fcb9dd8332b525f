/* SPDX-License-Identifier: ISC */
/*
 * The addresses of a server, by the system's own means: files, DNS, whatever nsswitch.conf(5)
 * says, in the order of getaddrinfo(3) (RFC 6724); of srv:DOMAIN first the servers, by the SRV
 * records of _inbox._tcp.DOMAIN (or of DOMAIN itself, if it begins with "_"): RFC 2782.
 *
 * It blocks, for a minute or more where no name server answers; resolve.h is for who cannot.
 */
#ifndef INBOXQ_UPLINK_LOOKUP_H
#define INBOXQ_UPLINK_LOOKUP_H

#include <stddef.h>
#include <sys/socket.h>

#include "inboxq/base/server.h"
#include "lib/identity.h"
#include "lib/why.h"

#define LOOKUP_MAX 32 /* addresses; what is beyond is left out */

struct lookup_address {
	struct sockaddr_storage address;
	socklen_t len;
	char name[SERVER_HOST_ROOM]; /* what the certificate has to prove */
	unsigned port;
};

struct lookup {
	struct server server;
	/* Among SRV records of one priority the order is this client's: base/order.h. */
	char identity[IDENTITY_MAX + 1];
	/* The outcome: none, and the reason; `is_final` if it is the name server's own word that
	 * there is none, and nothing that may pass in a minute. */
	size_t count;
	struct lookup_address at[LOOKUP_MAX];
	int is_final;
	int is_old; /* the addresses are those of before */
	struct why why;
};

/* Any thread. */
void lookup_run(struct lookup *lookup);

#endif
