/* SPDX-License-Identifier: ISC */
/*
 * A worker: one thread, one event loop, its connections with their sessions.
 * It shares nothing with other workers; connections and configurations come
 * to it as messages, drafts go to the commit thread as messages, and come
 * back.
 */
#ifndef INBOXD_WORKER_H
#define INBOXD_WORKER_H

#include <stdint.h>

#include "inboxd/mailbox.h"
#include "inboxd/site.h"
#include "inboxd/stats.h"
#include "lib/attr.h"
#include "lib/log.h"
#include "lib/name.h"

struct commit;
struct event_base;
struct session;
struct space;
struct worker;

/* What it is told, besides what comes back from the commit thread (kinds of
 * enum commit_message, which these stand behind). */
enum worker_message {
	WORKER_CONNECTION = 100, /* struct newcomer */
	WORKER_SITE,             /* struct new_site: the configuration from now on */
	WORKER_DRAIN,            /* struct message: say GOAWAY to all, then report */
};

struct newcomer {
	struct message message;
	int fd;
	int crowded; /* one too many: GOAWAY crowded */
};

struct new_site {
	struct message message;
	struct site *site; /* a reference, taken over */
};

/* What it tells main, once, after WORKER_DRAIN: no session is left. */
#define WORKER_DRAINED 200

struct worker_settings {
	unsigned number;  /* 0, 1, ... */
	uint32_t start;   /* of names: name.h */
	uint64_t queue;   /* items and notices that may wait for the commit thread at
	                     once, besides the first one of each session */
	int root;         /* for what is free: space.h */
	struct mailbox *commit;
	struct mailbox *main;
};

/* Starts the thread; takes a reference on `site`.  NULL with errno. */
MUST_CHECK struct worker *worker_start(const struct worker_settings *settings, struct site *site);
/* Waits for its thread; only after it reported WORKER_DRAINED. */
void worker_join(struct worker *worker);
/* Only once the commit thread has ended, too: that one may be about to wake us
 * for a message which we have taken already. */
void worker_free(struct worker *worker);

struct mailbox *worker_mailbox(struct worker *worker);
const struct stats *worker_stats(const struct worker *worker);

/* ---- for the worker's own sessions */

struct event_base *worker_base(struct worker *worker);
struct site *worker_site(struct worker *worker);
struct stats *worker_counters(struct worker *worker);
struct namer *worker_namer(struct worker *worker);
struct log_gate *worker_gate(struct worker *worker);
/* Seconds, monotonic; as of the last tick, which comes once a second. */
uint64_t worker_now(const struct worker *worker);

/* Hands a message to the commit thread. */
void worker_send(struct worker *worker, struct message *message);
/* May a session that has `held` items and notices at the commit thread hand over
 * one more?  Those that wait for room share evenly what the others leave of it, and
 * the first one may always go.  `waits`: it is counted among those that wait. */
int worker_has_room(const struct worker *worker, uint64_t held, int waits);
/* An item or notice is handed over (1) or has come back (-1); `waits`: as above. */
void worker_count_item(struct worker *worker, int difference, int waits);
/* A session that has `held` of them waits for room (1), or does so no more (-1). */
void worker_count_waiting(struct worker *worker, int difference, uint64_t held);
struct space *worker_space(struct worker *worker);
/* Counts the configurations that this worker has had. */
uint64_t worker_site_number(const struct worker *worker);
/* May one more session be held against a new configuration in this tick?  It
 * costs a check of signatures. */
int worker_may_recheck(struct worker *worker);
int worker_is_draining(const struct worker *worker);
/* The session's memory is about to be freed. */
void worker_forget(struct worker *worker, struct session *session);

#endif
