/* SPDX-License-Identifier: ISC */
/*
 * What conn.c (its life: handshake, events, the end) and conn_io.c (its bytes)
 * share of a connection.  Nobody else includes it.
 */
#ifndef LIB_CONN_IO_H
#define LIB_CONN_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "lib/address.h"
#include "lib/conn.h"

enum conn_state {
	CONNECTING, /* connect() is under way */
	HANDSHAKE,
	OPEN,
	LINGER,     /* we sent our FIN and wait for the peer's */
	OVER,       /* on_close was called, or conn_free() */
};

struct conn {
	const struct conn_events *events;
	void *ctx;
	struct tls *tls;
	SSL *ssl;
	int fd;
	enum conn_state state;
	struct event readable, writable, turn, later, timer;

	unsigned busy : 1;   /* one of our event handlers is on the stack */
	unsigned freed : 1;  /* conn_free() was called meanwhile */
	unsigned paused : 1;
	unsigned unseen : 1; /* on_read has not seen all of `in` */
	unsigned silent : 1; /* the peer left before it had sent a byte */
	unsigned ended : 1;  /* nothing more will come: on_close(parting) is next */
	unsigned parted : 1; /* the peer has said so: close_notify */
	unsigned broken : 1; /* writing failed: read what is there, then as `ended` */
	unsigned finishing : 1;
	unsigned draining : 1; /* on_drained is on the stack */
	unsigned read_armed : 1;
	unsigned blocked : 1; /* the kernel took no more; `writable` waits */
	unsigned read_wants_write : 1, write_wants_read : 1; /* TLS's own messages */

	const char *failure; /* a constant: close with it as soon as may be */
	char *parting;       /* for on_close; owned */
	unsigned char *in;   /* NULL while empty: idle connections are many */
	size_t in_len, in_room;
	unsigned char *out;
	size_t out_at, out_len, out_room;
	uint64_t written; /* bytes of output, in all */
	size_t discarded;
	size_t quiet;        /* bytes since the last of TLS's own messages that counted */
	unsigned own;        /* of them; see conn_watch() */
	unsigned idle;       /* seconds */
	long long active;    /* when a byte went last, ms */
	int64_t until;       /* the end of on_read's time in this wake-up, us */
	long long spoken;    /* when words of the peer's handshake were read last, ms; 0: never */
	long long deadline;  /* of conn_finish(), ms */
	const char *alpn;    /* agreed; of `tls` */
	char peer[ADDRESS_ROOM];
};

extern const char conn_no_memory[];     /* for `failure` */

long long conn_now(void); /* ms, monotonic */

/* Wait for the socket. */
void conn_arm_read(struct conn *conn, int on);
void conn_arm_write(struct conn *conn);

/* Keeps why it will end; `fmt` has one %s.  A later reason may take its place:
 * an alert tells more than the broken pipe it caused. */
void conn_set_parting(struct conn *conn, const char *fmt, const char *text);
/* Calls on_close.  Look at `state` afterwards, as after every callback. */
void conn_over(struct conn *conn, const char *error);

/* May on_read be called? */
int conn_is_reading(const struct conn *conn);

/* A peer may send TLS messages of its own accord (KeyUpdate, or what asks for a renegotiation),
 * and each makes us work: who sends many and little else is cut off. */
void conn_watch(struct conn *conn);

/* From event handlers only. */
void conn_write_some(struct conn *conn);
void conn_drop_output(struct conn *conn);
void conn_read_some(struct conn *conn);

#endif
