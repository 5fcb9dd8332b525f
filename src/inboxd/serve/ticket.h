/* SPDX-License-Identifier: ISC */
/*
 * What main and a worker have to say to each other of one connection: a ticket goes to the worker
 * with it, and has room for each message in it, so that none can fail.
 *
 *	main -> worker    the connection, with its ticket; later perhaps that it should make way
 *	worker -> main    its handshake is done; it is over
 *
 * The wish that a handshake should end may cross the news that it is done, or over: so that message
 * always goes back to main, and a ticket may be freed once TICKET_LEFT has come, and
 * TICKET_DISMISSED, if it was sent.
 */
#ifndef INBOXD_SERVE_TICKET_H
#define INBOXD_SERVE_TICKET_H

#include <stdint.h>

#include "inboxd/base/mailbox.h"
#include "lib/attr.h"

struct handshake;
struct shop;

/* What a worker is told, beside enum worker_message: the handshake is to end, if it is silent. */
#define TICKET_DISMISS 150

/* What main is told (beside WORKER_DRAINED). */
enum ticket_message {
	TICKET_SHAKEN = 210,
	TICKET_LEFT,      /* the last of these two */
	TICKET_DISMISSED, /* the wish was heard, and done if that was right */
};

struct ticket {
	struct message shaken, left, dismiss;
	struct mailbox *worker; /* whose it is */
	uint64_t came; /* which connection it is, in the order in which they came, from 1 */
	/* The worker's, up to TICKET_LEFT: */
	struct handshake *handshake; /* NULL: done, or over */
	int is_fault; /* its handshake failed, and that is not ours */
};

/* Main: its handshake is to make way, see handshake.h.  Not again before TICKET_DISMISSED has
 * come. */
void ticket_dismiss(struct ticket *ticket);
/* Whose message of enum ticket_message (or TICKET_DISMISS) it is. */
MUST_CHECK struct ticket *ticket_of(struct message *message);

/* Worker; `ticket` may be NULL: nobody wants to know. */
void ticket_shaken(struct shop *shop, struct ticket *ticket);
void ticket_left(struct shop *shop, struct ticket *ticket);

#endif
