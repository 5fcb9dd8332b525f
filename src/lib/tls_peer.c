/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/tls_peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/tls_words.h"

#define TROUBLE_ROOM 480 /* bytes */
#define HOST_MAX 253 /* bytes of a name in the DNS */

/* OpenSSL takes "" for "any name" and ".x" for "anything below x". */
static int
is_host_name(const char *host)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strlen(host);

	return len >= 1 && len <= HOST_MAX && strspn(host, allowed) == len && host[0] != '.';
}

/* What the server has to prove, by subjectAltName only (RFC 9525). */
int
tls_peer_expect(SSL *ssl, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	/* No SNI for an address: RFC 6066, section 3. */
	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1 ? 0 : -1;
	if (!is_host_name(host))
		return -1;
	return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -1;
}

int64_t
tls_date_seconds(const ASN1_TIME *date)
{
	ASN1_TIME *zero = ASN1_TIME_set(NULL, 0);
	int days, seconds;
	int64_t found = 0;

	if (zero && ASN1_TIME_diff(&days, &seconds, zero, date) == 1)
		found = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(zero);
	return found;
}

/* ---- the verdict on a chain */

static int trouble_index;
static CRYPTO_ONCE trouble_once = CRYPTO_ONCE_STATIC_INIT;

static void
free_trouble(void *parent, void *text, CRYPTO_EX_DATA *data, int index, long argl, void *argp)
{
	(void)parent, (void)data, (void)index, (void)argl, (void)argp;
	free(text);
}

static void
make_index(void)
{
	trouble_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_trouble);
}

const char *
tls_peer_trouble(const SSL *ssl)
{
	(void)CRYPTO_THREAD_run_once(&trouble_once, make_index);
	return SSL_get_ex_data(ssl, trouble_index);
}

static int
is_ours(int error)
{
	return error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID ||
	    error == X509_V_ERR_UNABLE_TO_GET_CRL;
}

int
tls_peer_on_verdict(int ok, X509_STORE_CTX *check)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx());
	char *text;

	if (ok || !ssl || tls_peer_trouble(ssl))
		return ok;
	text = malloc(TROUBLE_ROOM);
	if (text) {
		tls_words_verdict(check, text, TROUBLE_ROOM);
		if (SSL_set_ex_data(ssl, trouble_index, text) != 1)
			free(text);
	}
	if (is_ours(X509_STORE_CTX_get_error(check)))
		X509_STORE_CTX_set_error(check, TLS_PEER_OURS);
	return 0;
}

void
tls_peer_drop_roots(SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);

	for (int i = sk_X509_num(chain) - 1; i >= 0; i--) {
		if (X509_self_signed(sk_X509_value(chain, i), 0) == 1)
			X509_free(sk_X509_delete(chain, i));
	}
	ERR_clear_error();
}

int
tls_peer_recheck(SSL_CTX *ctx, SSL *ssl, struct why *error)
{
	X509 *leaf = SSL_get1_peer_certificate(ssl);
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	int verdict = X509_V_ERR_UNSPECIFIED;

	if (leaf && check &&
	    X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(ctx), leaf,
	        SSL_get_peer_cert_chain(ssl)) == 1 &&
	    X509_STORE_CTX_set_default(check, "ssl_client") == 1)
		verdict = X509_verify_cert(check) == 1 ? X509_V_OK
		                                       : X509_STORE_CTX_get_error(check);
	if (verdict != X509_V_OK)
		why_say(error, "%s", X509_verify_cert_error_string(verdict));
	X509_STORE_CTX_free(check);
	X509_free(leaf);
	ERR_clear_error();
	return verdict == X509_V_OK ? 0 : -1;
}
