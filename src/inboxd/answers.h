/* SPDX-License-Identifier: ISC */
/*
 * What the receiver tells of itself: the answers to what the status socket asks (source.h), from
 * where main sees all threads.
 */
#ifndef INBOXD_ANSWERS_H
#define INBOXD_ANSWERS_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/census.h"
#include "lib/attr.h"
#include "lib/why.h"

struct confine;
struct counted;
struct event_base;
struct looked;
struct message;
struct pauses;
struct root;
struct site;
struct status;
struct threads;
struct trial;

/* What became of reloads. */
struct reloads {
	struct why error; /* of the last one; "": it was taken */
	int64_t at;       /* when one was last taken, seconds since 1970 UTC; 0: none */
};

struct answers {
	/* Borrowed, and set before answers_open(): */
	struct threads *threads;
	struct site *const *site; /* the one in force */
	const struct root *root;
	const struct trial *footing; /* what its file system can */
	struct stats *stats;      /* main's own */
	const struct reloads *reloads;
	const struct confine *confine;
	struct pauses *pauses;    /* set by what is asked here; then it says so: */
	void (*on_paused)(void *ctx);
	void *ctx;
	int is_draining;
	int passed; /* a status socket that listens already; -1: as the settings name it */
	/* Its own: */
	struct status *status;
	struct census_taker census;
	struct counted *counted; /* the last count of the inboxes; NULL: not yet */
	struct looked *looked; /* the last look at the files of the one in force; NULL: not yet */
};

/* Opens the status socket, or takes the one that was passed.  0, or -1 with the reason. */
MUST_CHECK int answers_open(struct answers *answers, struct event_base *base,
    struct why *why);
void answers_close(struct answers *answers);

/* The sum over all threads, and main. */
uint64_t answers_sum(const struct answers *answers, enum counter which);
/* Takes a count of the survey's. */
void answers_counted(struct answers *answers, struct counted *counted);
/* Takes a look of the lookout's. */
void answers_looked(struct answers *answers, struct looked *looked);
/* Another configuration is in force: what was seen of the last one's files is no matter, and
 * others may be expected. */
void answers_reloaded(struct answers *answers);
/* An answer that nobody waits for any more.  0: the message is none of those, and not freed. */
int answers_drop(struct message *message);

#endif
