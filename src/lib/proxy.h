/* SPDX-License-Identifier: ISC */
/*
 * The PROXY protocol, versions 1 and 2, as HAProxy's proxy-protocol.txt has it: what a proxy says
 * of a connection, before the connection's own first byte.  Here it is the connection's preface.
 * Pure: bytes to a struct.
 *
 * A preface is refused where the specification has a receiver refuse it, and also where it is
 * longer than PROXY_MAX.  Of version 2's TLVs only the checksum (PP2_TYPE_CRC32C) is looked at, and
 * all of them are passed over where the source is not taken.
 */
#ifndef LIB_PROXY_H
#define LIB_PROXY_H

#include <stddef.h>
#include <sys/socket.h>

#include "lib/attr.h"
#include "lib/why.h"

#define PROXY_MAX 4096 /* bytes of a preface; what proxies send has 28 to some hundreds */

enum proxy_state {
	PROXY_MORE,  /* right so far, and not at its end: each of the bytes is the preface's */
	PROXY_WHOLE,
	PROXY_BAD,
};

struct proxy_preface {
	size_t length; /* bytes, all of the preface and nothing else */
	/* Whom the proxy speaks for; AF_UNSPEC: the proxy itself, or somebody of whom it knows no
	 * IPv4 or IPv6 address (LOCAL, UNKNOWN, UNSPEC, a UNIX socket, a datagram): then the
	 * connection's own address counts.  An IPv4 address in the form of IPv6 is made IPv4. */
	struct sockaddr_storage source;
};

/* Reads the preface at the start of `len` bytes, of which at most PROXY_MAX are looked at.
 * WHOLE sets *out, BAD says what is wrong; neither is undone by more bytes. */
MUST_CHECK enum proxy_state proxy_read(const unsigned char *data, size_t len,
    struct proxy_preface *out, struct why *why);

#endif
