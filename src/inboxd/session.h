/* SPDX-License-Identifier: ISC */
/*
 * One client's connection, from the handshake to its end: the receiver's side
 * of inbox-protocol(7).  It belongs to its worker.
 *
 * A session lives as long as something may still come back to it: its
 * connection, an item or a notice at the commit thread.
 */
#ifndef INBOXD_SESSION_H
#define INBOXD_SESSION_H

#include "inboxd/commit.h"
#include "lib/attr.h"

struct session;
struct worker;

/* Takes `fd`.  `crowded`: only to say GOAWAY crowded.  NULL: out of memory. */
MUST_CHECK struct session *session_new(struct worker *worker, int fd, int crowded);

/* What comes back from the commit thread; each takes its message. */
void session_on_join(struct join *join);
void session_on_item(struct item *item);
void session_on_noted(struct notice *notice);
void session_on_left(struct notice *notice);
void session_on_superseded(struct notice *notice);

/* Once a second: deadlines, and WAIT where answers take long. */
void session_tick(struct session *session);
/* The receiver stops: GOAWAY; what is in flight is answered. */
void session_drain(struct session *session);

/* The worker's list of its sessions. */
struct session *session_next(const struct session *session);
void session_link(struct session **list, struct session *session);
void session_unlink(struct session **list, struct session *session);

#endif
