/* SPDX-License-Identifier: ISC */
/*
 * What a peer has to prove: the server its name, when the connection is made;
 * the client, once more, that it is still trusted when that has changed.
 * For tls.c, tls_files.c and conn.c.
 */
#ifndef LIB_TLS_PEER_H
#define LIB_TLS_PEER_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "lib/attr.h"

#include "lib/why.h"

/* UTC seconds; 0: not to be read. */
int64_t tls_date_seconds(const ASN1_TIME *date);

/* For SSL_CTX_set_verify(): keeps with the connection what is wrong with the chain.  Where
 * that is a list of ours, the verdict becomes TLS_PEER_OURS, and the peer hears the alert
 * internal_error: not that its own certificate is bad. */
#define TLS_PEER_OURS X509_V_ERR_UNSPECIFIED
int tls_peer_on_verdict(int ok, X509_STORE_CTX *check);
/* Which certificate the peer failed by, and why; NULL: it did not.  Lives as long as
 * `ssl`. */
const char *tls_peer_trouble(const SSL *ssl);

/* `ssl` will only accept a server with this name or address.  0, or -1: it
 * cannot be a name, or out of memory. */
MUST_CHECK int tls_peer_expect(SSL *ssl, const char *host);

/* After the handshake.  Forgets what the peer sent that is signed by itself, some 4 KiB each: no
 * verdict goes by that, now or after a reload, as a root counts only where it is one of ours. */
void tls_peer_drop_roots(SSL *ssl);

/* Would `ctx` accept the peer of the open connection `ssl` now?  0, or -1 with
 * the reason. */
MUST_CHECK int tls_peer_recheck(SSL_CTX *ctx, SSL *ssl, struct why *error);

#endif
