/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/tls_peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

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

int
tls_peer_recheck(SSL_CTX *ctx, SSL *ssl, char *error, size_t room)
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
		snprintf(error, room, "%s", X509_verify_cert_error_string(verdict));
	X509_STORE_CTX_free(check);
	X509_free(leaf);
	ERR_clear_error();
	return verdict == X509_V_OK ? 0 : -1;
}
