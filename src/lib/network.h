/* SPDX-License-Identifier: ISC */
/* A network of IPv4 or IPv6 as text: "192.0.2.0/24", "2001:db8::/32"; or one address. */
#ifndef LIB_NETWORK_H
#define LIB_NETWORK_H

#include "lib/attr.h"

struct sockaddr;

struct network {
	int family;                /* AF_INET or AF_INET6 */
	unsigned bits;             /* of the address, that count */
	unsigned char address[16]; /* IPv4: the first four */
};

/* 0; or -1: it is none, or has a bit set behind those that count, which is a slip of whoever
 * wrote it. */
MUST_CHECK int network_parse(const char *text, struct network *out);

/* Is the address in it?  One of IPv4 in the form of IPv6 is taken for what it is. */
int network_has(const struct network *network, const struct sockaddr *address);

#endif
