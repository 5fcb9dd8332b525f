/* SPDX-License-Identifier: ISC */
/*
 * Inboxes that take nothing for a time, because somebody said so: one, or all.  What is there is
 * published and can be taken out as ever; what clients offer is theirs until then.
 *
 * It lasts over a reload and a restart, as a file <root>/<inbox>/paused, or <root>/paused for all:
 * a line with who, when and why.  That the file is there is what counts, not what it says, so a
 * crash amid this leaves either.  Workers see it in the inbox's inflow.
 *
 * Belongs to the main thread, which waits for the sync: it is a rare thing, and done when it is
 * said to be.
 */
#ifndef INBOXD_BASE_PAUSES_H
#define INBOXD_BASE_PAUSES_H

#include <stdint.h>

#include "inboxd/base/inflow.h"
#include "lib/attr.h"
#include "lib/why.h"

struct site;

#define PAUSES_FILE "paused"

struct pauses {
	int root;         /* borrowed */
	struct pause all; /* of all inboxes; since 0: there is none */
};

/* Takes what lies in the root for `site`, which is about to be in force; `tells`: each pause gets a
 * line in the log. */
void pauses_look(struct pauses *pauses, const struct site *site, int tells);

enum pauses_result {
	PAUSES_DONE,
	PAUSES_WAS_SO,   /* already, and kept: who, when and why are as they were */
	PAUSES_NO_INBOX, /* the site has none of this name */
	PAUSES_FAILED,   /* and `why` says it */
};

/* `inbox`: its name, or "" for all.  PAUSE: kept, and what is offered from now on is put off. */
MUST_CHECK enum pauses_result pauses_begin(struct pauses *pauses, const struct site *site,
    const char *inbox, const struct pause *pause, struct why *why);
MUST_CHECK enum pauses_result pauses_end(struct pauses *pauses, const struct site *site,
    const char *inbox, struct why *why);

/* The one that holds the inbox up, or all where `inbox` is ""; NULL: none does. */
const struct pause *pauses_find(const struct pauses *pauses, const struct site *site,
    const char *inbox);

#endif
