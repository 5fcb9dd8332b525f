/* SPDX-License-Identifier: ISC */
/*
 * The files that a TLS context is made of: certificate, key, CA and CRL, each read once
 * and checked, with errors that name the file, what is wrong, and what would be right.
 */
#ifndef LIB_TLS_FILES_H
#define LIB_TLS_FILES_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/why.h"

struct ssl_ctx_st;

struct tls_settings {
	const char *certificate; /* PEM file, the chain's leaf first */
	const char *key;         /* PEM file, not encrypted; not readable by others */
	const char *ca;          /* PEM file: who signs the other end's certificates */
	const char *crl;         /* PEM file, or NULL: no revocation check */
	int tls12;               /* allow TLS 1.2 as well */
	int server;              /* which end we are */
	/* RFC 7301: the protocols it speaks, closed by NULL, 255 bytes in all; a server takes
	 * the first of them that the client has too, and refuses where there is none.
	 * Borrowed as long as the context lives. */
	const char *const *alpn;
};

/* What runs out. */
enum tls_kind { TLS_CERTIFICATE, TLS_CA, TLS_CRL, TLS_KINDS };

/* UTC seconds; both 0: there is none, or it never does. */
struct tls_date {
	int64_t from, until;
};

/* All of them into a new context; `dates`, zeroed before, gets of each kind what runs out
 * first.  0, or -1 with the reason and errno, as tls_new(). */
MUST_CHECK int tls_load_files(struct ssl_ctx_st *ctx, const struct tls_settings *settings,
    struct tls_date dates[TLS_KINDS], struct why *error);

#endif
