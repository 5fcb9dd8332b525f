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

#include "inboxq/base/order.h"

#define SRV_SERVICE "_inbox._tcp."
#define SRV_MAX 16             /* servers */
#define SRV_FIXED 6            /* bytes before the target: priority, weight, port */
#define SRV_ANSWER_ROOM 65535  /* bytes: the longest message there is */
#define SRV_WEIGHT_SCALE 100   /* who has weight 0 has a small chance: RFC 2782, "Weight" */

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

struct srv {
	unsigned priority;
	struct server server;
};

struct srv_list {
	struct srv at[SRV_MAX];
	size_t count;
	unsigned char answer[SRV_ANSWER_ROOM];
};

static int
failed(struct lookup *lookup, int is_none, const char *what)
{
	lookup->is_final = is_none;
	return why_say(&lookup->why, "%s: %s", lookup->server.name, what);
}

/* One record.  A target is the name server's text: it is taken if it could stand in `servers`. */
static void
take_record(struct srv_list *list, const ns_msg *message, const ns_rr *record)
{
	const unsigned char *data = ns_rr_rdata(*record);
	struct srv *srv = &list->at[list->count];
	char target[NS_MAXDNAME], word[NS_MAXDNAME + 16];
	unsigned weight;
	struct why why;

	if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) <= SRV_FIXED ||
	    list->count == SRV_MAX)
		return;
	if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + SRV_FIXED,
	        target, sizeof target) < 0)
		return;
	snprintf(word, sizeof word, "%s.:%u", target, (unsigned)ns_get16(data + 4));
	if (server_parse(word, &srv->server, &why) < 0 || srv->server.is_address)
		return;
	srv->priority = ns_get16(data);
	weight = ns_get16(data + 2);
	srv->server.weight = weight ? weight * SRV_WEIGHT_SCALE : 1;
	list->count++;
}

static int
ask_records(struct lookup *lookup, struct srv_list *list)
{
	const char *domain = lookup->server.host;
	char name[sizeof SRV_SERVICE + SERVER_HOST_ROOM];
	struct __res_state state;
	ns_msg message;
	ns_rr record;
	int len, is_none;

	snprintf(name, sizeof name, "%s%s", domain[0] == '_' ? "" : SRV_SERVICE, domain);
	memset(&state, 0, sizeof state);
	if (res_ninit(&state) != 0)
		return failed(lookup, 0, "resolv.conf cannot be read");
	len = res_nquery(&state, name, ns_c_in, ns_t_srv, list->answer, sizeof list->answer);
	is_none = state.res_h_errno == HOST_NOT_FOUND || state.res_h_errno == NO_DATA;
	res_nclose(&state);
	if (len < 0)
		return failed(lookup, is_none, is_none
		    ? "it has no SRV records"
		    : "no name server gives its SRV records now");
	if (ns_initparse(list->answer, len, &message) < 0)
		return failed(lookup, 0, "the name server's answer cannot be read");
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) == 0)
			take_record(list, &message, &record);
	}
	return list->count ? 0 : failed(lookup, 1, "its SRV records name no server");
}

/* By priority; those of one priority keep the order they came in. */
static void
sort_records(struct srv_list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		struct srv srv = list->at[i];
		size_t at = i;

		for (; at > 0 && list->at[at - 1].priority > srv.priority; at--)
			list->at[at] = list->at[at - 1];
		list->at[at] = srv;
	}
}

static void
add_records(struct lookup *lookup, struct srv_list *list)
{
	struct server group[SRV_MAX];
	size_t order[SRV_MAX], count;

	sort_records(list);
	for (size_t first = 0; first < list->count; first += count) {
		for (count = 0; first + count < list->count &&
		     list->at[first + count].priority == list->at[first].priority; count++)
			group[count] = list->at[first + count].server;
		order_servers(group, count, lookup->identity, order);
		for (size_t i = 0; i < count; i++)
			add_host(lookup, &group[order[i]]);
	}
}

static void
run_srv(struct lookup *lookup)
{
	struct srv_list *list = calloc(1, sizeof *list);

	if (!list)
		(void)failed(lookup, 0, "out of memory");
	else if (ask_records(lookup, list) == 0)
		add_records(lookup, list);
	free(list);
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
