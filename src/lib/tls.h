/* SPDX-License-Identifier: ISC */
/*
 * A TLS context, for either end: certificate, key and CA, checked as a whole
 * before anything uses it.  A reload builds a new one; the old one serves its
 * connections to their end.
 *
 * TLS 1.3 (1.2 by setting), ALPN "inbox/1", certificates of both ends
 * required, no tickets, no resumption, no renegotiation, no early data: see
 * "Transport" in inbox-protocol(7).
 */
#ifndef LIB_TLS_H
#define LIB_TLS_H

#include <stddef.h>

#include "lib/attr.h"

struct tls;
struct ssl_st;

struct tls_settings {
	const char *certificate; /* PEM file, the chain's leaf first */
	const char *key;         /* PEM file, not encrypted; not readable by others */
	const char *ca;          /* PEM file: who signs the other end's certificates */
	const char *crl;         /* PEM file, or NULL: no revocation check */
	int tls12;               /* allow TLS 1.2 as well */
	int server;              /* which end we are */
};

#define TLS_ERROR_ROOM 512

/*
 * NULL, with the reason in `error` (a file's name, what is wrong with it, what
 * would be right): a file cannot be read, key and certificate do not match,
 * the certificate is not valid now, the CRL is missing or out of date, the
 * key file can be read by others than owner and group.
 */
MUST_CHECK struct tls *tls_new(const struct tls_settings *settings, char error[TLS_ERROR_ROOM]);
/* Counted: each connection holds one reference.  Any thread. */
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls);

/* A new connection on `fd`, which stays the caller's.  `host` is the name the
 * server must prove (client only, else NULL).  NULL: out of memory, or `host`
 * cannot be a name. */
MUST_CHECK struct ssl_st *tls_connection(struct tls *tls, int fd, const char *host);

/* Would `tls` accept the peer of the open connection `ssl` now?  0, or -1 with the
 * reason: for after a reload. */
MUST_CHECK int tls_trusts(struct tls *tls, struct ssl_st *ssl, char error[TLS_ERROR_ROOM]);

/* Drains OpenSSL's error queue of this thread into one line; "unknown error"
 * where it was empty. */
void tls_error_text(char error[TLS_ERROR_ROOM]);

#endif
