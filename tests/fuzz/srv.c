/* SPDX-License-Identifier: ISC */
/*
 * The SRV records in a name server's answer: the input is the answer.  Each server that is taken is
 * one that the key `servers` could name, and has a name and a port; the same answer gives the same
 * order again.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "inboxq/uplink/srv.h"

#ifdef HAVE_RES_NQUERY

static void
check_server(const struct server *server)
{
	char word[SERVER_WORD_MAX + 1];
	struct server again;
	struct why why;

	FUZZ_CHECK(!server->is_srv && !server->is_address);
	FUZZ_CHECK(server->weight >= 1 && server->weight <= 65535 * SRV_WEIGHT_SCALE);
	FUZZ_CHECK(server->host[strlen(server->host) - 1] == '.');
	snprintf(word, sizeof word, "%s:%u", server->host, server->port);
	FUZZ_CHECK(server_parse(word, &again, &why) == 0 && server_equal(server, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server servers[SRV_MAX], again[SRV_MAX];
	unsigned char *answer = fuzz_copy(data, size);
	size_t count = 99, count_again;
	int rc;

	memset(servers, 0xff, sizeof servers);
	rc = srv_read(answer, size, servers, &count, "pc1.example.org");
	FUZZ_CHECK(count <= SRV_MAX);
	for (size_t i = 0; rc == 0 && i < count; i++)
		check_server(&servers[i]);
	FUZZ_CHECK(srv_read(answer, size, again, &count_again, "pc1.example.org") == rc);
	FUZZ_CHECK(count == count_again);
	for (size_t i = 0; rc == 0 && i < count; i++)
		FUZZ_CHECK(server_equal(&servers[i], &again[i]));
	free(answer);
	return 0;
}

#else

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)data, (void)size;
	return 0;
}

#endif
