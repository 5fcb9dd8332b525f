/* SPDX-License-Identifier: ISC */
/*
 * Who a client is: the one name in its certificate.  See "Transport" in
 * inbox-protocol(7) for what is refused, and why a doubt is a refusal: the
 * identity is half of an item's key, and names files and ledger records.
 */
#ifndef LIB_IDENTITY_H
#define LIB_IDENTITY_H

#include "lib/attr.h"
#include "lib/why.h"

struct x509_st;

enum identity_kind {
	IDENTITY_SAN, /* the one subjectAltName of type DNS or URI (RFC 5280, 4.2.1.6) */
	IDENTITY_CN,  /* the one common name of the subject */
};

#define IDENTITY_MAX 255 /* bytes, each 0x21 to 0x7e */

/*
 * 0 and the identity, closed by NUL; or -1 and the reason, in words that may
 * be shown to the client.  `cert` NULL is an error like the others.
 */
MUST_CHECK int identity_from_certificate(struct x509_st *cert, enum identity_kind kind,
    char identity[IDENTITY_MAX + 1], struct why *error);

#endif
