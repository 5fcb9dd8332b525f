/* SPDX-License-Identifier: ISC */
/*
 * OpenSSL has by now checked the chain, the dates and, where one is set, the
 * CRL.  It accepts as a client what we do not: a certificate that does not
 * say it is for clients, and a CA's own.  Those checks stand here, so that
 * the client is told in a line what is wrong with its certificate; a failed
 * handshake would tell it a number.
 *
 * Exactly one candidate or none at all: picking one of several would let an
 * order that nobody wrote down decide whose item it is.
 */
#include "lib/identity.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static int
refuse(struct why *error, const char *why)
{
	why_say(error, "%s", why);
	ERR_clear_error();
	return -1;
}

static int
check_use(X509 *cert, struct why *error)
{
	uint32_t flags = X509_get_extension_flags(cert);

	if (flags & EXFLAG_INVALID)
		return refuse(error, "the certificate has a malformed extension");
	if (X509_check_ca(cert) != 0)
		return refuse(error, "the certificate is a CA's, not a client's");
	if (!(flags & EXFLAG_XKUSAGE) || !(X509_get_extended_key_usage(cert) & XKU_SSL_CLIENT))
		return refuse(error, "the certificate lacks the extended key usage clientAuth");
	return 0;
}

/* `bytes` may hold anything, a NUL too: its length is what ASN.1 says. */
static int
take_name(const unsigned char *bytes, int len, char identity[IDENTITY_MAX + 1],
    struct why *error)
{
	if (len < 1)
		return refuse(error, "the certificate's name is empty");
	if (len > IDENTITY_MAX)
		return refuse(error, "the certificate's name is longer than 255 bytes");
	for (int i = 0; i < len; i++)
		if (bytes[i] < 0x21 || bytes[i] > 0x7e)
			return refuse(error, "the certificate's name has a byte that is not "
			    "printable ASCII, or a space");
	memcpy(identity, bytes, (size_t)len);
	identity[len] = '\0';
	return 0;
}

static int
from_san(X509 *cert, char identity[IDENTITY_MAX + 1], struct why *error)
{
	const ASN1_STRING *found = NULL;
	GENERAL_NAMES *names;
	int critical, count = 0, rc;

	names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);
	if (!names && critical == -2)
		return refuse(error, "the certificate has more than one subjectAltName extension");
	if (!names && critical != -1)
		return refuse(error, "the certificate's subjectAltName is malformed");

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS && name->type != GEN_URI)
			continue;
		found = name->d.ia5;
		count++;
	}
	if (count == 0)
		rc = refuse(error, "the certificate has no subjectAltName of type DNS or URI");
	else if (count > 1)
		rc = refuse(error, "the certificate has more than one subjectAltName of type "
		    "DNS or URI");
	else
		rc = take_name(ASN1_STRING_get0_data(found), ASN1_STRING_length(found), identity,
		    error);
	GENERAL_NAMES_free(names);
	return rc;
}

static int
from_cn(X509 *cert, char identity[IDENTITY_MAX + 1], struct why *error)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	unsigned char *text = NULL;
	int at, len, rc;

	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return refuse(error, "the certificate's subject has no common name");
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return refuse(error, "the certificate's subject has more than one common name");
	/* It may be stored in two-byte characters; so it is read as UTF-8. */
	len = ASN1_STRING_to_UTF8(&text,
	    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (len < 0)
		return refuse(error, "the certificate's common name is malformed");
	rc = take_name(text, len, identity, error);
	OPENSSL_free(text);
	return rc;
}

int
identity_from_certificate(struct x509_st *cert, enum identity_kind kind,
    char identity[IDENTITY_MAX + 1], struct why *error)
{
	identity[0] = '\0';
	error->text[0] = '\0';
	if (!cert)
		return refuse(error, "there is no certificate");
	if (check_use(cert, error) == -1)
		return -1;
	switch (kind) {
	case IDENTITY_SAN:
		return from_san(cert, identity, error);
	case IDENTITY_CN:
		return from_cn(cert, identity, error);
	}
	return refuse(error, "no such kind of identity");
}
