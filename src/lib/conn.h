/* SPDX-License-Identifier: ISC */
/*
 * One TLS connection on one event loop, for either end: bytes in, bytes out,
 * and an orderly end.  It knows nothing of lines or items.
 *
 * It loops over SSL_read itself rather than through bufferevent_openssl
 * (fewer system calls, and no stall at watermarks).  Reading has a budget a
 * wake-up, of bytes and of time, so that one fast peer does not starve the rest,
 * and can be paused: back-pressure is not reading.
 *
 * A struct belongs to the thread that runs its event_base.  The program ignores
 * SIGPIPE.
 */
#ifndef LIB_CONN_H
#define LIB_CONN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/identity.h"

struct conn;
struct event_base;
struct tls;

/* on_read and on_close must be set, the others may be NULL. */
struct conn_events {
	/* The handshake is done. */
	void (*on_open)(void *ctx);
	/*
	 * Bytes came.  Returns how many were used.  What was not used is given
	 * again, with more behind it, when more has come or after
	 * conn_resume().  At least CONN_CHUNK bytes are gathered before a
	 * peer could stall us: a reader that uses nothing of CONN_CHUNK bytes
	 * without a pause is a bug of ours.
	 */
	size_t (*on_read)(void *ctx, const unsigned char *data, size_t len);
	/* All output has been handed to the kernel, after there was some. */
	void (*on_drained)(void *ctx);
	/* No byte went either way for the time set by conn_set_idle(); again each
	 * time it has passed. */
	void (*on_idle)(void *ctx);
	/*
	 * The connection is over; called once, the last call.  `error` is NULL
	 * if the peer closed (with or without close_notify: every item has its
	 * length and digest) or conn_finish() ran to its end, else what
	 * happened (also where the peer closes amid the handshake).  The owner
	 * now calls conn_free(), here or later.
	 */
	void (*on_close)(void *ctx, const char *error);
};

/* What it runs on. */
struct conn_link {
	int fd;           /* connected or connecting, non-blocking */
	const char *peer; /* the peer's address, for logs (address.h); copied */
	const char *host; /* as in tls_connection() */
};

#define CONN_CHUNK 16384 /* bytes: a TLS record's most */

/*
 * Takes `link->fd` and a reference on `tls` of its own.  `events` must outlive it;
 * `ctx` goes to each call.  NULL: out of memory, and `fd` is closed.
 * No callback comes before the event loop runs again.
 */
MUST_CHECK struct conn *conn_new(struct event_base *base, struct tls *tls,
    const struct conn_link *link, const struct conn_events *events, void *ctx);
/* Somebody else has it from here on: `events` and `ctx` as in conn_new(). */
void conn_set_owner(struct conn *conn, const struct conn_events *events, void *ctx);
/* Closes at once, without callbacks.  May be called inside any callback. */
void conn_free(struct conn *conn);

/*
 * Appends to the output, which goes out when control returns to the event
 * loop; so many small answers make one record.  The data is copied.  Memory
 * runs out: the connection is closed (on_close comes from the loop).  Ignored after
 * conn_finish().
 */
void conn_write(struct conn *conn, const void *data, size_t len);
/* Bytes of output that wait. */
size_t conn_pending(const struct conn *conn);
/* Bytes of output that are neither that nor, where the system tells, with the system still: the
 * peer's has taken them.  TLS adds some to what the system has, so it may fall a little now and
 * then. */
int64_t conn_taken(const struct conn *conn);

/* Stops and resumes on_read; may be called inside it.  Counts nothing: two
 * pauses need one resume.  After conn_resume() on_read comes from the loop,
 * also for bytes that had been read before. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* In on_read: has it had its time?  Then it may return with bytes left that it could use, and
 * is called again behind a look at the other connections. */
int conn_must_yield(const struct conn *conn);

/*
 * Ends it in order: nothing is read any more, the output goes out, then
 * close_notify and a FIN; then up to `linger` seconds for the peer to do the
 * same (closing with unread input would make the kernel send a reset, and
 * the peer could lose our last lines), then on_close.
 */
void conn_finish(struct conn *conn, unsigned linger);

/* 0: never.  Applies from now on.  Connecting and handshake must be done within
 * it as a whole, however the bytes trickle: else on_close(), not on_idle(). */
void conn_set_idle(struct conn *conn, unsigned seconds);

/* Who the peer is, by its certificate, after on_open: as
 * identity_from_certificate(). */
MUST_CHECK int conn_peer_identity(struct conn *conn, enum identity_kind kind,
    char identity[IDENTITY_MAX + 1], struct why *error);

/* Would `tls`, newer than the connection, still accept its peer?  0, or -1 with
 * the reason. */
MUST_CHECK int conn_recheck(struct conn *conn, struct tls *tls, struct why *error);

/* Has the peer ended it in order, by close_notify?  One that was killed only closes. */
int conn_has_parted(const struct conn *conn);
/* Has the peer gone before it had sent a byte, as one does who only looks whether we listen? */
int conn_was_silent(const struct conn *conn);
/* Amid the handshake: has the peer said something in the last so many seconds, or something that is
 * not read yet? */
int conn_has_spoken(const struct conn *conn, unsigned seconds);
/* Has it been connected, TLS aside? */
int conn_is_connected(const struct conn *conn);
/* Did the handshake fail by a list of ours, which no peer can mend? */
int conn_is_to_blame(const struct conn *conn);

/* What both ends agreed to speak, after on_open: one of the context's names. */
const char *conn_alpn(const struct conn *conn);
/* As given in struct conn_link. */
const char *conn_peer_address(const struct conn *conn);

#endif
