/* SPDX-License-Identifier: ISC */
/*
 * What a front is given to work with: its worker's things, and nothing of the
 * worker itself.  A worker fills it in; a test can, too.
 */
#ifndef INBOXD_SERVE_SHOP_H
#define INBOXD_SERVE_SHOP_H

#include <stdatomic.h>
#include <stdint.h>

#include "inboxd/base/site.h"
#include "inboxd/base/stats.h"
#include "inboxd/drafts/space.h"
#include "inboxd/serve/share.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/spread.h"

struct event_base;
struct front;
struct mailbox;
struct guest;
struct message;

struct shop {
	struct event_base *base;
	const char *id;       /* the root's */
	struct site *site;    /* the configuration in force; another one after a reload */
	uint64_t site_number; /* counts them */
	uint64_t now;         /* monotonic seconds, as of the last tick */
	uint64_t awake;       /* likewise, but for those in which the worker was held up: what a
	                         client said meanwhile lies unread, and that is not its fault */
	struct stats stats;
	struct namer namer;
	struct log_gate gate;
	struct spread spread; /* of what many are told at once */
	struct space space;
	struct share share;
	uint64_t kept; /* bytes of items that are held in memory for the journal */
	struct mailbox *replies; /* where requests come back */
	unsigned rechecks; /* guests that may be held against a new configuration in this
	                      tick: each costs a check of signatures */
	int draining;
	uint64_t leaving; /* connections of the whole receiver, when that began */
	int is_short; /* room: deadlines are shorter, see shop_deadline() */
	/* Connections of all workers that are through the handshake, and stay; NULL: nobody
	 * counts.  Like a counter, it is anybody's. */
	_Atomic uint64_t *staying;
	_Atomic uint64_t *opens; /* likewise large items that are open */
	/* Hands a message to the commit thread. */
	void (*send)(struct shop *shop, struct message *message);
	/* Likewise main: ticket.h. */
	void (*tell)(struct shop *shop, struct message *message);
	const struct front *const *fronts; /* closed by NULL */
	struct guest *guests; /* who has a connection, or waits for something to come back; who
	                         was useful last is the first */
	struct guest *last_guest;
	/* The last of them has left. */
	void (*on_empty)(struct shop *shop);
};

/* A deadline of the settings, seconds: a quarter of it while room is short.  Not for `idle`: who
 * does nothing makes room as soon as another comes (guest_make_room()), and before that takes none
 * from anybody. */
static inline uint64_t
shop_deadline(const struct shop *shop, uint64_t seconds)
{
	return shop->is_short ? (seconds + 3) / 4 : seconds;
}

#endif
