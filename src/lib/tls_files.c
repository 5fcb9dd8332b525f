/* SPDX-License-Identifier: ISC */
/*
 * The files are opened here and read through stdio, so that the key file
 * that was looked at is the one that is read.  (Rejected: SSL_CTX_use_*_file,
 * whose errors name no file and which asks the terminal for a password.)
 */
#include "config.h"

#include "lib/tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/disk.h"
#include "lib/tls_peer.h"
#include "lib/tls_words.h"

struct load {
	SSL_CTX *ctx;
	const struct tls_settings *settings;
	struct tls_date *dates; /* TLS_KINDS */
	struct why *error;
	int passes; /* the error: time mends it, or who renews the files */
};

/* "FILE: what is wrong", and -1. */
static int PRINTF_LIKE(3, 4)
complain(struct load *load, const char *file, const char *fmt, ...)
{
	struct why what;
	va_list args;

	ERR_clear_error();
	va_start(args, fmt);
	vsnprintf(what.text, sizeof what.text, fmt, args);
	va_end(args);
	why_say(load->error, "%s: %s", file, what.text);
	load->passes = 0;
	return -1;
}

/* The same, with OpenSSL's reason behind it. */
static int
complain_why(struct load *load, const char *file, const char *what)
{
	struct why why;

	tls_error_text(&why);
	return complain(load, file, "%s: %s", what, why.text);
}

/* Non-blocking, so that a FIFO by mistake does not hold up the start. */
static BIO *
open_file(struct load *load, const char *file, int secret)
{
	struct stat st;
	FILE *stream;
	BIO *bio;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 || fstat(fd, &st) == -1) {
		int passes = errno == ENOENT || disk_is_shortage(errno);

		(void)complain(load, file, "%s", strerror(errno));
		load->passes = passes;
	}
	else if (!S_ISREG(st.st_mode))
		(void)complain(load, file, "is not a regular file; a PEM file is needed");
	else if (st.st_size == 0) {
		(void)complain(load, file, "is empty; a PEM file is needed");
		load->passes = 1; /* as one is for a moment that cp(1) writes over */
	}
	else if (secret && (st.st_mode & 007) != 0)
		(void)complain(load, file, "is open to users other than its owner and group; "
		    "take that away with chmod o= (or better, chmod 600)");
	else if (!(stream = fdopen(fd, "r")))
		(void)complain(load, file, "%s", strerror(errno));
	else {
		bio = BIO_new_fp(stream, BIO_CLOSE);
		if (!bio) {
			(void)complain(load, file, "out of memory");
			fclose(stream);
		}
		return bio;
	}
	if (fd != -1)
		close(fd);
	return NULL;
}

/* For PEM_read_*: an encrypted key is an error, never a question. */
static int
no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(int *)ctx = 1;
	return -1;
}

/* Is it valid now?  The message tells from when or until when it is. */
static int
check_dates(struct load *load, const ASN1_TIME *from, const ASN1_TIME *until, const char *what,
    const char *advice, const char *file)
{
	int early = from && X509_cmp_current_time(from) >= 0;
	int late = until && X509_cmp_current_time(until) <= 0;
	char date[TLS_DATE_ROOM];

	if (!early && !late)
		return 0;
	tls_date_text(early ? from : until, date);
	(void)complain(load, file, "the %s %s %s; %s", what,
	    early ? "is not valid before" : "was valid until", date,
	    early ? "is this machine's clock right?" : advice);
	load->passes = 1;
	return -1;
}

/* Of several that are valid now the one that runs out first is told. */
static void
note_date(struct load *load, enum tls_kind kind, const ASN1_TIME *from, const ASN1_TIME *until)
{
	struct tls_date *date = &load->dates[kind];
	int64_t end = until ? tls_date_seconds(until) : 0;

	if (end != 0 && (date->until == 0 || end < date->until)) {
		date->from = from ? tls_date_seconds(from) : 0;
		date->until = end;
	}
}

/* Our own certificate: the leaf, then what leads to the CA. */
static int
load_certificate(struct load *load)
{
	const struct tls_settings *s = load->settings;
	BIO *bio = open_file(load, s->certificate, 0);
	X509 *leaf = NULL, *link = NULL;
	int rc = -1;

	if (!bio)
		return -1;
	leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	if (!leaf) {
		(void)complain_why(load, s->certificate, "holds no certificate in PEM "
		    "(-----BEGIN CERTIFICATE-----)");
		goto fail;
	}
	if (SSL_CTX_use_certificate(load->ctx, leaf) != 1) {
		(void)complain_why(load, s->certificate, "the certificate cannot be used");
		goto fail;
	}
	if (check_dates(load, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf), "certificate",
	    "renew it", s->certificate) == -1)
		goto fail;
	note_date(load, TLS_CERTIFICATE, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf));
	if (X509_check_purpose(leaf, s->server ? X509_PURPOSE_SSL_SERVER :
	    X509_PURPOSE_SSL_CLIENT, 0) != 1) {
		(void)complain(load, s->certificate, s->server ?
		    "the certificate is not for a server (extended key usage serverAuth)" :
		    "the certificate is not for a client (extended key usage clientAuth)");
		goto fail;
	}
	while ((link = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(load->ctx, link) != 1) {
			X509_free(link);
			(void)complain_why(load, s->certificate, "the chain cannot be used");
			goto fail;
		}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		(void)complain_why(load, s->certificate, "the chain is broken");
		goto fail;
	}
	ERR_clear_error();
	rc = 0;
fail:
	X509_free(leaf);
	BIO_free(bio);
	return rc;
}

static int
load_key(struct load *load)
{
	const struct tls_settings *s = load->settings;
	BIO *bio = open_file(load, s->key, 1);
	int encrypted = 0, rc = -1;
	EVP_PKEY *key;

	if (!bio)
		return -1;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
	if (!key && encrypted)
		(void)complain(load, s->key, "the key is encrypted; store it without a password");
	else if (!key)
		(void)complain_why(load, s->key, "holds no private key in PEM "
		    "(-----BEGIN PRIVATE KEY-----)");
	else if (X509_check_private_key(SSL_CTX_get0_certificate(load->ctx), key) != 1) {
		(void)complain(load, s->key, "is not the key of the certificate in %s",
		    s->certificate);
		load->passes = 1; /* where one of the two has been renewed and the other is next */
	} else if (SSL_CTX_use_PrivateKey(load->ctx, key) != 1)
		(void)complain_why(load, s->key, "the key cannot be used");
	else
		rc = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return rc;
}

static STACK_OF(X509_INFO) *
read_infos(struct load *load, const char *file)
{
	BIO *bio = open_file(load, file, 0);
	STACK_OF(X509_INFO) *infos;
	int encrypted = 0;

	if (!bio)
		return NULL;
	infos = PEM_X509_INFO_read_bio(bio, NULL, no_password, &encrypted);
	if (!infos)
		(void)complain_why(load, file, "is not a sound PEM file");
	BIO_free(bio);
	return infos;
}

/* Who may sign the other end's certificate; a server also names them to the
 * client, which may have several to choose from. */
static int
load_ca(struct load *load, STACK_OF(X509_INFO) *infos)
{
	const struct tls_settings *s = load->settings;
	int count = 0, valid = 0;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509 *ca = sk_X509_INFO_value(infos, i)->x509;

		if (!ca)
			continue;
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(load->ctx), ca) != 1 ||
		    (s->server && SSL_CTX_add_client_CA(load->ctx, ca) != 1))
			return complain_why(load, s->ca, "a certificate cannot be used");
		/* OpenSSL works out its extensions when first asked: now, not by the
		 * threads that will share it. */
		(void)X509_check_purpose(ca, -1, 0);
		count++;
		if (check_dates(load, X509_get0_notBefore(ca), X509_get0_notAfter(ca),
		    "CA's certificate", "renew it", s->ca) == 0) {
			valid++;
			note_date(load, TLS_CA, X509_get0_notBefore(ca), X509_get0_notAfter(ca));
		}
	}
	if (count == 0)
		return complain(load, s->ca, "holds no certificate in PEM "
		    "(-----BEGIN CERTIFICATE-----)");
	/* A bundle may still hold an old CA beside the new one. */
	return valid > 0 ? 0 : -1;
}

static int
is_of(X509_CRL *crl, X509 *ca)
{
	int rc = ca &&
	    X509_NAME_cmp(X509_get_subject_name(ca), X509_CRL_get_issuer(crl)) == 0 &&
	    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;

	ERR_clear_error();
	return rc;
}

static int
is_issued(X509_CRL *crl, STACK_OF(X509_INFO) *cas)
{
	for (int i = 0; i < sk_X509_INFO_num(cas); i++)
		if (is_of(crl, sk_X509_INFO_value(cas, i)->x509))
			return 1;
	return 0;
}

/* The one that is valid longest of the lists of a CA; NULL: it has none. */
static X509_CRL *
find_crl(STACK_OF(X509_INFO) *infos, X509 *ca)
{
	X509_CRL *found = NULL;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509_CRL *crl = sk_X509_INFO_value(infos, i)->crl;

		if (crl && is_of(crl, ca) &&
		    (!found || ASN1_TIME_compare(X509_CRL_get0_nextUpdate(crl),
		                   X509_CRL_get0_nextUpdate(found)) > 0))
			found = crl;
	}
	return found;
}

/* A list that is missing or out of date would have every peer of its CA refused. */
static int
check_lists(struct load *load, STACK_OF(X509_INFO) *infos, STACK_OF(X509_INFO) *cas)
{
	const struct tls_settings *s = load->settings;
	char name[TLS_NAME_ROOM], what[TLS_NAME_ROOM + 16];

	for (int i = 0; i < sk_X509_INFO_num(cas); i++) {
		X509 *ca = sk_X509_INFO_value(cas, i)->x509;
		X509_CRL *crl = ca ? find_crl(infos, ca) : NULL;

		if (!ca || X509_cmp_current_time(X509_get0_notAfter(ca)) <= 0)
			continue; /* who runs out needs none: all its certificates are over */
		tls_name_text(X509_get_subject_name(ca), name);
		if (!crl)
			return complain(load, s->crl, "holds no CRL of the CA %s in %s: all that "
			    "it has signed would be turned away; add its list, or take it out "
			    "there", name, s->ca);
		snprintf(what, sizeof what, "CRL of %s", name);
		if (check_dates(load, X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl),
		    what, "have the CA issue a new one", s->crl) == -1)
			return -1;
		note_date(load, TLS_CRL, X509_CRL_get0_lastUpdate(crl),
		    X509_CRL_get0_nextUpdate(crl));
	}
	return 0;
}

/* Each certificate of a chain is looked for in the list of who issued it: RFC 5280,
 * section 6.1.3 (a)(3). */
static int
load_crl(struct load *load, STACK_OF(X509_INFO) *cas)
{
	const struct tls_settings *s = load->settings;
	STACK_OF(X509_INFO) *infos = read_infos(load, s->crl);
	X509_STORE *store = SSL_CTX_get_cert_store(load->ctx);
	int count = 0, rc = -1;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509_CRL *crl = sk_X509_INFO_value(infos, i)->crl;

		if (!crl)
			continue;
		if (!is_issued(crl, cas)) {
			(void)complain(load, s->crl, "the CRL is not signed by a CA in %s", s->ca);
			goto fail;
		}
		if (X509_STORE_add_crl(store, crl) != 1) {
			(void)complain_why(load, s->crl, "the CRL cannot be used");
			goto fail;
		}
		count++;
	}
	if (infos && count == 0)
		(void)complain(load, s->crl, "holds no CRL in PEM (-----BEGIN X509 CRL-----)");
	if (count > 0 && check_lists(load, infos, cas) == 0 &&
	    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1)
		rc = 0;
fail:
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	return rc;
}

static int
load_trust(struct load *load)
{
	STACK_OF(X509_INFO) *infos = read_infos(load, load->settings->ca);
	int rc = -1;

	if (infos && load_ca(load, infos) == 0)
		rc = load->settings->crl ? load_crl(load, infos) : 0;
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	return rc;
}

/* What is sent behind our own certificate, where its file has nothing: what leads to the CA, as
 * far as `ca` has it, but not the root, which the other end has, or will not believe.  Else OpenSSL
 * would look for that and verify it in each handshake, and send the root: the other end would
 * decode it each time, and keep it with the connection. */
static int
find_chain(struct load *load)
{
	STACK_OF(X509) *chain = NULL;

	if (SSL_CTX_get0_chain_certs(load->ctx, &chain) == 1 && sk_X509_num(chain) > 0)
		return 0;
	if (SSL_CTX_build_cert_chain(load->ctx, SSL_BUILD_CHAIN_FLAG_NO_ROOT |
	    SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR | SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR) > 0)
		return 0;
	return complain_why(load, load->settings->certificate, "its chain cannot be used");
}

int
tls_load_files(SSL_CTX *ctx, const struct tls_settings *settings,
    struct tls_date dates[TLS_KINDS], struct why *error)
{
	struct load load = {.ctx = ctx, .settings = settings, .dates = dates, .error = error};

	if (load_certificate(&load) == 0 && load_key(&load) == 0 && load_trust(&load) == 0 &&
	    find_chain(&load) == 0)
		return 0;
	errno = load.passes ? EAGAIN : EINVAL;
	return -1;
}
