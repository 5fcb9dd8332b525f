/* SPDX-License-Identifier: ISC */
/* See mint.h. */
#include "config.h"

#include "mint.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define KEYS 16
#define HOUR 3600L
#define DAYS 30L
#define THREADS_MAX 64

struct der {
	unsigned char *bytes; /* owned, by OpenSSL */
	int len;
};

struct mint {
	X509 *ca;
	EVP_PKEY *ca_key, *key[KEYS];
	struct der *made;
	uint64_t count;
};

/* A thread's part: from, from + step, ... */
struct part {
	pthread_t thread;
	struct mint *mint;
	uint64_t from, step;
	int failed;
};

void
mint_identity(char *dst, size_t room, uint64_t i)
{
	snprintf(dst, room, "vc-%06" PRIu64, i + 1);
}

static int
add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	int rc = ext && X509_add_ext(cert, ext, -1) == 1 ? 0 : -1;

	X509_EXTENSION_free(ext);
	return rc;
}

static int
fill(X509 *cert, const struct mint *mint, uint64_t i)
{
	char name[32], san[40];
	X509_NAME *subject = X509_get_subject_name(cert);

	mint_identity(name, sizeof name, i);
	snprintf(san, sizeof san, "DNS:%s", name);
	return X509_set_version(cert, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), i + 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -HOUR) &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), DAYS * 24 * HOUR) &&
	    X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(cert, X509_get_subject_name(mint->ca)) == 1 &&
	    X509_set_pubkey(cert, mint->key[i % KEYS]) == 1 &&
	    add_ext(cert, NID_basic_constraints, "critical,CA:FALSE") == 0 &&
	    add_ext(cert, NID_key_usage, "critical,digitalSignature") == 0 &&
	    add_ext(cert, NID_ext_key_usage, "clientAuth") == 0 &&
	    add_ext(cert, NID_subject_alt_name, san) == 0 &&
	    X509_sign(cert, mint->ca_key, EVP_sha256()) > 0 ? 0 : -1;
}

static void *
make_part(void *arg)
{
	struct part *part = arg;
	struct mint *mint = part->mint;

	for (uint64_t i = part->from; i < mint->count && !part->failed; i += part->step) {
		X509 *cert = X509_new();

		if (!cert || fill(cert, mint, i) < 0)
			part->failed = 1;
		else
			mint->made[i].len = i2d_X509(cert, &mint->made[i].bytes);
		if (mint->made[i].len <= 0)
			part->failed = 1;
		X509_free(cert);
	}
	return NULL;
}

static int
make_all(struct mint *mint, uint64_t threads)
{
	struct part part[THREADS_MAX] = {{0}};
	uint64_t started = 0;
	int rc = 0;

	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	for (; started < threads && rc == 0; started++) {
		part[started].mint = mint;
		part[started].from = started;
		part[started].step = threads;
		if (pthread_create(&part[started].thread, NULL, make_part, &part[started]) != 0) {
			rc = -1;
			break;
		}
	}
	for (uint64_t i = 0; i < started; i++) {
		pthread_join(part[i].thread, NULL);
		rc = part[i].failed ? -1 : rc;
	}
	return rc;
}

static FILE *
open_file(const char *pki, const char *file, struct why *why)
{
	char path[512];
	FILE *in;

	snprintf(path, sizeof path, "%s/%s", pki, file);
	in = fopen(path, "r");
	if (!in)
		why_say(why, "%s: %s", path, strerror(errno));
	return in;
}

static int
load_ca(struct mint *mint, const char *pki, struct why *why)
{
	FILE *in = open_file(pki, "ca.crt", why);

	if (!in)
		return -1;
	mint->ca = PEM_read_X509(in, NULL, NULL, NULL);
	fclose(in);
	in = open_file(pki, "ca.key", why);
	if (!in)
		return -1;
	mint->ca_key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	fclose(in);
	if (!mint->ca || !mint->ca_key)
		return why_say(why, "%s: ca.crt or ca.key cannot be read", pki);
	return 0;
}

struct mint *
mint_new(const char *pki, uint64_t count, uint64_t threads, struct why *why)
{
	struct mint *mint = calloc(1, sizeof *mint);

	if (!mint || !(mint->made = calloc(count, sizeof *mint->made))) {
		why_say(why, "out of memory");
		goto fail;
	}
	mint->count = count;
	if (load_ca(mint, pki, why) < 0)
		goto fail;
	for (size_t i = 0; i < KEYS; i++) {
		mint->key[i] = EVP_EC_gen("P-256");
		if (!mint->key[i]) {
			why_say(why, "no key can be made");
			goto fail;
		}
	}
	if (make_all(mint, threads) == 0)
		return mint;
	why_say(why, "certificates cannot be made");
fail:
	mint_free(mint);
	return NULL;
}

void
mint_free(struct mint *mint)
{
	if (!mint)
		return;
	for (uint64_t i = 0; mint->made && i < mint->count; i++)
		OPENSSL_free(mint->made[i].bytes);
	for (size_t i = 0; i < KEYS; i++)
		EVP_PKEY_free(mint->key[i]);
	X509_free(mint->ca);
	EVP_PKEY_free(mint->ca_key);
	free(mint->made);
	free(mint);
}

int
mint_use(const struct mint *mint, SSL *ssl, uint64_t i)
{
	const struct der *der = &mint->made[i];

	return SSL_use_certificate_ASN1(ssl, der->bytes, der->len) == 1 &&
	    SSL_use_PrivateKey(ssl, mint->key[i % KEYS]) == 1 ? 0 : -1;
}
