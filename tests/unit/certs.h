/* SPDX-License-Identifier: ISC */
/*
 * Certificates for the tests, good and odd ones, made in memory by OpenSSL:
 * what contrib/pki rightly does not make.  A failure here fails the test.
 */
#ifndef UNIT_CERTS_H
#define UNIT_CERTS_H

#include <openssl/evp.h>
#include <openssl/x509.h>

struct cert_name {
	int type;         /* GEN_DNS, GEN_URI, GEN_EMAIL, GEN_IPADD */
	const char *text; /* NULL: the list ends */
	int len;          /* 0: strlen(text) */
};

struct cert_spec {
	const char *cn[3];         /* up to the first NULL */
	struct cert_name names[4]; /* subjectAltName, if there is any */
	const char *eku;           /* "clientAuth", NULL: no such extension */
	int ca;
	long from, until;          /* seconds from now; both 0: a day either way */
};

EVP_PKEY *certs_key(void);
/* `issuer` NULL: signed by itself. */
X509 *certs_make(const struct cert_spec *spec, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key);
/* `revoked` may be NULL; `until` in seconds from now. */
X509_CRL *certs_crl(X509 *issuer, EVP_PKEY *issuer_key, X509 *revoked, long until);

/* Files below `dir`, of mode `mode`. */
void certs_write(const char *dir, const char *file, unsigned mode, X509 *cert, EVP_PKEY *key,
    X509_CRL *crl);

/*
 * A whole set in `dir`: ca.crt, server.crt and .key (cap.example, 127.0.0.1),
 * client.crt and .key (c1), revoked.crt and .key (c2), ca.crl, old.crl, both in
 * two.crl, short.crl, which lasts two seconds, and other.crt and .key of another CA
 * (other-ca.crt; two-ca.crt has both).  deep.crt and .key (c3) is of an intermediate CA,
 * which deep-ca.crt has, too; deep.crl has both lists, deep-revoked.crl the same with the
 * intermediate revoked.
 */
void certs_write_set(const char *dir);

/* A new folder; certs_remove_dir() removes it with the files in it. */
void certs_make_dir(char dir[64]);
void certs_remove_dir(const char *dir);

#endif
