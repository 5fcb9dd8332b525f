/* SPDX-License-Identifier: ISC */
/*
 * A worker: one thread, one event loop, its connections with their guests (front.h).
 * It shares nothing with other workers; connections and configurations come
 * to it as messages, drafts go to the commit thread as messages, and come
 * back.
 */
#ifndef INBOXD_SERVE_WORKER_H
#define INBOXD_SERVE_WORKER_H

#include <stdint.h>

#include "inboxd/base/mailbox.h"
#include "inboxd/base/site.h"
#include "inboxd/base/stats.h"
#include "lib/address.h"
#include "lib/attr.h"

struct front;
struct ticket;
struct worker;

/* What it is told, besides what comes back from the commit thread (kinds of
 * enum commit_message, which these stand behind). */
enum worker_message {
	WORKER_CONNECTION = 100, /* struct newcomer */
	WORKER_SITE,             /* struct new_site: the configuration from now on */
	WORKER_DRAIN,            /* struct drain_order: say GOAWAY to all, then report */
	WORKER_SHORT,            /* struct shortage */
	WORKER_PROBE,            /* struct probe: are you there?  It goes back to main */
};

struct newcomer {
	struct message message;
	int fd;
	char peer[ADDRESS_ROOM]; /* whose it is */
	struct ticket *ticket; /* NULL: nobody wants news of it */
};

struct shortage {
	struct message message;
	int is_short; /* room: deadlines are a quarter of what they are else */
};

struct probe {
	struct message message;
	size_t number; /* of the worker */
};

struct drain_order {
	struct message message;
	uint64_t connections; /* of the whole receiver */
};

struct new_site {
	struct message message;
	struct site *site; /* a reference, taken over */
};

struct worker_setup {
	unsigned number;  /* 0, 1, ... */
	uint32_t start;   /* of names: name.h */
	uint64_t queue;   /* items and notices that may wait for the commit thread at
	                     once, besides the first one of each guest */
	int root;         /* for what is free: space.h */
	const char *id;   /* the root's; borrowed */
	const struct front *const *fronts; /* closed by NULL; borrowed */
	struct mailbox *commit;
	struct mailbox *main;
	_Atomic uint64_t *staying, *opens; /* see struct shop */
};

/* Starts the thread; takes a reference on `site`.  NULL with errno. */
MUST_CHECK struct worker *worker_start(const struct worker_setup *setup, struct site *site);
/* Waits for its thread; only after it reported WORKER_DRAINED. */
void worker_join(struct worker *worker);
/* Only once the commit thread has ended, too.  It puts an answer into our mailbox and then
 * wakes us by its descriptor: we may have found the answer before that, and be done; freed
 * now, the descriptor would be closed under it. */
void worker_free(struct worker *worker);

struct mailbox *worker_mailbox(struct worker *worker);
const struct stats *worker_stats(const struct worker *worker);

#endif
