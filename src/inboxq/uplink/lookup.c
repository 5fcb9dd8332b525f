/* SPDX-License-Identifier: ISC */
/*
 * Rejected: libevent's evdns, which knows /etc/hosts and DNS alone: what mDNS, LDAP or
 * systemd-resolved know by nsswitch.conf(5), and each administrator has seen work by
 * getent(1), it would not find.
 */
#include "config.h"

#include "inboxq/uplink/lookup.h"

#include <arpa/nameser.h>
#include <errno.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/uplink/srv.h"

#define SRV_SERVICE "_inbox._tcp."
#define ANSWER_ROOM 65535 /* bytes: the longest message there is */

static void
add_address(struct lookup *lookup, const struct server *server, const struct addrinfo *found)
{
	struct lookup_address *to = &lookup->at[lookup->count];

	if (lookup->count == LOOKUP_MAX || found->ai_addrlen > sizeof to->address)
		return;
	memcpy(&to->address, found->ai_addr, found->ai_addrlen);
	to->len = found->ai_addrlen;
	to->port = server->port;
	strcpy(to->name, server->name);
	lookup->count++;
}

/* Is it the last word on this name?  A name server that is away, memory and descriptors are
 * not. */
static int
is_final(int rc)
{
#ifdef EAI_NODATA
	if (rc == EAI_NODATA)
		return 1;
#endif
	return rc == EAI_NONAME;
}

/* The addresses of one host behind those that are there. */
static void
add_host(struct lookup *lookup, const struct server *server)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV | (server->is_address ? AI_NUMERICHOST : 0)};
	struct addrinfo *found = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof port, "%u", server->port);
	rc = getaddrinfo(server->host, port, &hints, &found);
	if (rc != 0) {
		lookup->is_final &= is_final(rc);
		why_say(&lookup->why, "%s: %s", server->name, server->is_address
		    ? "no such interface here"
		    : rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		return;
	}
	for (const struct addrinfo *at = found; at; at = at->ai_next)
		add_address(lookup, server, at);
	freeaddrinfo(found);
}

#ifdef HAVE_RES_NQUERY

static int
failed(struct lookup *lookup, int is_none, const char *what)
{
	lookup->is_final = is_none;
	return why_say(&lookup->why, "%s: %s", lookup->server.name, what);
}

/* The answer's length, or -1. */
static int
ask_records(struct lookup *lookup, unsigned char *answer)
{
	const char *domain = lookup->server.host;
	char name[sizeof SRV_SERVICE + SERVER_HOST_ROOM];
	struct __res_state state;
	int len, is_none;

	snprintf(name, sizeof name, "%s%s", domain[0] == '_' ? "" : SRV_SERVICE, domain);
	memset(&state, 0, sizeof state);
	if (res_ninit(&state) != 0)
		return failed(lookup, 0, "resolv.conf cannot be read");
	len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer, ANSWER_ROOM);
	is_none = state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA;
	res_nclose(&state);
	if (len >= 0)
		return len < ANSWER_ROOM ? len : ANSWER_ROOM;
	return failed(lookup, is_none, is_none ? "it has no SRV records"
	                                       : "no name server gives its SRV records now");
}

static void
run_srv(struct lookup *lookup)
{
	unsigned char *answer = malloc(ANSWER_ROOM);
	struct server *servers = calloc(SRV_MAX, sizeof *servers);
	size_t count = 0;
	int len = -1;

	if (!answer || !servers)
		(void)failed(lookup, 0, "out of memory");
	else
		len = ask_records(lookup, answer);
	if (len >= 0 && srv_read(answer, (size_t)len, servers, &count, lookup->identity) < 0)
		(void)failed(lookup, 0, "the name server's answer cannot be read");
	else if (len >= 0 && count == 0)
		(void)failed(lookup, 1, "its SRV records name no server");
	for (size_t i = 0; i < count; i++)
		add_host(lookup, &servers[i]);
	free(servers);
	free(answer);
}

#else

static void
run_srv(struct lookup *lookup)
{
	lookup->is_final = 1;
	why_say(&lookup->why, "%s: this system's library asks for no SRV records",
	    lookup->server.name);
}

#endif

void
lookup_run(struct lookup *lookup)
{
	lookup->is_final = 1;
	if (lookup->server.is_srv)
		run_srv(lookup);
	else
		add_host(lookup, &lookup->server);
	if (lookup->count > 0)
		lookup->is_final = 0;
}
