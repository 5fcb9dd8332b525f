/* SPDX-License-Identifier: ISC */
/* A peer's address as text, for logs: "192.0.2.1:4711", "[2001:db8::1]:4711"; as bytes, by which it
 * is counted; and kept. */
#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H

#include <netinet/in.h>

#define ADDRESS_ROOM (INET6_ADDRSTRLEN + 8) /* "[...]:65535" */

struct sockaddr;

/* An IPv4 address in the form of IPv6 is shown as what it is; "(local)": a UNIX socket's,
 * or one of a family that we do not know. */
void address_print(const struct sockaddr *address, char text[ADDRESS_ROOM]);

#define ADDRESS_HOST_ROOM INET6_ADDRSTRLEN

/* What address_print() has written, without port and brackets; "": "(local)". */
void address_host(const char *text, char host[ADDRESS_HOST_ROOM]);

#define ADDRESS_BYTES 16

/* Without the port, and an IPv4 address in the form of IPv6 (RFC 4291, 2.5.5.2): is it one?  A
 * family that we do not know has 0 in all of them. */
int address_bytes(const struct sockaddr *address, unsigned char bytes[ADDRESS_BYTES]);

/* All of it; of a family that we do not know, that alone. */
void address_copy(const struct sockaddr *address, struct sockaddr_storage *out);

#endif
