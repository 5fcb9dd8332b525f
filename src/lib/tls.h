/* SPDX-License-Identifier: ISC */
/*
 * A TLS context, for either end: certificate, key and CA, checked as a whole
 * before anything uses it.  A reload builds a new one; the old one serves its
 * connections to their end.
 *
 * TLS 1.3 (1.2 by setting), ALPN, certificates of both ends
 * required, no tickets, no resumption, no renegotiation, no early data: see
 * "Transport" in inbox-protocol(7).
 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/identity.h"
#include "lib/tls_files.h"

struct tls;
struct ssl_st;

/*
 * NULL, with the reason in `error` (a file's name, what is wrong with it, what
 * would be right): a file cannot be read, key and certificate do not match,
 * the certificate is not valid now, the CRL of a CA is missing or out of date, the
 * key file can be read by others than owner and group.  errno is EAGAIN where time
 * mends it, or who is renewing the files: a date, a file that is not there, or empty (yet).
 */
MUST_CHECK struct tls *tls_new(const struct tls_settings *settings, struct why *error);
/* Counted: each connection holds one reference.  Any thread. */
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* Of all of a kind that were valid when it was made, that which runs out first. */
struct tls_date tls_date(const struct tls *tls, enum tls_kind kind);

/* Who we are by our own certificate: its subjectAltName, or where that is none or not one, its
 * common name; "" where it has neither.  For what has to be the same at each start. */
void tls_own_identity(const struct tls *tls, char identity[IDENTITY_MAX + 1]);

/* A new connection on `fd`, which stays the caller's.  `host` is the name the
 * server must prove (client only, else NULL).  NULL: out of memory, or `host`
 * cannot be a name. */
MUST_CHECK struct ssl_st *tls_connection(struct tls *tls, int fd, const char *host);

/* The name in tls_settings.alpn that both ends agreed on, after the handshake; NULL:
 * none. */
const char *tls_protocol(const struct tls *tls, const struct ssl_st *ssl);

/* Would `tls` accept the peer of the open connection `ssl` now?  0, or -1 with the
 * reason: for after a reload. */
MUST_CHECK int tls_trusts(struct tls *tls, struct ssl_st *ssl, struct why *error);

#endif
