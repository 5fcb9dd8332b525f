/* SPDX-License-Identifier: ISC */
/*
 * How threads speak: a queue of messages, many senders, one receiver.  What a
 * message points to goes over to the receiver with it, so no lock is ever held
 * while anything is done.
 *
 * The receiver either sleeps in mailbox_wait() (the commit thread) or watches
 * mailbox_fd() in its event loop (workers, main).
 */
#ifndef INBOXD_BASE_MAILBOX_H
#define INBOXD_BASE_MAILBOX_H

#include "lib/attr.h"

/* Each message's struct begins with one; mailbox_take() hands out a chain. */
struct message {
	struct message *next;
	int kind; /* the receiver's own numbering: commit.h, worker.h, server.c */
};

/* What other threads tell main, besides answers and what is told of tickets: all kinds stand here,
 * so that no two are one. */
enum main_message {
	WORKER_DRAINED = 200, /* a bare message, once, after WORKER_DRAIN: no guest is left */
	WORKER_PRESENT,       /* struct probe, the answer to WORKER_PROBE */
	SURVEY_COUNTED,       /* struct counted: counted_free() */
	LOOKOUT_LOOKED,       /* struct looked: looked_free() */
};

struct mailbox;

/* NULL: out of memory or descriptors. */
MUST_CHECK struct mailbox *mailbox_new(void);
/* Must be empty. */
void mailbox_free(struct mailbox *box);

/* Any thread.  Never fails, never blocks. */
void mailbox_post(struct mailbox *box, struct message *message);

/* The receiver: all that is there, oldest first, or NULL. */
MUST_CHECK struct message *mailbox_take(struct mailbox *box);
/* The same, but sleeps until there is something, at most `milliseconds` (-1: for
 * ever). */
MUST_CHECK struct message *mailbox_wait(struct mailbox *box, int milliseconds);

/* Readable when something is there: an eventfd, or a pipe where the system has
 * none. */
int mailbox_fd(const struct mailbox *box);

#endif
