/* SPDX-License-Identifier: ISC */
/*
 * What the receiver tells of itself: the answers to what the status socket asks (source.h), from
 * where main sees all threads.
 */
#ifndef INBOXD_ANSWERS_H
#define INBOXD_ANSWERS_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "lib/attr.h"
#include "lib/why.h"

struct counted;
struct event_base;
struct site;
struct status;
struct threads;

struct answers {
	/* Borrowed, and set before answers_open(): */
	struct threads *threads;
	struct site *const *site; /* the one in force */
	struct stats *stats;      /* main's own */
	const char *reload_error; /* of the last reload; "": it was taken */
	int passed; /* a status socket that listens already; -1: as the settings name it */
	/* Its own: */
	struct status *status;
	struct counted *counted; /* the last count of the inboxes; NULL: not yet */
};

/* Opens the status socket, or takes the one that was passed.  0, or -1 with the reason. */
MUST_CHECK int answers_open(struct answers *answers, struct event_base *base,
    struct why *why);
void answers_close(struct answers *answers);

/* The sum over all threads, and main. */
uint64_t answers_sum(const struct answers *answers, enum counter which);
/* Takes a count of the survey's. */
void answers_counted(struct answers *answers, struct counted *counted);

#endif
