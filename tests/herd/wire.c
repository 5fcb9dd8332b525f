/* SPDX-License-Identifier: ISC */
/* See wire.h.  A failed write is told by the reading side, which the kernel then wakes: so no
 * callback comes from within wire_flush(). */
#include "config.h"

#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>

#include "lib/proto.h"
#include "run.h"

#define SCRATCH ((size_t)64 * 1024)
#define READS_MAX 16   /* SSL_read()s a wake-up */
#define CRUMB_READ 128 /* bytes; of output a quarter, and a little */
#define CRUMB_WRITE 256
#define KEEP_MAX 4096  /* bytes of an output buffer that is kept though empty */

static const struct timeval pace = {0, 100000};

struct wire {
	const struct wire_events *events;
	void *ctx;
	SSL *ssl;
	int fd;
	struct event readable, writable, timer;
	enum { CONNECTING, SHAKING, OPEN, FINISHING, OVER } state;
	unsigned busy : 1, freed : 1, reset : 1;
	unsigned deaf : 1, broken : 1, was_open : 1;
	unsigned slow_read : 1, slow_write : 1;
	unsigned char *held; /* what on_read did not use, PROTO_LINE_MAX at most */
	size_t held_len;
	unsigned char *out;
	size_t out_at, out_len, out_room;
};

static _Thread_local unsigned char scratch[SCRATCH];

static void
destroy(struct wire *w)
{
	struct linger hard = {1, 0};

	event_del(&w->readable);
	event_del(&w->writable);
	event_del(&w->timer);
	if (w->reset)
		(void)setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	SSL_free(w->ssl);
	close(w->fd);
	free(w->held);
	free(w->out);
	free(w);
}

static void
over(struct wire *w)
{
	if (w->state == OVER)
		return;
	w->state = OVER;
	event_del(&w->readable);
	event_del(&w->writable);
	event_del(&w->timer);
	w->events->on_close(w->ctx, (int)w->was_open);
}

static void
listen_up(struct wire *w)
{
	if (w->deaf || (w->slow_read && w->state == OPEN))
		return;
	if (event_add(&w->readable, NULL) < 0)
		run_die("out of memory");
}

static void
want_write(struct wire *w)
{
	if (event_add(&w->writable, NULL) < 0)
		run_die("out of memory");
}

/* ---- output */

static ssize_t
put(struct wire *w, size_t len)
{
	int n;

	if (!w->ssl)
		return send(w->fd, w->out + w->out_at, len, MSG_NOSIGNAL);
	ERR_clear_error();
	n = SSL_write(w->ssl, w->out + w->out_at, len > INT_MAX ? INT_MAX : (int)len);
	if (n > 0)
		return n;
	errno = SSL_get_error(w->ssl, n) == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
	return -1;
}

static void
write_some(struct wire *w, size_t most)
{
	while (w->out_len > 0 && most > 0 && !w->broken) {
		ssize_t n = put(w, w->out_len < most ? w->out_len : most);

		if (n < 0 && errno == EAGAIN) {
			want_write(w);
			return;
		}
		if (n < 0) {
			w->broken = 1;
			w->out_len = 0;
			ERR_clear_error();
			return;
		}
		w->out_at += (size_t)n;
		w->out_len -= (size_t)n;
		most -= (size_t)n;
	}
	if (w->out_len > 0)
		return;
	w->out_at = 0;
	if (w->out_room > KEEP_MAX) {
		free(w->out);
		w->out = NULL;
		w->out_room = 0;
	}
}

void
wire_flush(struct wire *w)
{
	if (w->state == OPEN && !w->slow_write)
		write_some(w, SIZE_MAX);
}

void
wire_write(struct wire *w, const void *data, size_t len)
{
	size_t room = w->out_room ? w->out_room : 512;

	if (w->broken || w->state >= FINISHING)
		return;
	if (w->out_room - w->out_at - w->out_len < len) {
		if (w->out_len > 0)
			memmove(w->out, w->out + w->out_at, w->out_len);
		w->out_at = 0;
		while (room - w->out_len < len)
			room *= 2;
		w->out = room == w->out_room ? w->out : realloc(w->out, room);
		if (!w->out)
			run_die("out of memory");
		w->out_room = room;
	}
	memcpy(w->out + w->out_at + w->out_len, data, len);
	w->out_len += len;
}

size_t
wire_pending(const struct wire *w)
{
	return w->out_len;
}

/* ---- input */

/* 1: bytes came; 0: none now; -1: the end. */
static int
get(struct wire *w, size_t most, size_t *len)
{
	int n;

	if (!w->ssl) {
		ssize_t got = recv(w->fd, scratch, SCRATCH, 0);

		*len = 0;
		return got > 0 ? 1 : got < 0 && errno == EAGAIN ? 0 : -1;
	}
	ERR_clear_error();
	n = SSL_read(w->ssl, scratch + w->held_len, (int)most);
	*len = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return 1;
	n = SSL_get_error(w->ssl, n);
	ERR_clear_error();
	return n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void
deliver(struct wire *w, size_t len)
{
	size_t all = w->held_len + len, used;

	if (w->held_len > 0)
		memcpy(scratch, w->held, w->held_len);
	used = w->state == OPEN ? w->events->on_read(w->ctx, scratch, all) : all;
	if (w->state == OVER || w->freed)
		return;
	w->held_len = all - used;
	if (w->held_len > PROTO_LINE_MAX)
		w->held_len = PROTO_LINE_MAX; /* no line: the next call finds that, too */
	if (w->held_len > 0 && !w->held)
		w->held = malloc(PROTO_LINE_MAX);
	if (w->held_len > 0 && !w->held)
		run_die("out of memory");
	if (w->held_len > 0)
		memcpy(w->held, scratch + used, w->held_len);
}

static void
read_some(struct wire *w, int reads, size_t most)
{
	while (reads-- > 0 && !w->freed && !w->deaf && w->state < OVER) {
		size_t len;
		int more = get(w, most, &len);

		if (more < 0)
			over(w);
		if (more <= 0)
			return;
		if (len > 0)
			deliver(w, len);
	}
}

/* ---- events */

static void
shake(struct wire *w)
{
	int n = 1, why;

	if (w->ssl) {
		ERR_clear_error();
		n = SSL_do_handshake(w->ssl);
	}
	if (n == 1) {
		w->state = OPEN;
		w->was_open = 1;
		listen_up(w);
		w->events->on_open(w->ctx);
		return;
	}
	why = SSL_get_error(w->ssl, n);
	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ)
		listen_up(w);
	else if (why == SSL_ERROR_WANT_WRITE)
		want_write(w);
	else
		over(w);
}

static void
leave(struct wire *w)
{
	w->busy = 0;
	if (w->freed)
		destroy(w);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;

	(void)fd, (void)what;
	w->busy = 1;
	if (w->state == SHAKING)
		shake(w);
	if (w->state == OPEN || w->state == FINISHING) {
		read_some(w, READS_MAX, SCRATCH - PROTO_LINE_MAX);
		/* What TLS has read ahead wakes nobody. */
		if (!w->freed && !w->deaf && w->state < OVER && w->ssl && SSL_pending(w->ssl) > 0)
			event_active(&w->readable, EV_READ, 0);
	}
	leave(w);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;
	socklen_t len = sizeof(int);
	size_t before = w->out_len;
	int error = 0;

	(void)what;
	w->busy = 1;
	if (w->state == CONNECTING) {
		w->state = SHAKING;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
			over(w);
	}
	if (w->state == SHAKING)
		shake(w);
	else if (w->state == OPEN)
		wire_flush(w);
	if (w->state == OPEN && before > 0 && w->out_len == 0 && !w->freed)
		w->events->on_drained(w->ctx);
	leave(w);
}

static void
on_pace(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;
	size_t before = w->out_len;

	(void)fd, (void)what;
	w->busy = 1;
	if (w->state == OPEN && w->slow_write)
		write_some(w, w->out_len / 4 + CRUMB_WRITE);
	if (w->state == OPEN && before > 0 && w->out_len == 0)
		w->events->on_drained(w->ctx);
	if (w->state == OPEN && !w->freed && (w->slow_read || w->broken))
		read_some(w, 1, CRUMB_READ);
	leave(w);
}

void
wire_stop_reading(struct wire *w)
{
	w->deaf = 1;
	event_del(&w->readable);
}

void
wire_slow_down(struct wire *w, int reads, int writes)
{
	w->slow_read = reads ? 1 : 0;
	w->slow_write = writes ? 1 : 0;
	if (reads && w->state == OPEN)
		event_del(&w->readable);
	if (event_add(&w->timer, &pace) < 0)
		run_die("out of memory");
}

void
wire_finish(struct wire *w)
{
	wire_flush(w);
	if (w->ssl && !w->broken) {
		ERR_clear_error();
		(void)SSL_shutdown(w->ssl);
		ERR_clear_error();
	}
	w->state = FINISHING;
	w->slow_read = 0;
	(void)shutdown(w->fd, SHUT_WR);
	listen_up(w);
}

struct wire *
wire_new(struct event_base *base, int fd, SSL *ssl, const struct wire_events *events, void *ctx)
{
	struct wire *w = calloc(1, sizeof *w);

	if (!w) {
		SSL_free(ssl);
		close(fd);
		return NULL;
	}
	w->events = events;
	w->ctx = ctx;
	w->fd = fd;
	w->ssl = ssl;
	event_assign(&w->readable, base, fd, EV_READ | EV_PERSIST, on_readable, w);
	event_assign(&w->writable, base, fd, EV_WRITE, on_writable, w);
	event_assign(&w->timer, base, -1, EV_PERSIST, on_pace, w);
	if ((ssl && SSL_set_fd(ssl, fd) != 1) || event_add(&w->writable, NULL) < 0) {
		destroy(w);
		return NULL;
	}
	return w;
}

void
wire_free(struct wire *w, int reset)
{
	if (!w)
		return;
	w->state = OVER;
	w->reset = reset ? 1 : 0;
	w->freed = 1;
	if (!w->busy)
		destroy(w);
}
