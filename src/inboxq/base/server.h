/* SPDX-License-Identifier: ISC */
/*
 * A word of the key `servers`, taken apart: HOST, HOST:PORT, [ADDRESS]:PORT or srv:DOMAIN, each
 * with *WEIGHT behind it or not.  What can never work is refused here, with the reason, and not
 * by a resolver that is asked for it for years.
 *
 * Pure: nothing is looked up.
 */
#ifndef INBOXQ_BASE_SERVER_H
#define INBOXQ_BASE_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/why.h"

#define SERVER_PORT 7117
#define SERVER_WEIGHT_MAX 65535
#define SERVER_NAME_MAX 253 /* bytes of a name in the DNS, without the dot behind it */
#define SERVER_WORD_MAX 280 /* bytes: a name, and what may stand round it */
#define SERVER_HOST_ROOM (SERVER_NAME_MAX + 2)

struct server {
	/* For the resolver: a name, with the dot behind it if it was given one (it is then looked
	 * up as it stands), or an address, with its zone. */
	char host[SERVER_HOST_ROOM];
	/* For the certificate, and for people: lower case, no dot behind it, no zone. */
	char name[SERVER_HOST_ROOM];
	unsigned port;   /* 1 to 65535; of srv: 0 */
	unsigned weight; /* 1 to SERVER_WEIGHT_MAX; 0: it has none */
	int is_srv;      /* the names of the servers are asked for: RFC 2782 */
	int is_address;  /* there is nothing to look up */
};

/* 0; or -1, and `want` says what would be right. */
MUST_CHECK int server_parse(const char *word, struct server *server, struct why *want);

/* Do both lead to the same server, whatever their weights? */
int server_equal(const struct server *a, const struct server *b);

#endif
