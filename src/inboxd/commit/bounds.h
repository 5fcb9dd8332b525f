/* SPDX-License-Identifier: ISC */
/*
 * Is there room in what is remembered?  Which limit says no, of one queue, of its client or of
 * all: those of a queue keep a client from outgrowing itself, those of a client the others, and
 * those of all the receiver's memory.
 */
#ifndef INBOXD_COMMIT_BOUNDS_H
#define INBOXD_COMMIT_BOUNDS_H

#include "inboxd/base/limits.h"
#include "inboxd/commit/clients.h"

/* For one more session of the client (NULL: it has no queue yet) by its queue (NULL: it is new,
 * and one more). */
enum limit bounds_of_session(const struct limits *limits, const struct clients *clients,
    const struct client *client, const struct queue *queue);
/* For one more item, or skip, of the queue. */
enum limit bounds_of_item(const struct limits *limits, const struct queue *queue);
enum limit bounds_of_skip(const struct limits *limits, const struct queue *queue);

/* What is remembered of all clients comes near its limit. */
struct bounds_near {
	enum limit limit;
	const char *what;
	uint64_t now, most;
};

#define BOUNDS_WATCHED 3

/* All zero at first. */
struct bounds_watch {
	int is_near[BOUNDS_WATCHED];
};

/* Is there one of which nine tenths are used, and that was not told since it was below eight?
 * Cheap enough for each turn. */
int bounds_are_near(struct bounds_watch *watch, const struct limits *limits,
    const struct clients *clients, struct bounds_near *out);

#endif
