/* SPDX-License-Identifier: ISC */
/*
 * What the receiver remembers of its clients: each queue's settled mark, and
 * above it the items stored and the numbers skipped.  This is the memory
 * behind P4 (an item sent again gets its first name) and P8 (gaps are seen).
 *
 * It belongs to the commit thread (and to recovery, before that one runs).  It
 * knows neither disk nor socket: ledger.h makes it last.
 */
#ifndef INBOXD_COMMIT_CLIENTS_H
#define INBOXD_COMMIT_CLIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/entries.h"
#include "inboxd/commit/gaps.h"
#include "inboxd/commit/tree.h"
#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/identity.h"
#include "lib/proto.h"
#include "lib/record.h"

struct clients;
struct request;

/* What all queues of one identity have in common.  Known while there is one of them. */
struct client {
	struct clients *clients;
	struct node by_identity;
	struct tree queues; /* by their ids */
	size_t count;       /* of them */
	size_t items, skips; /* of them all */
	size_t sessions;    /* that are not known to be over: books.c; */
	size_t speaking;    /* of these, those that none has superseded */
	_Atomic uint64_t opens; /* large items open in these: counted by the workers */
	char identity[];
};

/* struct figures (lib/figures.h), taking no more memory than it has to. */
struct kept_figures {
	struct {
		int64_t seen; /* queue_see()'s to set */
		struct backlog backlog;
	} hello;
	char *texts; /* malloc'ed: agent, NUL, address, NUL; NULL: neither is known */
	struct tally tally;
};

struct queue {
	struct client *client;
	const char *identity; /* the client's */
	struct node by_id, by_arrival;
	struct node by_seen; /* while it rests */
	uint64_t arrival; /* the later, the higher; of this run only */
	unsigned holds;   /* how many can name it: see queue_hold() */
	short rests;
	short is_behind;  /* the ledger: answers were counted since its last record */
	uint64_t settled; /* the mark: all below is settled; 1 at first */
	struct entries entries; /* above it, or come late */
	struct gaps gaps;       /* below it: missing.h */
	uint64_t last_seq; /* of its last accept in this run or the last segment; 0: none */
	uint64_t age;      /* the ledger's when it was seen last, seconds, as queue_see() says; 0:
	                      not known */
	struct kept_figures figures; /* for /clients; in the ledger's state */
	/* Who speaks for it now, and the newest connection that ever did in this run: books.c. */
	uint64_t generation, came;
	struct request *superseded; /* tells that one that a newer one does; NULL: nobody */
	char id[PROTO_QUEUE_LEN + 1];
};

/* All these end the program when memory runs out. */
struct clients *clients_new(void);
void clients_free(struct clients *clients);

/* NULL: no queue of it is known. */
struct client *clients_find_client(const struct clients *clients, const char *identity);
struct queue *clients_find(struct clients *clients, const char *identity, const char *id);
/* Must not be known yet.  Its mark begins at `settled`. */
struct queue *clients_add(struct clients *clients, const char *identity, const char *id,
    uint64_t settled);
size_t clients_count(const struct clients *clients);
/* Of all queues. */
size_t clients_items(const struct clients *clients);
size_t clients_skips(const struct clients *clients);
/* How many gaps of theirs nobody has confirmed. */
uint64_t clients_gaps_unknown(const struct clients *clients);
/* In the order of strcmp(): the first client behind `identity`; NULL: there is none. */
struct client *clients_behind(const struct clients *clients, const char *identity);
/* In order of arrival: the first one whose number of arrival is no lower; NULL: there is none. */
struct queue *clients_from(const struct clients *clients, uint64_t arrival);
/* The one after `queue`, or the first one after NULL. */
struct queue *clients_next(const struct clients *clients, const struct queue *queue);

/*
 * A queue rests while nothing can name it and nothing is remembered above its mark.  Whoever
 * keeps a pointer to it holds it meanwhile: a session from its HELLO until its end is heard of,
 * an item that has come until it is answered.
 */
void queue_hold(struct queue *queue);
void queue_release(struct queue *queue);
/* Its client was there then: UTC microseconds, and the ledger's age. */
void queue_see(struct queue *queue, int64_t when, uint64_t age);
/* Of those that rest the one unseen for longest, by the ledger's age, which no date changes; or the
 * next one after `queue`.  NULL: none rests, or no more. */
struct queue *clients_longest_unseen(const struct clients *clients, const struct queue *queue);
/* Of two queues, was the first unseen for longer, in that order? */
int queue_is_longer_unseen(const struct queue *queue, const struct queue *than);
/* Of the client's queues, by their ids: the one after `queue`, or the first one after NULL. */
struct queue *client_next(const struct client *client, const struct queue *queue);
/* Forgets a queue that nobody holds, and frees it; its client, too, if it was the last one. */
void clients_remove(struct clients *clients, struct queue *queue);

/* What HELLO said; not when.  And all that is known. */
void queue_set_hello(struct queue *queue, const struct hello *hello);
void queue_figures(const struct queue *queue, struct figures *out);

/* The item with this number, inbox and digest, or NULL. */
struct known *queue_find(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE]);
/* Has the number been used: is there an item (not a skip) with it, or is it settled, and not known
 * to be missing? */
int queue_has_used(const struct queue *queue, uint64_t number);
/* Fields are taken from an accept record. */
struct known *queue_add_item(struct queue *queue, const struct record *accept);
/* 0 if the number is known as stored or skipped, or settled, already. */
int queue_add_skip(struct queue *queue, uint64_t number);
/* This accept does not count: its item is known no more.  0 if it was not anyway. */
int queue_void(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE], uint64_t seq);

/*
 * Forgets all numbers below `number` and moves the mark up to it (never
 * down).  Each run of numbers between the old mark and the new one that was
 * neither stored nor skipped is a gap: told to `on_gap`, first to last.
 * Returns how many numbers are missing; a jump counts as one.
 */
uint64_t queue_settle(struct queue *queue, uint64_t number,
    void (*on_gap)(void *ctx, struct queue *queue, uint64_t first, uint64_t last), void *ctx);

/* After each change of the queue's gaps, of which so many were not confirmed before. */
void queue_count_gaps(struct queue *queue, uint64_t unknown_before);

/* Is the gap larger than any loss?  Then a client has said a number that it never came to. */
#define CLIENTS_JUMP 1000000
int is_jump(uint64_t first, uint64_t last);

/* The queue record that tells all of it but its entries. */
void queue_record(const struct queue *queue, struct record *out);
/* The reverse: sets what the record tells. */
void queue_restore(struct queue *queue, const struct record *record);

#endif
