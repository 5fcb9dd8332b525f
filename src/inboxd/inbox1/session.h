/* SPDX-License-Identifier: ISC */
/*
 * One client's connection, from the handshake to its end: the receiver's side
 * of inbox-protocol(7).  It belongs to its worker.
 *
 * A session lives as long as something may still come back to it: its
 * connection, an item or a notice at the commit thread.
 */
#ifndef INBOXD_INBOX1_SESSION_H
#define INBOXD_INBOX1_SESSION_H

#include "lib/attr.h"

struct session;
struct shop;

/* Takes `fd`.  `crowded`: only to say GOAWAY crowded.  NULL: out of memory. */
MUST_CHECK struct session *session_new(struct shop *shop, int fd, int crowded);

/* Once a second: deadlines, and WAIT where answers take long. */
void session_tick(struct session *session);
/* The receiver stops: GOAWAY; what is in flight is answered. */
void session_drain(struct session *session);

/* The worker's list of its sessions. */
struct session *session_next(const struct session *session);
void session_link(struct session **list, struct session *session);
void session_unlink(struct session **list, struct session *session);

#endif
