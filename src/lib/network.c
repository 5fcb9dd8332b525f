/* SPDX-License-Identifier: ISC */
#include "lib/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/parse.h"

/* Are all bits of `a` and `b` the same, from the first one to `end`? */
static int
are_same(const unsigned char *a, const unsigned char *b, unsigned end)
{
	unsigned rest = end % 8;

	if (memcmp(a, b, end / 8) != 0)
		return 0;
	return rest == 0 || (a[end / 8] ^ b[end / 8]) >> (8 - rest) == 0;
}

static int
is_clear_behind(const struct network *network, unsigned all)
{
	for (unsigned bit = network->bits; bit < all; bit++) {
		if (network->address[bit / 8] & 0x80u >> bit % 8)
			return 0;
	}
	return 1;
}

int
network_parse(const char *text, struct network *out)
{
	size_t len = strcspn(text, "/");
	char address[INET6_ADDRSTRLEN];
	unsigned all;
	uint64_t bits;

	if (len >= sizeof address)
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	memset(out, 0, sizeof *out);
	out->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(out->family, address, out->address) != 1)
		return -1;
	all = out->family == AF_INET6 ? 128 : 32;
	bits = all;
	if (text[len] == '/' &&
	    parse_u64(text + len + 1, strlen(text + len + 1), all, &bits) < 0)
		return -1;
	out->bits = (unsigned)bits;
	return is_clear_behind(out, all) ? 0 : -1;
}

int
network_has(const struct network *network, const struct sockaddr *address)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof in4);
		return network->family == AF_INET &&
		    are_same(network->address, (unsigned char *)&in4.sin_addr, network->bits);
	}
	if (address->sa_family != AF_INET6)
		return 0;
	memcpy(&in6, address, sizeof in6);
	if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
		return network->family == AF_INET &&
		    are_same(network->address, in6.sin6_addr.s6_addr + 12, network->bits);
	return network->family == AF_INET6 &&
	    are_same(network->address, in6.sin6_addr.s6_addr, network->bits);
}
