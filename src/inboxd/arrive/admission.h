/* SPDX-License-Identifier: ISC */
/*
 * Admission: connections come from the listeners, the door (door.h) judges, those that get a place
 * go to a worker with a ticket (ticket.h), and what the worker says of them goes back to the door.
 *
 * One that has to wait for room is held here, and the listeners rest until it has some: all
 * behind it wait in the kernel's queue.
 *
 * Belongs to the main thread.
 */
#ifndef INBOXD_ARRIVE_ADMISSION_H
#define INBOXD_ARRIVE_ADMISSION_H

#include <stdint.h>

#include "inboxd/base/settings.h"
#include "lib/attr.h"

struct admission;
struct event_base;
struct listener;
struct message;
struct prefaces;
struct sockaddr;
struct stats;
struct ticket;

/* Borrows all but the struct. */
struct admission_setup {
	struct event_base *base;
	struct stats *stats; /* main's own */
	/* To a worker: takes `fd`, and sends the ticket's messages to us.  Sets ticket->worker. */
	void (*give)(void *ctx, struct ticket *ticket, int fd, const struct sockaddr *client);
	/* Room is short from now on, or is so no more. */
	void (*on_short)(void *ctx, int is_short);
	void *ctx;
};

/* NULL: out of memory, or no randomness. */
MUST_CHECK struct admission *admission_new(const struct admission_setup *setup,
    const struct settings *settings);
/* Once every ticket is back.  NULL is fine. */
void admission_free(struct admission *admission);

void admission_set_limits(struct admission *admission, const struct settings *settings);
/* Whom it makes rest; NULL: there are none any more, and who waits is sent away. */
void admission_set_listeners(struct admission *admission, struct listener *listener,
    struct prefaces *prefaces);

/* Somebody has come: takes `fd`.  `ctx` is the admission. */
void admission_knock(void *ctx, int fd, const struct sockaddr *client);
/* Is the message one of a ticket's?  Then it is taken. */
MUST_CHECK int admission_take(struct admission *admission, struct message *message);

#endif
