/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/uplink/srv.h"

#ifdef HAVE_RES_NQUERY

#include <arpa/nameser.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "inboxq/base/order.h"

#define FIXED 6 /* bytes before the target: priority, weight, port */

struct srv {
	unsigned priority;
	struct server server;
};

/* 0, or -1: it is none, or none that we take. */
static int
take_record(const ns_msg *message, const ns_rr *record, struct srv *srv)
{
	const unsigned char *data = ns_rr_rdata(*record);
	char target[NS_MAXDNAME], word[NS_MAXDNAME + 16];
	unsigned weight;
	struct why why;

	if (ns_rr_type(*record) != ns_t_srv || ns_rr_class(*record) != ns_c_in ||
	    ns_rr_rdlen(*record) <= FIXED)
		return -1;
	if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), data + FIXED, target,
	        sizeof target) < 0)
		return -1;
	snprintf(word, sizeof word, "%s.:%u", target, (unsigned)(data[4] << 8 | data[5]));
	if (server_parse(word, &srv->server, &why) < 0)
		return -1;
	weight = (unsigned)(data[2] << 8 | data[3]);
	srv->server.weight = weight ? weight * SRV_WEIGHT_SCALE : 1;
	srv->priority = (unsigned)(data[0] << 8 | data[1]);
	return 0;
}

/* Behind those of its priority. */
static void
insert(struct srv list[SRV_MAX], size_t count, const struct srv *srv)
{
	size_t at = count;

	for (; at > 0 && list[at - 1].priority > srv->priority; at--)
		list[at] = list[at - 1];
	list[at] = *srv;
}

/* Each priority is a group. */
static void
put_in_order(const struct srv list[SRV_MAX], size_t count, const char *identity,
    struct server servers[SRV_MAX])
{
	struct server group[SRV_MAX];
	size_t order[SRV_MAX], members;

	for (size_t first = 0; first < count; first += members) {
		for (members = 0; first + members < count &&
		     list[first + members].priority == list[first].priority; members++)
			group[members] = list[first + members].server;
		order_servers(group, members, identity, order);
		for (size_t i = 0; i < members; i++)
			servers[first + i] = group[order[i]];
	}
}

int
srv_read(const unsigned char *answer, size_t len, struct server servers[SRV_MAX], size_t *count,
    const char *identity)
{
	struct srv list[SRV_MAX], srv;
	ns_msg message;
	ns_rr record;

	*count = 0;
	if (len > INT_MAX || ns_initparse(answer, (int)len, &message) < 0)
		return -1;
	for (int i = 0; i < ns_msg_count(message, ns_s_an) && *count < SRV_MAX; i++) {
		if (ns_parserr(&message, ns_s_an, i, &record) < 0)
			return -1;
		if (take_record(&message, &record, &srv) == 0)
			insert(list, (*count)++, &srv);
	}
	put_in_order(list, *count, identity, servers);
	return 0;
}

#endif
