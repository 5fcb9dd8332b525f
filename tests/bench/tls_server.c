/* SPDX-License-Identifier: ISC */
/*
 * A TLS server that asks for client certificates and stores nothing: what handshakes cost here
 * at least, with OpenSSL set as a sensible server sets it.  Each thread has a listening socket,
 * a loop and its connections.  It answers the lines HELLO and QUIT with READY and BYE, so that a
 * connection costs it as many records as it costs the receiver.
 *
 * usage: tls_server CA CERTIFICATE KEY THREADS RESUMES
 * (RESUMES 1: it gives out tickets, and takes them)
 *
 * Prints its port, and runs until it is ended.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define BACKLOG 4096

struct listener {
	struct event_base *base;
	struct event *event;
	SSL_CTX *ctx;
};

struct peer {
	struct event *event;
	SSL *ssl;
};

static void
die(const char *what)
{
	fprintf(stderr, "tls_server: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void
leave(struct peer *peer)
{
	int fd = SSL_get_fd(peer->ssl);

	event_free(peer->event);
	SSL_free(peer->ssl);
	close(fd);
	free(peer);
}

/* 0: that was the last line. */
static int
answer(struct peer *peer, const char *line, int len)
{
	static const char ready[] = "READY 1 localhost\n", bye[] = "BYE\n";

	if (len > 0 && line[0] == 'H')
		return SSL_write(peer->ssl, ready, sizeof ready - 1) > 0;
	(void)SSL_write(peer->ssl, bye, sizeof bye - 1);
	(void)SSL_shutdown(peer->ssl);
	return 0;
}

static void
on_peer(evutil_socket_t fd, short what, void *arg)
{
	struct peer *peer = arg;
	char line[2048];
	int n = 1;

	(void)fd;
	ERR_clear_error();
	if (what & EV_TIMEOUT) {
		leave(peer);
		return;
	}
	if (!SSL_is_init_finished(peer->ssl))
		n = SSL_do_handshake(peer->ssl);
	while (n > 0) {
		n = SSL_read(peer->ssl, line, sizeof line);
		if (n > 0 && !answer(peer, line, n)) {
			leave(peer);
			return;
		}
	}
	if (SSL_get_error(peer->ssl, n) == SSL_ERROR_WANT_READ)
		return;
	if (SSL_get_error(peer->ssl, n) == SSL_ERROR_ZERO_RETURN)
		(void)SSL_shutdown(peer->ssl);
	leave(peer);
}

static void
on_accept(evutil_socket_t listening, short what, void *arg)
{
	static const struct timeval limit = {60, 0};
	struct listener *listener = arg;
	struct peer *peer;
	int on = 1, fd;

	(void)what;
	while ((fd = accept(listening, NULL, NULL)) != -1) {
		peer = calloc(1, sizeof *peer);
		if (!peer || fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
			die("accept");
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		peer->ssl = SSL_new(listener->ctx);
		peer->event = event_new(listener->base, fd, EV_READ | EV_PERSIST, on_peer, peer);
		if (!peer->ssl || !peer->event || SSL_set_fd(peer->ssl, fd) != 1 ||
		    event_add(peer->event, &limit) == -1)
			die("connection");
		SSL_set_accept_state(peer->ssl);
	}
}

static int
choose(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
    unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\007inbox/1";

	(void)ssl, (void)arg;
	return SSL_select_next_proto((unsigned char **)out, outlen, ours, sizeof ours - 1, in,
	    inlen) == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *
make_context(char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int resumes = atoi(argv[5]);

	if (!ctx || SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_load_verify_locations(ctx, argv[1], NULL) != 1 ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, resumes ? 1 : 0) != 1)
		die("context");
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(argv[1]));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* What it sends is found once, not in each handshake, as at the receiver. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, choose, NULL);
	if (resumes && SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"b", 1) != 1)
		die("context");
	return ctx;
}

/* On a port of the system's choice for the first one; all share it. */
static int
listen_on(in_port_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = *port};
	socklen_t len = sizeof address;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
	    listen(fd, BACKLOG) == -1 || fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) == -1)
		die("listen");
	*port = address.sin_port;
	return fd;
}

static void *
run(void *arg)
{
	struct listener *listener = arg;

	(void)event_base_dispatch(listener->base);
	return NULL;
}

int
main(int argc, char **argv)
{
	struct listener *listeners;
	in_port_t port = 0;
	pthread_t thread;
	int threads;

	if (argc != 6 || (threads = atoi(argv[4])) < 1) {
		fprintf(stderr, "usage: tls_server CA CERTIFICATE KEY THREADS RESUMES\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	listeners = calloc((size_t)threads, sizeof *listeners);
	if (!listeners)
		die("start");
	listeners[0].ctx = make_context(argv);
	for (int i = 0; i < threads; i++) {
		struct listener *listener = &listeners[i];

		listener->ctx = listeners[0].ctx;
		listener->base = event_base_new();
		if (!listener->base)
			die("loop");
		listener->event = event_new(listener->base, listen_on(&port), EV_READ | EV_PERSIST,
		    on_accept, listener);
		if (!listener->event || event_add(listener->event, NULL) == -1)
			die("loop");
	}
	for (int i = 1; i < threads; i++) {
		if (pthread_create(&thread, NULL, run, &listeners[i]) != 0)
			die("thread");
	}
	printf("%d\n", ntohs(port));
	fflush(stdout);
	(void)run(&listeners[0]);
	return 0;
}
