/* SPDX-License-Identifier: ISC */
/*
 * The listening sockets, on the main thread's loop.  An accepted descriptor is
 * handed on at once; out of descriptors, listening rests for a second, or until one is
 * closed, instead of spinning.
 */
#ifndef INBOXD_ARRIVE_LISTENER_H
#define INBOXD_ARRIVE_LISTENER_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/conf.h"
#include "lib/why.h"

struct event_base;
struct sockaddr;
struct listener;

/* A setting whose addresses are listened on. */
struct listener_setup {
	const char *setting; /* its name: "listen" */
	const struct conf_list *listen;
	const int *passed; /* sockets that listen already, in place of these; taken if it opens */
	size_t passed_count;
	/* Gets non-blocking descriptors and owns them. */
	void (*on_accept)(void *ctx, int fd, const struct sockaddr *peer);
	void *ctx;
};

/*
 * Listens on each "ADDRESS:PORT" ("*": all addresses; port 0: any free one) and
 * logs the addresses it got.  The list may be empty.  NULL with the reason.  Sockets that
 * were passed stay open elsewhere when they are closed here, with those who wait there.
 */
MUST_CHECK struct listener *listener_open(struct event_base *base,
    const struct listener_setup *setup, struct why *why);
/* Is each of the setting's an address?  0, or -1 with the reason. */
MUST_CHECK int listener_check(const char *setting, const struct conf_list *listen,
    struct why *why);
/* The i-th socket; -1 behind the last. */
int listener_fd(const struct listener *listener, size_t i);
/* Nobody is accepted while it is held; may be called in `on_accept`, which may come once more for
 * each socket. */
void listener_hold(struct listener *listener, int is_held);
/* A descriptor was closed: if that was wanting, there is one now. */
void listener_closed(struct listener *listener);
void listener_close(struct listener *listener);

#endif
