/* SPDX-License-Identifier: ISC */
/* In whole numbers: the same order on every machine, by whatever compiler and libm. */
#include "inboxq/base/order.h"

#include <stdint.h>
#include <stdlib.h>

#include "lib/conf.h"
#include "lib/mix.h"

#define FRACTION 32 /* bits */

/* -log2(u) of u = hash / 2^64, with FRACTION bits behind the point: 0 to just above 64. */
static uint64_t
minus_log2(uint64_t hash)
{
	uint64_t whole = 1, mantissa, log = 0;

	hash |= 1;
	while (!(hash >> 63)) {
		hash <<= 1;
		whole++;
	}
	/* u is mantissa / 2^31 / 2^whole, with the mantissa from 2^31 to below 2^32; each squaring
	 * gives the next bit of its logarithm. */
	mantissa = hash >> 32;
	for (int bit = 0; bit < FRACTION; bit++) {
		mantissa = mantissa * mantissa >> 31;
		log <<= 1;
		if (mantissa >> 32) {
			mantissa >>= 1;
			log |= 1;
		}
	}
	return (whole << FRACTION) - log;
}

/* The least -log(u) / weight comes first: the chance to be the first is weight by weight. */
static int
comes_before(const struct server *a, uint64_t a_log, const struct server *b, uint64_t b_log)
{
	return a_log * b->weight < b_log * a->weight;
}

static uint64_t
draw(const struct server *server, const char *identity)
{
	uint64_t hash = mix_text(mix_text(0, identity), server->name);

	/* Two addresses of one link-local name differ by the zone alone. */
	if (server->is_address)
		hash = mix_text(hash, server->host);
	return minus_log2(mix(hash + server->port + ((uint64_t)server->is_srv << 32)));
}

void
order_servers(const struct server *servers, size_t count, const char *identity, size_t order[])
{
	for (size_t i = 0; i < count; i++) {
		uint64_t log = servers[i].weight ? draw(&servers[i], identity) : 0;
		size_t at = i;

		/* Into its place among those of its group that are there already. */
		while (servers[i].weight && at > 0 && servers[order[at - 1]].weight &&
		    comes_before(&servers[i], log, &servers[order[at - 1]],
		        draw(&servers[order[at - 1]], identity))) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = i;
	}
}

char **
order_words(const struct conf_list *words, enum order_way way, const char *identity)
{
	struct server *servers = calloc(words->count + 1, sizeof *servers);
	size_t *order = calloc(words->count + 1, sizeof *order);
	char **ordered = calloc(words->count + 1, sizeof *ordered);
	struct why why;

	if (!servers || !order || !ordered) {
		free(ordered);
		ordered = NULL;
		goto out;
	}
	for (size_t i = 0; i < words->count; i++) {
		(void)!server_parse(words->items[i], &servers[i], &why);
		if (way == ORDER_SPREAD && servers[i].weight == 0)
			servers[i].weight = 1;
	}
	order_servers(servers, words->count, identity, order);
	for (size_t i = 0; i < words->count; i++)
		ordered[i] = words->items[order[i]];
out:
	free(servers);
	free(order);
	return ordered;
}
