/* SPDX-License-Identifier: ISC */
/*
 * How many clients are up to date, behind, silent, missing items, or never came, and when they were
 * seen last: asked of the commit thread a part at a time, once a minute, and when somebody looks
 * who would be told a count of before.  What was counted last stands among the counters of main.
 *
 * Rejected: counting as things change.  Clients become silent by nothing happening.
 */
#ifndef INBOXD_CENSUS_H
#define INBOXD_CENSUS_H

#include <stdint.h>

#include "lib/attr.h"

struct event;
struct event_base;
struct site;
struct stats;
struct threads;

#define CENSUS_EVERY 60 /* seconds */

struct census_taker {
	/* Borrowed, and set before census_open(): */
	struct threads *threads;
	struct site *const *site; /* the one in force */
	struct stats *stats;
	/* Its own: */
	struct event *timer;
	int64_t asked, took; /* when the last one began, monotonic microseconds, and for how long */
	int is_under_way;
};

/* The first count is asked for when the loop runs.  0, or -1: memory is out. */
MUST_CHECK int census_open(struct census_taker *taker, struct event_base *base);
void census_close(struct census_taker *taker);
/* Somebody looks at what was counted: soon it is counted anew, if the last time is over a second
 * ago and it does not take long. */
void census_look(struct census_taker *taker);
/* By a reload others may be expected. */
void census_anew(struct census_taker *taker);

struct request;
/* A census that comes back when nobody asks for it any more. */
void census_drop(struct request *request);

#endif
