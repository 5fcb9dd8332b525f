/* SPDX-License-Identifier: ISC */
/*
 * Connections that proxies make for clients ([receiver] listen-proxy).  Each begins with a preface
 * (lib/proxy.h) that says whose it is; it is read here, on the main thread's loop, to its last byte
 * and no further, since what follows is TLS.  From then on the connection is like one that its
 * client has made itself.
 *
 * A preface is believed of the addresses in [receiver] proxies alone: whoever else connects is not
 * listened to, as he could be whom he likes.
 */
#ifndef INBOXD_ARRIVE_PREFACE_H
#define INBOXD_ARRIVE_PREFACE_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/why.h"

struct event_base;
struct prefaces;
struct site;
struct sockaddr;
struct stats;

struct prefaces_setup {
	struct site *const *site; /* the one in force: who is listed */
	struct stats *stats;      /* the thread's own */
	/* As in listener.h; `client` is the one that the proxy speaks for. */
	void (*on_accept)(void *ctx, int fd, const struct sockaddr *client);
	void *ctx;
	const int *passed; /* as in listener.h */
	size_t passed_count;
};

/* Listens on the addresses of listen-proxy, which may be none.  NULL with the reason. */
MUST_CHECK struct prefaces *prefaces_open(struct event_base *base,
    const struct prefaces_setup *setup, struct why *why);
/* As listener_hold(): on_accept is not called while they are held; prefaces wait, too. */
void prefaces_hold(struct prefaces *prefaces, int is_held);
/* As listener_closed(). */
void prefaces_closed(struct prefaces *prefaces);
/* Also the connections whose preface has not come yet. */
void prefaces_close(struct prefaces *prefaces);

#endif
