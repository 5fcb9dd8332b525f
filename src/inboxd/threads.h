/* SPDX-License-Identifier: ISC */
/*
 * The receiver's other threads, as main sees them: the commit thread, the workers, the survey and
 * the lookout.
 * They are started in this order, and speak by mailboxes alone.
 */
#ifndef INBOXD_THREADS_H
#define INBOXD_THREADS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/commit/request.h"
#include "lib/attr.h"

struct commit;
struct lookout;
struct root;
struct site;
struct sockaddr;
struct ticket;
struct survey;
struct worker;

/* Items acknowledged that are not visible yet, at most; each may hold a descriptor. */
#define THREADS_LAG_MAX 8192

/* A thread may be silent for so many times the interval in which a supervisor wants to hear of us:
 * others may have much to write, which a sync takes along. */
#define THREADS_PATIENCE 5

struct threads {
	struct commit *commit;
	struct worker **workers;
	struct survey *survey;
	struct lookout *lookout;
	struct mailbox *main; /* where they answer; borrowed */
	size_t count, next;   /* workers; who gets the next connection */
	uint64_t came;        /* connections so far */
	size_t drained;       /* workers that have no connection any more */
	_Atomic uint64_t staying, opens; /* of all workers, see struct shop */
};

/* Recovers, and starts them.  0, or an exit code (logged); then some may run, and the
 * process can only end by _exit(). */
MUST_CHECK int threads_start(struct threads *threads, struct site *site, struct root *root,
    struct mailbox *main);
/* Waits for them, after all workers have drained, and until all is answered and marked. */
void threads_stop(struct threads *threads);

/* The sum over all of them. */
uint64_t threads_count(const struct threads *threads, enum counter which);
/* A connection, to each worker in turn, with its ticket. */
void threads_give(struct threads *threads, struct ticket *ticket, int fd,
    const struct sockaddr *peer);
/* To all workers: room is short, or is so no more. */
void threads_set_short(struct threads *threads, int is_short);
/* Asks the commit thread; the request comes back to main. */
void threads_ask(struct threads *threads, struct request *request, enum commit_message kind,
    void (*take_back)(struct request *request), void *asker);
/* Asks a worker whether it is there: a struct probe comes back to main as WORKER_PRESENT. */
void threads_probe(struct threads *threads, size_t number);
/* The configuration from now on. */
void threads_set_site(struct threads *threads, struct site *site);
/* All connections, of which there are so many, end. */
void threads_drain(struct threads *threads, uint64_t connections);
/* Takes a worker's message.  Was it the last one to have drained? */
int threads_have_drained(struct threads *threads, struct message *message);

#endif
