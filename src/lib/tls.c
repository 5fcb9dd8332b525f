/* SPDX-License-Identifier: ISC */
/*
 * One SSL_CTX, built from files and checked before it is used: a server that
 * starts, or reloads, with what no client can accept is worse than one that
 * says so.  Nothing of a session outlives its connection (no tickets, no
 * cache), since a resumed session skips the chain and the CRL: a revoked
 * client would go on.
 */
#include "config.h"

#include "lib/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "lib/tls_files.h"
#include "lib/tls_peer.h"
#include "lib/tls_verdicts.h"
#include "lib/tls_words.h"

#define OPTIONS (SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION)
#define MODES (SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | \
	SSL_MODE_RELEASE_BUFFERS)

struct tls {
	atomic_uint refs;
	SSL_CTX *ctx;
	int server;
	struct tls_verdicts *verdicts; /* a server's */
	struct tls_date dates[TLS_KINDS];
	const char *const *alpn;
	unsigned char names[256]; /* the same in the form of RFC 7301: a length, then the bytes */
	unsigned names_len;
};

/* Server.  A client that offers protocols, but not ours. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned inlen, void *arg)
{
	const struct tls *tls = arg;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, outlen, tls->names, tls->names_len, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Server.  A client that offers none: OpenSSL does not ask choose_protocol()
 * then, and would go on without. */
static int
need_protocol(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *data;
	size_t len;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
	    &data, &len) == 1)
		return SSL_CLIENT_HELLO_SUCCESS;
	ERR_raise(ERR_LIB_SSL, SSL_R_NO_APPLICATION_PROTOCOL);
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

/* Every call that can fail here fails only for memory. */
static int
set_rules(struct tls *tls, const struct tls_settings *s)
{
	SSL_CTX *ctx = tls->ctx;

	SSL_CTX_set_options(ctx, OPTIONS);
	SSL_CTX_set_mode(ctx, MODES);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	    tls_peer_on_verdict);
	if (SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1 ||
	    SSL_CTX_set_recv_max_early_data(ctx, 0) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, s->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
		return -1;
	if (!s->server) /* returns 0 for success */
		return SSL_CTX_set_alpn_protos(ctx, tls->names, tls->names_len) == 0 ? 0 : -1;
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, tls);
	SSL_CTX_set_client_hello_cb(ctx, need_protocol, NULL);
	tls->verdicts = tls_verdicts_new();
	if (!tls->verdicts)
		return -1;
	SSL_CTX_set_cert_verify_callback(ctx, tls_verdicts_verify, tls->verdicts);
	/* A server receives: fewer and larger read(2); how large, conn.h says. */
	SSL_CTX_set_read_ahead(ctx, 1);
	return 0;
}

static void
set_names(struct tls *tls, const char *const *alpn)
{
	tls->alpn = alpn;
	for (size_t i = 0; alpn[i]; i++) {
		size_t len = strlen(alpn[i]);

		assert(len > 0 && tls->names_len + 1 + len < sizeof tls->names);
		tls->names[tls->names_len++] = (unsigned char)len;
		memcpy(tls->names + tls->names_len, alpn[i], len);
		tls->names_len += (unsigned)len;
	}
}

const char *
tls_protocol(const struct tls *tls, const struct ssl_st *ssl)
{
	const char *const *name = tls->alpn;
	const unsigned char *agreed;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &agreed, &len);
	while (*name && (strlen(*name) != len || memcmp(*name, agreed, len) != 0))
		name++;
	return *name;
}

struct tls *
tls_new(const struct tls_settings *settings, struct why *error)
{
	struct tls *tls = calloc(1, sizeof *tls);
	int trouble;

	ERR_clear_error();
	if (!tls) {
		why_say(error, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&tls->refs, 1);
	tls->server = settings->server;
	set_names(tls, settings->alpn);
	tls->ctx = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method());
	if (!tls->ctx || set_rules(tls, settings) == -1) {
		struct why why;
		tls_error_text(&why);
		why_say(error, "OpenSSL: no context: %.400s", why.text);
		trouble = ENOMEM;
		goto fail;
	}
	if (tls_load_files(tls->ctx, settings, tls->dates, error) == -1) {
		trouble = errno;
		goto fail;
	}
	error->text[0] = '\0';
	return tls;
fail:
	tls_unref(tls);
	errno = trouble;
	return NULL;
}

struct tls_date
tls_date(const struct tls *tls, enum tls_kind kind)
{
	return tls->dates[kind];
}

void
tls_own_identity(const struct tls *tls, char identity[IDENTITY_MAX + 1])
{
	X509 *own = SSL_CTX_get0_certificate(tls->ctx);
	struct why why;

	if (identity_from_certificate(own, IDENTITY_SAN, identity, &why) < 0 &&
	    identity_from_certificate(own, IDENTITY_CN, identity, &why) < 0)
		identity[0] = '\0';
}

struct tls *
tls_ref(struct tls *tls)
{
	atomic_fetch_add_explicit(&tls->refs, 1, memory_order_relaxed);
	return tls;
}

void
tls_unref(struct tls *tls)
{
	if (!tls || atomic_fetch_sub_explicit(&tls->refs, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(tls->ctx);
	tls_verdicts_free(tls->verdicts);
	free(tls);
}

int
tls_trusts(struct tls *tls, struct ssl_st *ssl, struct why *error)
{
	return tls_peer_recheck(tls->ctx, ssl, error);
}

struct ssl_st *
tls_connection(struct tls *tls, int fd, const char *host)
{
	SSL *ssl = NULL;

	/* A client that asks for no name would trust every server of this CA,
	 * and every client too. */
	if (tls->server != (!host))
		return NULL;
	ssl = SSL_new(tls->ctx);
	if (!ssl || SSL_set_fd(ssl, fd) != 1)
		goto fail;
	if (tls->server) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_set_connect_state(ssl);
	if (tls_peer_expect(ssl, host) == 0)
		return ssl;
fail:
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}
