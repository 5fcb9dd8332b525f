/* SPDX-License-Identifier: ISC */
/*
 * A client's connection, good or bad.  lib/conn is not used: it does what is right, and here
 * connections have to stop amid a handshake, not read, write in crumbs, be cut with a reset, show
 * a certificate of their own each; and be light, as a hundred thousand of them come.
 */
#ifndef HERD_WIRE_H
#define HERD_WIRE_H

#include <stddef.h>

#include <openssl/ssl.h>

#include "lib/attr.h"

struct event_base;
struct wire;

struct wire_events {
	void (*on_open)(void *ctx); /* the handshake is done; without TLS, it is connected */
	/* Returns how many bytes were used; the rest is given again with more behind it. */
	size_t (*on_read)(void *ctx, const unsigned char *data, size_t len);
	void (*on_drained)(void *ctx); /* all output is with the kernel, after there was some */
	/* The last call; its owner frees it, here or later.  `was_open`: on_open had been. */
	void (*on_close)(void *ctx, int was_open);
};

/* Takes `fd`, which is connecting, and `ssl` (NULL: no TLS, and what comes is dropped).
 * NULL: no memory; both are gone. */
MUST_CHECK struct wire *wire_new(struct event_base *base, int fd, SSL *ssl,
    const struct wire_events *events, void *ctx);
/* Closes at once; `reset`: so that what the peer has sent and we have not read is lost to it, as
 * by a crash.  Inside any callback, too. */
void wire_free(struct wire *wire, int reset);

/* Adds to the output, which wire_flush() hands to the kernel as far as that takes it. */
void wire_write(struct wire *wire, const void *data, size_t len);
void wire_flush(struct wire *wire);
size_t wire_pending(const struct wire *wire);

/* Reads no more, for good: also no handshake's answer. */
void wire_stop_reading(struct wire *wire);
/* From now on reads, or writes, a little at a time. */
void wire_slow_down(struct wire *wire, int reads, int writes);
/* close_notify and FIN, then on_close when the peer has done the same. */
void wire_finish(struct wire *wire);

#endif
