/* SPDX-License-Identifier: ISC */
/*
 * Chains of certificates that were verified, remembered as long as that verdict stands: a
 * client that comes again costs a digest, not a signature checked with all that OpenSSL does
 * around it.  For tls.c.
 *
 * It belongs to one context, whose CA and lists are what the verdicts stand on: a reload makes
 * a new context, and with it an empty memory, so that none outlives a list that revokes.
 * Any thread.
 */
#ifndef LIB_TLS_VERDICTS_H
#define LIB_TLS_VERDICTS_H

#include <stdint.h>

#include <openssl/x509.h>

#include "lib/attr.h"
#include "lib/digest.h"

#define TLS_VERDICTS_MAX 131072 /* of 48 bytes; beyond, new ones take the place of old ones */

struct tls_verdicts;

/* Good ones only: those that are refused are looked at anew each time. */
struct tls_verdict {
	unsigned char chain[DIGEST_SIZE];
	int64_t since, until; /* UTC seconds: from then on, and no longer at that one */
};

/* NULL: out of memory. */
MUST_CHECK struct tls_verdicts *tls_verdicts_new(void);
void tls_verdicts_free(struct tls_verdicts *verdicts);

/*
 * For SSL_CTX_set_cert_verify_callback(), with the verdicts as its argument: does what
 * X509_verify_cert() does, unless it has done so for the same certificates, in that order, and
 * that stands yet.  It stands until any certificate of the verified chain runs out, or any list
 * of the context does or begins to count.  Not for a client, whose verdict is about a name, too.
 */
int tls_verdicts_verify(X509_STORE_CTX *check, void *verdicts);

/* The memory alone. */
int tls_verdicts_has(struct tls_verdicts *verdicts, const unsigned char chain[DIGEST_SIZE],
    int64_t now);
void tls_verdicts_add(struct tls_verdicts *verdicts, const struct tls_verdict *verdict);

#endif
