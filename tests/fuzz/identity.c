/* SPDX-License-Identifier: ISC */
/*
 * Who a certificate says it is: the input is one in DER.  A name that is let
 * through names files and ledger records, so it is held to inbox-protocol(7),
 * "Transport"; a refusal must have a reason that is safe to send.
 *
 * The signature does not matter here: OpenSSL has checked it before.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "fuzz.h"
#include "lib/identity.h"
#include "lib/name.h"
#include "lib/why.h"

static void
try_kind(X509 *cert, enum identity_kind kind)
{
	char *identity = malloc(IDENTITY_MAX + 1);
	struct why *error = malloc(sizeof *error);
	char name[NAME_ROOM], twice[IDENTITY_MAX + 1];
	struct why error_twice;
	struct namer namer = {0};
	size_t len;
	int rc;

	FUZZ_CHECK(identity && error);
	memset(identity, 0xff, IDENTITY_MAX + 1);
	memset(error, 0xff, sizeof *error);
	rc = identity_from_certificate(cert, kind, identity, error);
	if (rc == 0) {
		len = strnlen(identity, IDENTITY_MAX + 1);
		FUZZ_CHECK(len >= 1 && len <= IDENTITY_MAX);
		for (size_t i = 0; i < len; i++)
			FUZZ_CHECK(identity[i] >= 0x21 && identity[i] <= 0x7e);
		FUZZ_CHECK(X509_check_ca(cert) == 0);
		FUZZ_CHECK(X509_get_extended_key_usage(cert) & XKU_SSL_CLIENT);
		name_next(&namer, identity, ".msg", name);
		FUZZ_CHECK(strlen(name) < NAME_ROOM && !strchr(name, '/') && name[0] != '.');
	} else {
		FUZZ_CHECK(rc == -1);
		len = strnlen(error->text, WHY_ROOM);
		FUZZ_CHECK(len >= 1 && len < WHY_ROOM);
		for (size_t i = 0; i < len; i++)
			FUZZ_CHECK(error->text[i] >= 0x20 && error->text[i] <= 0x7e);
	}
	/* The error queue is the thread's: what stays in it would be taken for a
	 * connection's. */
	FUZZ_CHECK(ERR_peek_error() == 0);
	FUZZ_CHECK(identity_from_certificate(cert, kind, twice, &error_twice) == rc);
	if (rc == 0)
		FUZZ_CHECK(strcmp(twice, identity) == 0);
	free(identity);
	free(error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned char *at = data;
	X509 *cert = d2i_X509(NULL, &at, (long)size);

	ERR_clear_error();
	try_kind(cert, IDENTITY_SAN);
	try_kind(cert, IDENTITY_CN);
	X509_free(cert);
	return 0;
}
