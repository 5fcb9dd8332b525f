/* SPDX-License-Identifier: ISC */
/*
 * What stands around a session in the receiver, played in one thread: its shop
 * (inboxd/serve/shop.h) and the commit thread,
 * which stores at once and remembers what is to be answered.
 */
#ifndef FUZZ_FAKE_RECEIVER_H
#define FUZZ_FAKE_RECEIVER_H

#include <stdint.h>

#include "inboxd/commit/request.h"
#include "inboxd/serve/shop.h"

struct worker {
	struct shop shop;
	struct message *first, **end; /* on their way to the commit thread */
	/* What the commit thread knows of the session now. */
	int has_joined, is_superseded, refuses_queue;
	char queue_id[PROTO_QUEUE_LEN + 1];
	_Atomic uint64_t client_opens, opens; /* nobody else has any open */
	uint64_t in_items, in_large, in_bytes, in_notices;
	/* Over all connections. */
	uint64_t connections, steps, stored, again, stale, said_ready;
	int was_tampered_with; /* somebody has shortened a file in tmp/ */
};

extern struct worker worker;
extern struct event_base *base;
extern struct settings settings;
extern struct site site;
extern struct inbox inboxes[2]; /* "status" is for all, "payroll" for others */

/* Once: the site, its folders. */
void fake_set_up(void);
/* Before each input: nothing is stored yet. */
void fake_forget(void);

/* One message to the commit thread is answered, as worker.c would pass it on;
 * `how` 1 to 3: an item is not stored.  0 if there was none. */
int fake_commit_one(unsigned how);
/* For the shop. */
void fake_send(struct shop *shop, struct message *message);
void fake_on_empty(struct shop *shop);

/* A newer session has the queue. */
void fake_supersede(void);

/* After a connection: what its client has heard is in the grammar, and STORED
 * stands for what was stored. */
void fake_check_output(void);
/* Every item that was offered has ended in one counter. */
void fake_check_counters(void);

#endif
