/* SPDX-License-Identifier: ISC */
/*
 * What lies in the inboxes, counted by a thread of its own: a folder of a million files takes
 * seconds, and nothing waits for it.
 *
 * It counts all inboxes in one go: when it starts and gets a new configuration, once a minute,
 * every five seconds while one has half as much as may wait there, or more (inflow.h), and when
 * asked.  After each it rests nine times as long as it took: whoever asks how often, it takes a
 * tenth of a processor and of a disk at most.
 */
#ifndef INBOXD_STATUS_SURVEY_H
#define INBOXD_STATUS_SURVEY_H

#include <stddef.h>

#include "inboxd/base/inbox.h"
#include "inboxd/base/mailbox.h"
#include "lib/attr.h"

struct site;
struct survey;

/* What it tells `main`, by SURVEY_COUNTED. */
struct counted {
	struct message message;
	int64_t rested; /* when the next count may begin: clock_monotonic() */
	int was_asked; /* it was begun after the last survey_ask() before this came */
	struct shares *shares; /* of what waits in them all; NULL: [limits] share is not set */
	size_t count;
	struct inbox_count inboxes[];
};
/* NULL is fine. */
void counted_free(struct counted *counted);

/* Starts the thread; takes a reference on `site`.  NULL with errno. */
MUST_CHECK struct survey *survey_start(struct site *site, struct mailbox *main);
/* Ends it, in the middle of a count if need be.  NULL: does nothing. */
void survey_stop(struct survey *survey);

/* Asks for a count.  The answer comes, but may take long. */
void survey_ask(struct survey *survey);
/* Takes a reference. */
void survey_set_site(struct survey *survey, struct site *site);

/* The inbox of this name, probably the i-th; NULL: not counted.  `counted` may be NULL. */
const struct inbox_count *counted_find(const struct counted *counted, const char *name, size_t i);

#endif
