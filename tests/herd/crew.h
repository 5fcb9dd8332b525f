/* SPDX-License-Identifier: ISC */
/*
 * A thread of the load: an event loop and the clients on it, and how many connections they may
 * have at once.  Who is due when there is no place waits in a line for one to end; the time that
 * it waits is its item's.
 */
#ifndef HERD_CREW_H
#define HERD_CREW_H

#include <stdint.h>

#include <openssl/ssl.h>

#include "book.h"
#include "dice.h"
#include "lib/digest.h"
#include "run.h"
#include "tally.h"

struct client;
struct event_base;

struct crew {
	struct run *run;
	struct event_base *base;
	SSL_CTX *ctx;
	struct digest *digest;
	unsigned char *room;      /* ITEM_CHUNK bytes to work in */
	struct client *clients;
	uint64_t count, left;     /* of clients; of those that are not done */
	struct client *first, *last; /* who waits for a place */
	uint64_t open, open_most;
	uint64_t most_open;       /* at any moment */
	int64_t now;              /* clock_monotonic() of this turn of the loop, or before */
	struct dice dice;
	struct tally tally;
	struct book book;
	int told_begin, told_over;
};

/* All of them. */
struct crews;

/* As many threads as options say, which have the clients in turn. */
MUST_CHECK struct crews *crews_start(struct run *run);
/* Waits for their end; adds up what they have counted and written down. */
void crews_join(struct crews *crews, struct tally *tally, struct book *book);

/* A place for a connection: 1, or 0 and the client is called by client_connect() later. */
int crew_take_place(struct crew *crew, struct client *client);
void crew_give_place(struct crew *crew);
/* The client is done. */
void crew_leave(struct crew *crew);

#endif
