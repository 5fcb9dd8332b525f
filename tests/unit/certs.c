/* SPDX-License-Identifier: ISC */
/* See certs.h.  Keys are P-256: quick to make. */
#include "certs.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY 86400L

EVP_PKEY *
certs_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	assert_non_null(key);
	return key;
}

static void
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static void
add_names(X509 *cert, const struct cert_name *name)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	for (; name->text != NULL; name++) {
		GENERAL_NAME *gen = GENERAL_NAME_new();
		ASN1_STRING *text = ASN1_STRING_type_new(
		    name->type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

		assert_int_equal(ASN1_STRING_set(text, name->text,
		    name->len > 0 ? name->len : (int)strlen(name->text)), 1);
		GENERAL_NAME_set0_value(gen, name->type, text);
		assert_true(sk_GENERAL_NAME_push(names, gen) > 0);
	}
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0,
	    X509V3_ADD_DEFAULT), 1);
	GENERAL_NAMES_free(names);
}

X509 *
certs_make(const struct cert_spec *spec, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509_NAME *subject;

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), spec->until != 0 ? spec->from : -DAY);
	X509_gmtime_adj(X509_getm_notAfter(cert), spec->until != 0 ? spec->until : DAY);
	subject = X509_get_subject_name(cert);
	for (size_t i = 0; i < 3 && spec->cn[i] != NULL; i++)
		assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
		    (const unsigned char *)spec->cn[i], -1, -1, 0), 1);
	X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	if (spec->ca)
		add_ext(cert, NID_basic_constraints, "critical,CA:TRUE");
	if (spec->eku != NULL)
		add_ext(cert, NID_ext_key_usage, spec->eku);
	if (spec->names[0].text != NULL)
		add_names(cert, spec->names);
	assert_true(X509_sign(cert, issuer != NULL ? issuer_key : key, EVP_sha256()) > 0);
	return cert;
}

X509_CRL *
certs_crl(X509 *issuer, EVP_PKEY *issuer_key, X509 *revoked, long until)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = X509_gmtime_adj(NULL, -2 * DAY), *end = X509_gmtime_adj(NULL, until);

	assert_non_null(crl);
	assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, from);
	X509_CRL_set1_nextUpdate(crl, end);
	if (revoked != NULL) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked));
		X509_REVOKED_set_revocationDate(entry, from);
		assert_int_equal(X509_CRL_add0_revoked(crl, entry), 1);
	}
	assert_true(X509_CRL_sign(crl, issuer_key, EVP_sha256()) > 0);
	ASN1_TIME_free(from);
	ASN1_TIME_free(end);
	return crl;
}

void
certs_write(const char *dir, const char *file, unsigned mode, X509 *cert, EVP_PKEY *key,
    X509_CRL *crl)
{
	char path[256];
	FILE *out;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd != -1);
	out = fdopen(fd, "w");
	assert_non_null(out);
	if (cert != NULL)
		assert_int_equal(PEM_write_X509(out, cert), 1);
	if (key != NULL)
		assert_int_equal(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
	if (crl != NULL)
		assert_int_equal(PEM_write_X509_CRL(out, crl), 1);
	assert_int_equal(fclose(out), 0);
}

/* One file of two. */
static void
join(const char *dir, const char *file, const char *first, const char *second)
{
	const char *const parts[] = {first, second};
	char path[256];
	FILE *out, *in;
	int byte;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	out = fopen(path, "w");
	assert_non_null(out);
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, parts[i]);
		in = fopen(path, "r");
		assert_non_null(in);
		while ((byte = getc(in)) != EOF)
			assert_int_equal(putc(byte, out), byte);
		fclose(in);
	}
	assert_int_equal(fclose(out), 0);
}

/* Returns the certificate, for who needs it; the key is in its file only. */
static X509 *
write_leaf(const char *dir, const char *name, const struct cert_spec *spec, X509 *ca,
    EVP_PKEY *ca_key)
{
	EVP_PKEY *key = certs_key();
	X509 *cert = certs_make(spec, key, ca, ca_key);
	char file[64];

	snprintf(file, sizeof(file), "%s.crt", name);
	certs_write(dir, file, 0644, cert, NULL, NULL);
	snprintf(file, sizeof(file), "%s.key", name);
	certs_write(dir, file, 0600, NULL, key, NULL);
	EVP_PKEY_free(key);
	return cert;
}

static void
write_crl(const char *dir, const char *file, X509 *ca, EVP_PKEY *ca_key, X509 *revoked, long until)
{
	X509_CRL *crl = certs_crl(ca, ca_key, revoked, until);

	certs_write(dir, file, 0644, NULL, NULL, crl);
	X509_CRL_free(crl);
}

static void
write_intermediate(const char *dir, X509 *ca, EVP_PKEY *ca_key)
{
	static const struct cert_spec
	    mid_spec = {.cn = {"middle CA"}, .ca = 1},
	    deep = {.cn = {"c3"}, .eku = "clientAuth", .names = {{GEN_DNS, "c3", 0}}};
	EVP_PKEY *mid_key = certs_key();
	X509 *mid = certs_make(&mid_spec, mid_key, ca, ca_key);

	certs_write(dir, "mid.crt", 0644, mid, NULL, NULL);
	X509_free(write_leaf(dir, "deep", &deep, mid, mid_key));
	join(dir, "deep-ca.crt", "ca.crt", "mid.crt");
	write_crl(dir, "mid.crl", mid, mid_key, NULL, DAY);
	join(dir, "deep.crl", "ca.crl", "mid.crl");
	write_crl(dir, "no-mid.crl", ca, ca_key, mid, DAY);
	join(dir, "deep-revoked.crl", "no-mid.crl", "mid.crl");
	X509_free(mid);
	EVP_PKEY_free(mid_key);
}

void
certs_write_set(const char *dir)
{
	static const struct cert_spec
	    ca_spec = {.cn = {"test CA"}, .ca = 1},
	    other_ca_spec = {.cn = {"other CA"}, .ca = 1},
	    server = {.cn = {"cap"}, .eku = "serverAuth",
	        .names = {{GEN_DNS, "cap.example", 0}, {GEN_IPADD, "\x7f\0\0\1", 4}}},
	    client = {.cn = {"c1"}, .eku = "clientAuth", .names = {{GEN_DNS, "c1", 0}}},
	    revoked = {.cn = {"c2"}, .eku = "clientAuth", .names = {{GEN_DNS, "c2", 0}}};
	EVP_PKEY *ca_key = certs_key(), *other_key = certs_key();
	X509 *ca = certs_make(&ca_spec, ca_key, NULL, NULL);
	X509 *other_ca = certs_make(&other_ca_spec, other_key, NULL, NULL);
	X509 *lost;

	certs_write(dir, "ca.crt", 0644, ca, NULL, NULL);
	certs_write(dir, "other-ca.crt", 0644, other_ca, NULL, NULL);
	X509_free(write_leaf(dir, "server", &server, ca, ca_key));
	X509_free(write_leaf(dir, "client", &client, ca, ca_key));
	X509_free(write_leaf(dir, "other", &client, other_ca, other_key));
	lost = write_leaf(dir, "revoked", &revoked, ca, ca_key);
	write_crl(dir, "ca.crl", ca, ca_key, lost, DAY);
	write_crl(dir, "old.crl", ca, ca_key, lost, -DAY);
	join(dir, "two.crl", "old.crl", "ca.crl");
	write_crl(dir, "short.crl", ca, ca_key, lost, 2);
	join(dir, "two-ca.crt", "ca.crt", "other-ca.crt");
	write_intermediate(dir, ca, ca_key);
	X509_free(lost);
	X509_free(ca);
	X509_free(other_ca);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other_key);
}

void
certs_make_dir(char dir[64])
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, 64, "%s/inbox-unit.XXXXXX", tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
}

void
certs_remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	(void)rmdir(dir);
}
