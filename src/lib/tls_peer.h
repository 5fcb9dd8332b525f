/* SPDX-License-Identifier: ISC */
/*
 * What a peer has to prove: the server its name, when the connection is made;
 * the client, once more, that it is still trusted when that has changed.
 * For tls.c.
 */
#ifndef LIB_TLS_PEER_H
#define LIB_TLS_PEER_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "lib/attr.h"

/* `ssl` will only accept a server with this name or address.  0, or -1: it
 * cannot be a name, or out of memory. */
MUST_CHECK int tls_peer_expect(SSL *ssl, const char *host);

/* Would `ctx` accept the peer of the open connection `ssl` now?  0, or -1 with
 * the reason. */
MUST_CHECK int tls_peer_recheck(SSL_CTX *ctx, SSL *ssl, char *error, size_t room);

#endif
