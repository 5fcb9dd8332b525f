/* SPDX-License-Identifier: ISC */
/*
 * Four events a connection: the socket is readable, writable, a timer, and
 * two that need no socket: `turn` runs behind the callbacks of this turn of
 * the loop (event_active), so that all lines written in it go out together;
 * `later` runs in the next turn (a timer of zero), behind a look at the other
 * sockets.  What goes on with reading must use `later`: libevent runs an event
 * that is activated from a callback in the same turn, so one fast peer would
 * keep the loop to itself.
 *
 * Callbacks may do anything to the connection.  conn_free() inside one only
 * marks it; whoever called the callback looks at `state` afterwards, and
 * leave() frees.
 */
#include "config.h"

#include "lib/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/err.h>

#include "lib/conn_io.h"
#include "lib/tls.h"
#include "lib/tls_peer.h"
#include "lib/tls_words.h"

#define LINGER_MAX ((size_t)16 * 1024 * 1024) /* bytes that are read and dropped at the end */
#define LINGER_BUDGET ((size_t)256 * 1024)    /* of them a wake-up */
#define ALERT_LINGER 2                        /* seconds for the peer to fetch our alert */

/* ---- waiting */

static void
disarm(struct conn *c)
{
	conn_arm_read(c, 0);
	event_del(&c->writable);
	event_del(&c->turn);
	event_del(&c->later);
	event_del(&c->timer);
}

/* The timer is set once, and looks at its firing how far things have gone:
 * so a byte costs a store, not a move in libevent's heap. */
static void
set_timer(struct conn *c)
{
	long long left, until = c->deadline;
	struct timeval tv;

	if (!c->finishing)
		until = c->active + (long long)c->idle * 1000;
	if (!c->finishing && c->idle == 0) {
		event_del(&c->timer);
		return;
	}
	left = until - conn_now();
	if (left < 0)
		left = 0;
	tv.tv_sec = (time_t)(left / 1000);
	tv.tv_usec = (suseconds_t)(left % 1000 * 1000);
	if (event_add(&c->timer, &tv) == 0)
		return;
	/* Without a limit it could hang for ever: it ends, in leave(). */
	c->failure = conn_no_memory;
	event_active(&c->turn, EV_TIMEOUT, 0);
}

/* ---- the end */

static void
destroy(struct conn *c)
{
	disarm(c);
	SSL_free(c->ssl);
	tls_unref(c->tls);
	if (c->fd != -1)
		close(c->fd);
	free(c->parting);
	free(c->in);
	free(c->out);
	free(c);
}

void
conn_over(struct conn *c, const char *error)
{
	c->state = OVER;
	disarm(c);
	c->events->on_close(c->ctx, error);
}

/* Our FIN goes out; what the peer still sends is read, since closing a socket
 * with unread input makes the kernel send a reset, which can overtake our
 * last bytes. */
static void
start_linger(struct conn *c)
{
	if (shutdown(c->fd, SHUT_WR) == -1) {
		conn_over(c, c->parting);
		return;
	}
	c->state = LINGER;
	conn_arm_read(c, 1);
}

static void
linger(struct conn *c)
{
	unsigned char waste[CONN_CHUNK];
	size_t got = 0;

	while (got < LINGER_BUDGET) {
		ssize_t n = recv(c->fd, waste, sizeof waste, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		got += n > 0 ? (size_t)n : 0;
		c->discarded += n > 0 ? (size_t)n : 0;
		if (n <= 0 || c->discarded > LINGER_MAX) {
			conn_over(c, c->parting);
			return;
		}
	}
}

/* All output is out: close_notify, then FIN. */
static void
close_in_order(struct conn *c)
{
	int rc;

	ERR_clear_error();
	rc = SSL_shutdown(c->ssl);
	if (rc < 0 && SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_WRITE) {
		conn_arm_write(c);
		return;
	}
	ERR_clear_error();
	start_linger(c);
}

/* ---- the beginning */

static int
is_connected(struct conn *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	int on = 1;

	if (getpeername(c->fd, (struct sockaddr *)&sa, &len) == -1)
		return 0;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return 1;
}

static void
check_connect(struct conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0 && is_connected(c)) {
		c->state = HANDSHAKE;
		return;
	}
	if (error == 0)
		error = ENOTCONN;
	c->silent = 1;
	conn_set_parting(c, "connect: %s", strerror(error));
	conn_over(c, c->parting);
}

/* The peer gets our alert, which says what is wrong with its certificate. */
static void
refuse(struct conn *c, const char *fmt, const char *text)
{
	conn_set_parting(c, fmt, text);
	c->finishing = 1;
	c->deadline = conn_now() + ALERT_LINGER * 1000;
	set_timer(c);
	conn_drop_output(c);
	start_linger(c);
}

static void
handshake_failed(struct conn *c, int why, int error)
{
	long verdict = SSL_get_verify_result(c->ssl);
	struct why text;

	if (verdict != X509_V_OK) {
		const char *trouble = tls_peer_trouble(c->ssl);

		refuse(c, "handshake: the peer's certificate: %s",
		    trouble ? trouble : X509_verify_cert_error_string(verdict));
	} else if (why == SSL_ERROR_SSL &&
	    ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		tls_words_error(c->ssl, &text);
		refuse(c, "handshake: %s", text.text);
	} else {
		c->silent = BIO_number_read(SSL_get_rbio(c->ssl)) == 0;
		conn_set_parting(c, "handshake: %s", why == SSL_ERROR_SYSCALL && error != 0 ?
		    strerror(error) : c->silent && !SSL_is_server(c->ssl) ?
		    "the peer closed the connection before it had said anything" :
		    "the peer closed the connection");
		conn_over(c, c->parting);
	}
	ERR_clear_error();
}

static void
handshake(struct conn *c)
{
	uint64_t before;
	int n, why;

	ERR_clear_error();
	errno = 0;
	before = BIO_number_read(SSL_get_rbio(c->ssl));
	n = SSL_do_handshake(c->ssl);
	if (BIO_number_read(SSL_get_rbio(c->ssl)) != before)
		c->spoken = conn_now();
	if (n != 1) {
		int error = errno;

		why = SSL_get_error(c->ssl, n);
		conn_arm_read(c, why == SSL_ERROR_WANT_READ);
		if (why == SSL_ERROR_WANT_WRITE)
			conn_arm_write(c);
		else if (why != SSL_ERROR_WANT_READ)
			handshake_failed(c, why, error);
		return;
	}
	c->alpn = tls_protocol(c->tls, c->ssl);
	if (!c->alpn) {
		refuse(c, "handshake: the peer speaks TLS, but has agreed to no protocol "
		    "of ours (ALPN)%s", "");
		return;
	}
	tls_peer_drop_roots(c->ssl);
	c->state = OPEN;
	c->active = conn_now();
	if (!c->finishing && c->events->on_open)
		c->events->on_open(c->ctx);
}

/* ---- events */

static void
leave(struct conn *c)
{
	if (c->failure && c->state != OVER)
		conn_over(c, c->failure);
	c->busy = 0;
	if (c->freed)
		destroy(c);
}

#define MAY_READ 1
#define MAY_WRITE 2

static void
serve(struct conn *c, int may)
{
	if ((may & MAY_WRITE) && !c->blocked)
		conn_write_some(c);
	if ((may & MAY_READ) && conn_is_reading(c))
		conn_read_some(c);
	else if ((may & MAY_READ) && c->state == OPEN && !c->write_wants_read)
		conn_arm_read(c, 0); /* paused: the socket would wake us for ever */
	if (c->state == OPEN && c->finishing && c->out_len == 0)
		close_in_order(c);
}

static void
wake(struct conn *c, int may)
{
	c->busy = 1;
	if (c->finishing && c->state < OPEN && c->out_len == 0)
		conn_over(c, NULL);
	if (c->state == HANDSHAKE) {
		handshake(c);
		/* Lines may wait at either end. */
		may = MAY_READ | MAY_WRITE;
	}
	if (c->state == OPEN && !c->failure)
		serve(c, may);
	else if (c->state == LINGER)
		linger(c);
	leave(c);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	/* It reads too, and comes in this turn: one budget, not two. */
	if (event_pending(&c->later, EV_TIMEOUT, NULL))
		return;
	wake(c, c->write_wants_read ? MAY_READ | MAY_WRITE : MAY_READ);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	c->busy = 1;
	c->blocked = 0;
	if (c->state == CONNECTING)
		check_connect(c);
	wake(c, c->read_wants_write ? MAY_READ | MAY_WRITE : MAY_WRITE);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	wake(arg, MAY_WRITE);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	wake(arg, MAY_READ | MAY_WRITE);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	long long now = conn_now();

	(void)fd;
	(void)what;
	c->busy = 1;
	if (c->finishing && now >= c->deadline)
		conn_over(c, c->state == LINGER ? c->parting :
		    "the peer did not take our last lines");
	else if (!c->finishing && c->idle > 0 && now - c->active >= (long long)c->idle * 1000) {
		c->active = now;
		if (c->state < OPEN)
			conn_over(c, c->state == CONNECTING ? "connect: no answer" :
			    "handshake: took too long");
		else if (c->events->on_idle)
			c->events->on_idle(c->ctx);
	}
	if (c->state != OVER)
		set_timer(c);
	leave(c);
}

void
conn_set_idle(struct conn *c, unsigned seconds)
{
	c->idle = seconds;
	c->active = conn_now();
	if (c->state != OVER)
		set_timer(c);
}

void
conn_finish(struct conn *c, unsigned linger_seconds)
{
	if (c->finishing || c->state >= LINGER)
		return;
	c->finishing = 1;
	c->deadline = conn_now() + (long long)linger_seconds * 1000;
	set_timer(c);
	event_active(&c->turn, EV_TIMEOUT, 0);
}

struct conn *
conn_new(struct event_base *base, struct tls *tls, const struct conn_link *link,
    const struct conn_events *events, void *ctx)
{
	struct conn *c = calloc(1, sizeof *c);

	if (!c) {
		close(link->fd);
		return NULL;
	}
	c->events = events;
	c->ctx = ctx;
	c->fd = link->fd;
	snprintf(c->peer, sizeof c->peer, "%s", link->peer);
	c->tls = tls_ref(tls);
	c->state = is_connected(c) ? HANDSHAKE : CONNECTING;
	if (event_assign(&c->readable, base, c->fd, EV_READ | EV_PERSIST, on_readable, c) == -1 ||
	    event_assign(&c->writable, base, c->fd, EV_WRITE, on_writable, c) == -1 ||
	    event_assign(&c->turn, base, -1, 0, on_turn, c) == -1 ||
	    event_assign(&c->later, base, -1, 0, on_later, c) == -1 ||
	    event_assign(&c->timer, base, -1, 0, on_timer, c) == -1)
		goto fail;
	c->ssl = tls_connection(tls, c->fd, link->host);
	if (!c->ssl)
		goto fail;
	conn_watch(c);
	c->active = conn_now();
	if (c->state == CONNECTING || link->host)
		conn_arm_write(c);
	else
		conn_arm_read(c, 1);
	if (!c->failure)
		return c;
fail:
	destroy(c);
	return NULL;
}

void
conn_free(struct conn *c)
{
	if (!c)
		return;
	c->state = OVER;
	c->freed = 1;
	if (!c->busy)
		destroy(c);
}

int
conn_peer_identity(struct conn *c, enum identity_kind kind, char identity[IDENTITY_MAX + 1],
    struct why *error)
{
	X509 *certificate = SSL_get1_peer_certificate(c->ssl);
	int rc = identity_from_certificate(certificate, kind, identity, error);

	X509_free(certificate);
	return rc;
}

int
conn_recheck(struct conn *c, struct tls *tls, struct why *error)
{
	return tls_trusts(tls, c->ssl, error);
}

int
conn_is_connected(const struct conn *c)
{
	return c->state > CONNECTING;
}

int
conn_was_silent(const struct conn *c)
{
	return c->silent;
}

int
conn_is_to_blame(const struct conn *c)
{
	return SSL_get_verify_result(c->ssl) == TLS_PEER_OURS;
}

const char *
conn_peer_address(const struct conn *c)
{
	return c->peer;
}

void
conn_set_owner(struct conn *c, const struct conn_events *events, void *ctx)
{
	c->events = events;
	c->ctx = ctx;
}

const char *
conn_alpn(const struct conn *c)
{
	return c->alpn;
}
