/* SPDX-License-Identifier: ISC */
/*
 * The words of the key `servers`: the input is one.  What is taken is written again from its parts
 * and taken as the same; its name is one that a certificate can have; what is refused has a reason,
 * of one line.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "inboxq/base/server.h"

static void
check_why(const struct why *why)
{
	size_t len = strnlen(why->text, WHY_ROOM);

	FUZZ_CHECK(len > 0 && len < WHY_ROOM);
}

static void
check_parts(const struct server *server)
{
	size_t len = strlen(server->name);
	int is_v6 = strchr(server->name, ':') != NULL;

	FUZZ_CHECK(len >= 1 && len <= SERVER_NAME_MAX && server->name[len - 1] != '.');
	FUZZ_CHECK(strspn(server->name, is_v6 ? "0123456789abcdef:."
	                                      : "abcdefghijklmnopqrstuvwxyz0123456789-_.") == len);
	FUZZ_CHECK(!is_v6 || server->is_address);
	FUZZ_CHECK(server->is_srv ? server->port == 0 && !server->is_address
	                          : server->port >= 1 && server->port <= 65535);
	FUZZ_CHECK(server->weight <= SERVER_WEIGHT_MAX);
	FUZZ_CHECK(strncasecmp(server->host, server->name, len) == 0);
	FUZZ_CHECK(strchr(".%", server->host[len]) != NULL); /* or the end */
}

static void
check_again(const struct server *server)
{
	const char *open = strchr(server->host, ':') ? "[" : "", *close = *open ? "]" : "";
	char word[512], weight[16] = "";
	struct server again;
	struct why why;

	if (server->weight)
		snprintf(weight, sizeof weight, "*%u", server->weight);
	if (server->is_srv)
		snprintf(word, sizeof word, "srv:%s%s", server->host, weight);
	else
		snprintf(word, sizeof word, "%s%s%s:%u%s", open, server->host, close, server->port,
		    weight);
	FUZZ_CHECK(server_parse(word, &again, &why) == 0);
	FUZZ_CHECK(strcmp(server->host, again.host) == 0 && strcmp(server->name, again.name) == 0);
	FUZZ_CHECK(server->port == again.port && server->weight == again.weight);
	FUZZ_CHECK(server->is_srv == again.is_srv && server->is_address == again.is_address);
	FUZZ_CHECK(server_equal(server, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server server;
	struct why why = {""};
	char *word = malloc(size + 1);

	FUZZ_CHECK(word);
	if (size)
		memcpy(word, data, size);
	word[size] = '\0';
	if (server_parse(word, &server, &why) < 0) {
		check_why(&why);
	} else {
		check_parts(&server);
		check_again(&server);
	}
	free(word);
	return 0;
}
