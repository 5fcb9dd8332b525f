/* SPDX-License-Identifier: ISC */
/*
 * Is what lies on the disk what is in force?  The files that a configuration was read from, and
 * itself, are looked at by a thread of its own, since they may lie on a file system that does not
 * answer: nothing waits for it, not even the end of the receiver.
 *
 * It looks when it gets a configuration, once a minute, and when asked: a stat(2) a file, mostly.
 */
#ifndef INBOXD_STATUS_LOOKOUT_H
#define INBOXD_STATUS_LOOKOUT_H

#include <stddef.h>

#include "inboxd/base/mailbox.h"
#include "lib/attr.h"

struct lookout;
struct site;

/* What it tells `main`, after each look, by LOOKOUT_LOOKED. */
struct looked {
	struct message message;
	struct site *site;      /* whose files: settings->files; a reference */
	size_t count;           /* of those that differ */
	unsigned char differs[]; /* of each, in their order */
};
/* NULL is fine. */
void looked_free(struct looked *looked);
/* The path of the i-th that differs; NULL: there are no more.  `looked` may be NULL. */
const char *looked_path(const struct looked *looked, size_t i);

/* Starts the thread; takes a reference on `site`.  NULL with errno. */
MUST_CHECK struct lookout *lookout_start(struct site *site, struct mailbox *main);
/* Ends it; one that is stuck in a look is left alone, with all it has, and says nothing any more:
 * the process is to end soon.  NULL: does nothing. */
void lookout_stop(struct lookout *lookout);

/* Asks for a look.  The answer comes, unless it is stuck. */
void lookout_ask(struct lookout *lookout);
/* Takes a reference. */
void lookout_set_site(struct lookout *lookout, struct site *site);

#endif
