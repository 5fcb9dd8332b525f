/* SPDX-License-Identifier: ISC */
/*
 * What a handshake failed by, in words for the administrator of the end that writes the log: what
 * was found, what was wanted, on which date.  OpenSSL's own word for it comes first: that is what
 * people look for.
 *
 * For tls*.c, conn.c and conn_io.c.
 */
#ifndef LIB_TLS_WORDS_H
#define LIB_TLS_WORDS_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "lib/why.h"

/* Texts of certificates, for people: cut where they do not fit. */
#define TLS_NAME_ROOM 160
#define TLS_DATE_ROOM 64
void tls_name_text(const X509_NAME *name, char text[TLS_NAME_ROOM]);
void tls_date_text(const ASN1_TIME *date, char text[TLS_DATE_ROOM]);

/* Drains OpenSSL's error queue of this thread into one line; "unknown error"
 * where it was empty. */
void tls_error_text(struct why *error);

/* What is wrong with the peer's chain, as `check` has just found. */
void tls_words_verdict(X509_STORE_CTX *check, char *text, size_t room);

/* Why a call on `ssl` failed, from this thread's queue of errors, which is drained: an alert of
 * the peer and what it means, a peer that does not speak TLS at all, or what else there is. */
void tls_words_error(const SSL *ssl, struct why *why);

#endif
