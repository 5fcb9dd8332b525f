/* SPDX-License-Identifier: ISC */
/*
 * A connection's bytes.  Input is gathered from records into one buffer that
 * exists only while it holds something, and is given to on_read until that
 * pauses or the budget of the wake-up is used, in bytes or in time: what costs time
 * is not the bytes of many small items, but what is done for each.  Output is one buffer as well,
 * from which SSL_write takes what the kernel takes.
 */
#include "config.h"

#include "lib/conn_io.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <event2/event.h>
#include <openssl/err.h>

#include "lib/clock.h"
#include "lib/tls.h"
#include "lib/tls_words.h"
#include "lib/why.h"

#define IN_FIRST (2 * (size_t)CONN_CHUNK) /* where a wake-up begins with no more than a chunk */
#define IN_ROOM (4 * (size_t)CONN_CHUNK) /* one on_read's most */
#define AHEAD_ROOM (8 * (size_t)CONN_CHUNK) /* of TLS: what one read(2) takes of a bulk */
#define READ_BUDGET ((size_t)256 * 1024) /* bytes a wake-up */
#define TIME_BUDGET 500                  /* microseconds a wake-up */
#define RECORD_COST ((size_t)256)        /* of it that a record takes at least */
#define OWN_MAX 32                       /* messages of TLS's own ... */
#define OWN_QUIET ((size_t)1024 * 1024)  /* ... in so many bytes of data */
#define OUT_ROOM 1024                    /* bytes, to begin with; doubled */

const char conn_no_memory[] = "out of memory";
static const struct timeval at_once = {0, 0};

/* Calls on_later() in the loop's next turn; without memory for a timer in this one,
 * which costs other connections their turn and nothing else. */
static void
call_later(struct conn *c)
{
	if (event_add(&c->later, &at_once) < 0)
		event_active(&c->later, EV_TIMEOUT, 0);
}

long long
conn_now(void)
{
	return clock_monotonic() / 1000;
}

int
conn_must_yield(const struct conn *c)
{
	return clock_monotonic() >= c->until;
}

int
conn_is_reading(const struct conn *c)
{
	return c->state == OPEN && !c->paused && !c->finishing;
}

void
conn_arm_read(struct conn *c, int on)
{
	if (c->read_armed == !!on)
		return;
	c->read_armed = !!on;
	if (!on)
		event_del(&c->readable);
	else if (event_add(&c->readable, NULL) == -1)
		c->failure = conn_no_memory;
}

void
conn_arm_write(struct conn *c)
{
	if (event_add(&c->writable, NULL) == -1)
		c->failure = conn_no_memory;
}

void
conn_set_parting(struct conn *c, const char *fmt, const char *text)
{
	struct why line;

	why_say(&line, fmt, text);
	free(c->parting);
	c->parting = strdup(line.text);
	if (!c->parting)
		c->failure = conn_no_memory;
}

/* ---- output */

void
conn_drop_output(struct conn *c)
{
	free(c->out);
	c->out = NULL;
	c->out_at = c->out_len = c->out_room = 0;
}

static void
write_failed(struct conn *c, int why)
{
	struct why text;
	int error = errno;

	if (why == SSL_ERROR_SYSCALL && error != 0)
		conn_set_parting(c, "write: %s", strerror(error));
	else {
		tls_words_error(c->ssl, &text);
		conn_set_parting(c, "write: %s", text.text);
	}
	conn_drop_output(c);
	/* The peer may have told why, in a line or an alert, before it left. */
	c->broken = 1;
	if (conn_is_reading(c))
		call_later(c);
	else
		conn_over(c, c->parting);
}

void
conn_write_some(struct conn *c)
{
	if (c->out_len == 0)
		return;
	c->write_wants_read = 0;
	while (c->out_len > 0) {
		int n, why;

		ERR_clear_error();
		errno = 0;
		n = SSL_write(c->ssl, c->out + c->out_at,
		    c->out_len > INT_MAX ? INT_MAX : (int)c->out_len);
		if (n > 0) {
			c->out_at += (size_t)n;
			c->out_len -= (size_t)n;
			c->active = conn_now();
			continue;
		}
		why = SSL_get_error(c->ssl, n);
		if (why == SSL_ERROR_WANT_WRITE) {
			c->blocked = 1;
			conn_arm_write(c);
		} else if (why == SSL_ERROR_WANT_READ) {
			c->write_wants_read = 1;
			conn_arm_read(c, 1);
		} else
			write_failed(c, why);
		return;
	}
	conn_drop_output(c);
	if (c->finishing || !c->events->on_drained)
		return;
	c->draining = 1;
	c->events->on_drained(c->ctx);
	c->draining = 0;
}

/* Makes room for `len` more bytes: -1 if there is no memory. */
static int
grow_output(struct conn *c, size_t len)
{
	size_t room = c->out_room > 0 ? c->out_room : OUT_ROOM;
	unsigned char *grown;

	if (c->out_room - c->out_at - c->out_len >= len)
		return 0;
	if (c->out_at > 0) {
		memmove(c->out, c->out + c->out_at, c->out_len);
		c->out_at = 0;
	}
	while (room - c->out_len < len) {
		if (room > SIZE_MAX / 2)
			return -1;
		room *= 2;
	}
	if (room == c->out_room)
		return 0;
	grown = realloc(c->out, room);
	if (!grown)
		return -1;
	c->out = grown;
	c->out_room = room;
	return 0;
}

void
conn_write(struct conn *c, const void *data, size_t len)
{
	if (len == 0 || c->finishing || c->broken || c->state >= LINGER)
		return;
	if (grow_output(c, len) == -1)
		c->failure = conn_no_memory;
	else {
		memcpy(c->out + c->out_at + c->out_len, data, len);
		c->out_len += len;
		c->written += len;
	}
	/* An owner that refills from on_drained must not keep the loop. */
	if (c->draining)
		call_later(c);
	else
		event_active(&c->turn, EV_TIMEOUT, 0);
}

size_t
conn_pending(const struct conn *c)
{
	return c->out_len;
}

/* ---- input */

static void
on_tls_message(int is_ours, int version, int type, const void *data, size_t len, SSL *ssl,
    void *arg)
{
	struct conn *c = arg;

	(void)version, (void)data, (void)len;
	if (is_ours || type != SSL3_RT_HANDSHAKE || c->state < OPEN || ++c->own <= OWN_MAX)
		return;
	/* SSL_read() goes on to the next record by itself; this ends it. */
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

void
conn_watch(struct conn *c)
{
	SSL_set_msg_callback(c->ssl, on_tls_message);
	SSL_set_msg_callback_arg(c->ssl, c);
}

static void
count_data(struct conn *c, size_t len)
{
	c->quiet += len;
	if (c->quiet < OWN_QUIET)
		return;
	c->quiet = 0;
	c->own = 0;
}

int
conn_has_parted(const struct conn *c)
{
	return c->parted;
}

static void
read_failed(struct conn *c, int n)
{
	int error = errno, why = SSL_get_error(c->ssl, n);
	struct why text;

	c->read_wants_write = why == SSL_ERROR_WANT_WRITE;
	if ((why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) && !c->broken) {
		/* What waits to be read wakes nobody until TLS has written what it must. */
		conn_arm_read(c, why == SSL_ERROR_WANT_READ);
		if (why == SSL_ERROR_WANT_WRITE)
			conn_arm_write(c);
		return;
	}
	c->ended = 1;
	c->parted = why == SSL_ERROR_ZERO_RETURN && c->own <= OWN_MAX;
	if (c->own > OWN_MAX)
		conn_set_parting(c, "read: the peer sent too many %s", "key updates");
	if (why == SSL_ERROR_SYSCALL && error != 0 && !c->broken)
		conn_set_parting(c, "read: %s", strerror(error));
	else if (why == SSL_ERROR_SSL &&
	    ERR_GET_REASON(ERR_peek_error()) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		tls_words_error(c->ssl, &text);
		conn_set_parting(c, "read: %s", text.text);
	}
	ERR_clear_error();
}

/* Fills `in` as far as the budget goes, of which *spent is gone.  Returns 1 if there may be
 * more. */
static int
gather(struct conn *c, size_t *spent)
{
	size_t room = *spent == 0 && c->in_len <= CONN_CHUNK ? IN_FIRST : IN_ROOM;

	if (c->in_room < room) {
		unsigned char *grown = realloc(c->in, room);

		if (!grown) {
			c->failure = conn_no_memory;
			c->ended = 1;
			return 0;
		}
		c->in = grown;
		c->in_room = room;
	}
	do {
		int n;

		ERR_clear_error();
		errno = 0;
		n = SSL_read(c->ssl, c->in + c->in_len, (int)(c->in_room - c->in_len));
		if (n <= 0) {
			read_failed(c, n);
			return 0;
		}
		c->in_len += (size_t)n;
		count_data(c, (size_t)n);
		*spent += (size_t)n > RECORD_COST ? (size_t)n : RECORD_COST;
		c->unseen = 1;
	} while (c->in_room - c->in_len >= CONN_CHUNK && *spent < READ_BUDGET);
	return 1;
}

static void
deliver(struct conn *c)
{
	size_t used;

	c->unseen = 0;
	used = c->events->on_read(c->ctx, c->in, c->in_len);
	if (c->state == OVER)
		return;
	assert(used <= c->in_len);
	assert(used > 0 || c->in_len < CONN_CHUNK || !conn_is_reading(c));
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
	/* It may have been cut short. */
	c->unseen = used > 0 && c->in_len > 0 && conn_must_yield(c);
}

/* A half line may wait for days: it costs its own length only. */
static void
tidy_input(struct conn *c)
{
	unsigned char *shrunk;

	if (c->in_len == 0 || c->finishing || c->state >= LINGER) {
		free(c->in);
		c->in = NULL;
		c->in_len = c->in_room = 0;
	} else if (c->in_len <= c->in_room / 2) {
		shrunk = realloc(c->in, c->in_len);
		if (shrunk) {
			c->in = shrunk;
			c->in_room = c->in_len;
		}
	}
}

void
conn_read_some(struct conn *c)
{
	size_t spent = 0;
	int more = 1, delivered = 0;

	c->until = clock_monotonic() + TIME_BUDGET;
	while (conn_is_reading(c)) {
		if (c->unseen && delivered++ && conn_must_yield(c)) {
			call_later(c);
			break;
		}
		if (c->unseen) {
			deliver(c);
			continue;
		}
		if (c->ended) {
			conn_over(c, c->failure ? c->failure : c->parting);
			break;
		}
		if (!more)
			break;
		if (spent >= READ_BUDGET || (spent > 0 && conn_must_yield(c))) {
			call_later(c);
			break;
		}
		more = gather(c, &spent);
	}
	if (spent > 0)
		c->active = conn_now();
	/* For the next time that TLS takes a buffer, which it gives back whenever it is empty: a
	 * line now and then costs no more than a record, a bulk takes few calls.  0: a record. */
	SSL_set_default_read_buffer_len(c->ssl, spent >= CONN_CHUNK ? AHEAD_ROOM : 0);
	tidy_input(c);
}

void
conn_pause(struct conn *c)
{
	c->paused = 1;
}

void
conn_resume(struct conn *c)
{
	if (!c->paused)
		return;
	c->paused = 0;
	if (c->in_len > 0)
		c->unseen = 1;
	/* SSL may hold bytes that make no socket readable. */
	if (c->state == OPEN)
		call_later(c);
}

/* ---- how it goes */

int
conn_has_spoken(const struct conn *c, unsigned seconds)
{
	int unread = 0;

	if (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0)
		return 1;
	return c->spoken > 0 && conn_now() - c->spoken < (long long)seconds * 1000;
}

int64_t
conn_taken(const struct conn *c)
{
	int queued = 0;

#ifdef TIOCOUTQ /* tcp(7) */
	(void)!ioctl(c->fd, TIOCOUTQ, &queued);
#endif
	return (int64_t)(c->written - c->out_len) - queued;
}
