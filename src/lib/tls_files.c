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

#include "lib/tls_peer.h"

void
tls_error_text(char error[TLS_ERROR_ROOM])
{
	/* The oldest error is the cause, the later ones say who passed it on. */
	const char *data = NULL, *reason;
	int flags = 0;
	unsigned long code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);

	if (code == 0) {
		snprintf(error, TLS_ERROR_ROOM, "unknown error");
		return;
	}
	reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) :
	    ERR_reason_error_string(code);
	if (!(flags & ERR_TXT_STRING) || !data)
		data = "";
	snprintf(error, TLS_ERROR_ROOM, data[0] != '\0' ? "%s (%s)" : "%s%s",
	    reason ? reason : "unknown reason", data);
	ERR_clear_error();
}

/* "FILE: what is wrong", and -1. */
static int PRINTF_LIKE(3, 4)
complain(char error[TLS_ERROR_ROOM], const char *file, const char *fmt, ...)
{
	int len = snprintf(error, TLS_ERROR_ROOM, "%s: ", file);
	va_list args;

	ERR_clear_error();
	va_start(args, fmt);
	if (len > 0 && len < TLS_ERROR_ROOM)
		vsnprintf(error + len, TLS_ERROR_ROOM - (size_t)len, fmt, args);
	va_end(args);
	return -1;
}

/* The same, with OpenSSL's reason behind it. */
static int
complain_why(char error[TLS_ERROR_ROOM], const char *file, const char *what)
{
	char why[TLS_ERROR_ROOM];

	tls_error_text(why);
	return complain(error, file, "%s: %s", what, why);
}

/* Non-blocking, so that a FIFO by mistake does not hold up the start. */
static BIO *
open_file(const char *file, int secret, char error[TLS_ERROR_ROOM])
{
	struct stat st;
	FILE *stream;
	BIO *bio;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd == -1 || fstat(fd, &st) == -1)
		(void)complain(error, file, "%s", strerror(errno));
	else if (!S_ISREG(st.st_mode))
		(void)complain(error, file, "is not a regular file; a PEM file is needed");
	else if (secret && (st.st_mode & 007) != 0)
		(void)complain(error, file, "is open to users other than its owner and group; "
		    "take that away with chmod o= (or better, chmod 600)");
	else if (!(stream = fdopen(fd, "r")))
		(void)complain(error, file, "%s", strerror(errno));
	else {
		bio = BIO_new_fp(stream, BIO_CLOSE);
		if (!bio) {
			(void)complain(error, file, "out of memory");
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
check_dates(const ASN1_TIME *from, const ASN1_TIME *until, const char *what, const char *advice,
    const char *file, char error[TLS_ERROR_ROOM])
{
	int early = from && X509_cmp_current_time(from) >= 0;
	int late = until && X509_cmp_current_time(until) <= 0;
	char date[64] = "a date that cannot be read";
	BIO *bio;

	if (!early && !late)
		return 0;
	bio = BIO_new(BIO_s_mem());
	if (bio && ASN1_TIME_print(bio, early ? from : until) == 1) {
		int len = BIO_read(bio, date, (int)sizeof(date) - 1);

		date[len > 0 ? len : 0] = '\0';
	}
	BIO_free(bio);
	return complain(error, file, "the %s %s %s; %s", what,
	    early ? "is not valid before" : "was valid until", date,
	    early ? "is this machine's clock right?" : advice);
}

/* Our own certificate: the leaf, then what leads to the CA. */
static int
load_certificate(SSL_CTX *ctx, const struct tls_settings *s, char error[TLS_ERROR_ROOM])
{
	BIO *bio = open_file(s->certificate, 0, error);
	X509 *leaf = NULL, *link = NULL;
	int rc = -1;

	if (!bio)
		return -1;
	leaf = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
	if (!leaf) {
		(void)complain_why(error, s->certificate, "holds no certificate in PEM "
		    "(-----BEGIN CERTIFICATE-----)");
		goto fail;
	}
	if (SSL_CTX_use_certificate(ctx, leaf) != 1) {
		(void)complain_why(error, s->certificate, "the certificate cannot be used");
		goto fail;
	}
	if (check_dates(X509_get0_notBefore(leaf), X509_get0_notAfter(leaf), "certificate",
	    "renew it", s->certificate, error) == -1)
		goto fail;
	if (X509_check_purpose(leaf, s->server ? X509_PURPOSE_SSL_SERVER :
	    X509_PURPOSE_SSL_CLIENT, 0) != 1) {
		(void)complain(error, s->certificate, s->server ?
		    "the certificate is not for a server (extended key usage serverAuth)" :
		    "the certificate is not for a client (extended key usage clientAuth)");
		goto fail;
	}
	while ((link = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, link) != 1) {
			X509_free(link);
			(void)complain_why(error, s->certificate, "the chain cannot be used");
			goto fail;
		}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		(void)complain_why(error, s->certificate, "the chain is broken");
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
load_key(SSL_CTX *ctx, const struct tls_settings *s, char error[TLS_ERROR_ROOM])
{
	BIO *bio = open_file(s->key, 1, error);
	int encrypted = 0, rc = -1;
	EVP_PKEY *key;

	if (!bio)
		return -1;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_password, &encrypted);
	if (!key && encrypted)
		(void)complain(error, s->key, "the key is encrypted; store it without a password");
	else if (!key)
		(void)complain_why(error, s->key, "holds no private key in PEM "
		    "(-----BEGIN PRIVATE KEY-----)");
	else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1)
		(void)complain(error, s->key, "is not the key of the certificate in %s",
		    s->certificate);
	else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		(void)complain_why(error, s->key, "the key cannot be used");
	else
		rc = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return rc;
}

static STACK_OF(X509_INFO) *
read_infos(const char *file, char error[TLS_ERROR_ROOM])
{
	BIO *bio = open_file(file, 0, error);
	STACK_OF(X509_INFO) *infos;
	int encrypted = 0;

	if (!bio)
		return NULL;
	infos = PEM_X509_INFO_read_bio(bio, NULL, no_password, &encrypted);
	if (!infos)
		(void)complain_why(error, file, "is not a sound PEM file");
	BIO_free(bio);
	return infos;
}

/* Who may sign the other end's certificate; a server also names them to the
 * client, which may have several to choose from. */
static int
load_ca(SSL_CTX *ctx, const struct tls_settings *s, STACK_OF(X509_INFO) *infos,
    char error[TLS_ERROR_ROOM])
{
	int count = 0, valid = 0;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509 *ca = sk_X509_INFO_value(infos, i)->x509;

		if (!ca)
			continue;
		if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) != 1 ||
		    (s->server && SSL_CTX_add_client_CA(ctx, ca) != 1))
			return complain_why(error, s->ca, "a certificate cannot be used");
		/* OpenSSL works out its extensions when first asked: now, not by the
		 * threads that will share it. */
		(void)X509_check_purpose(ca, -1, 0);
		count++;
		if (check_dates(X509_get0_notBefore(ca), X509_get0_notAfter(ca),
		    "CA's certificate", "renew it", s->ca, error) == 0)
			valid++;
	}
	if (count == 0)
		return complain(error, s->ca, "holds no certificate in PEM "
		    "(-----BEGIN CERTIFICATE-----)");
	/* A bundle may still hold an old CA beside the new one. */
	return valid > 0 ? 0 : -1;
}

static int
is_issued(X509_CRL *crl, STACK_OF(X509_INFO) *infos)
{
	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509 *ca = sk_X509_INFO_value(infos, i)->x509;

		if (ca && X509_NAME_cmp(X509_get_subject_name(ca),
		    X509_CRL_get_issuer(crl)) == 0 &&
		    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1)
			return 1;
	}
	ERR_clear_error();
	return 0;
}

/* A CRL that is missing or out of date would have every peer refused. */
static int
load_crl(SSL_CTX *ctx, const struct tls_settings *s, STACK_OF(X509_INFO) *cas,
    char error[TLS_ERROR_ROOM])
{
	STACK_OF(X509_INFO) *infos = read_infos(s->crl, error);
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	int count = 0, rc = -1;

	for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
		X509_CRL *crl = sk_X509_INFO_value(infos, i)->crl;

		if (!crl)
			continue;
		if (!is_issued(crl, cas)) {
			(void)complain(error, s->crl, "the CRL is not signed by a CA in %s", s->ca);
			goto fail;
		}
		if (check_dates(X509_CRL_get0_lastUpdate(crl), X509_CRL_get0_nextUpdate(crl),
		    "CRL", "have the CA issue a new one", s->crl, error) == -1)
			goto fail;
		if (X509_STORE_add_crl(store, crl) != 1) {
			(void)complain_why(error, s->crl, "the CRL cannot be used");
			goto fail;
		}
		count++;
	}
	if (infos && count == 0)
		(void)complain(error, s->crl, "holds no CRL in PEM (-----BEGIN X509 CRL-----)");
	if (count > 0 && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1)
		rc = 0;
fail:
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	return rc;
}

static int
load_trust(SSL_CTX *ctx, const struct tls_settings *s, char error[TLS_ERROR_ROOM])
{
	STACK_OF(X509_INFO) *infos = read_infos(s->ca, error);
	int rc = -1;

	if (infos && load_ca(ctx, s, infos, error) == 0)
		rc = s->crl ? load_crl(ctx, s, infos, error) : 0;
	sk_X509_INFO_pop_free(infos, X509_INFO_free);
	return rc;
}

int
tls_load_files(SSL_CTX *ctx, const struct tls_settings *settings, char error[TLS_ERROR_ROOM])
{
	if (load_certificate(ctx, settings, error) == -1 ||
	    load_key(ctx, settings, error) == -1 || load_trust(ctx, settings, error) == -1)
		return -1;
	return 0;
}
