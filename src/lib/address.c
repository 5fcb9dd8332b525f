/* SPDX-License-Identifier: ISC */
#include "lib/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

void
address_print(const struct sockaddr *address, char text[ADDRESS_ROOM])
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	snprintf(text, ADDRESS_ROOM, "(local)");
	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof in4);
		if (inet_ntop(AF_INET, &in4.sin_addr, host, sizeof host))
			snprintf(text, ADDRESS_ROOM, "%s:%u", host, ntohs(in4.sin_port));
	} else if (address->sa_family == AF_INET6) {
		memcpy(&in6, address, sizeof in6);
		if (!inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host))
			return;
		if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr))
			snprintf(text, ADDRESS_ROOM, "%s:%u", strrchr(host, ':') + 1,
			    ntohs(in6.sin6_port));
		else
			snprintf(text, ADDRESS_ROOM, "[%s]:%u", host, ntohs(in6.sin6_port));
	}
}

void
address_host(const char *text, char host[ADDRESS_HOST_ROOM])
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len > 1 && text[0] == '[') {
		text++;
		len -= 2;
	}
	snprintf(host, ADDRESS_HOST_ROOM, "%.*s", (int)len, text);
}

int
address_bytes(const struct sockaddr *address, unsigned char bytes[ADDRESS_BYTES])
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	memset(bytes, 0, ADDRESS_BYTES);
	if (address->sa_family == AF_INET) {
		memcpy(&in4, address, sizeof in4);
		bytes[10] = bytes[11] = 0xff;
		memcpy(bytes + 12, &in4.sin_addr, 4);
		return 1;
	}
	if (address->sa_family != AF_INET6)
		return 0;
	memcpy(&in6, address, sizeof in6);
	memcpy(bytes, &in6.sin6_addr, ADDRESS_BYTES);
	return IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
}

void
address_copy(const struct sockaddr *address, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof *out);
	if (address->sa_family == AF_INET)
		memcpy(out, address, sizeof(struct sockaddr_in));
	else if (address->sa_family == AF_INET6)
		memcpy(out, address, sizeof(struct sockaddr_in6));
	else
		out->ss_family = address->sa_family;
}
