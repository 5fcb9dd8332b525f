/* SPDX-License-Identifier: ISC */
/*
 * `inboxq watch` and `inboxq relay`: folders whose files go into the queue.  A process of its own
 * beside `inboxq run`: copying blocks, and its rights are others.  It ends at any moment without
 * harm (claim.h, relay.h), so a stop waits for no more than the batch under way.
 */
#ifndef INBOXQ_WATCH_WATCH_H
#define INBOXQ_WATCH_WATCH_H

#include "lib/attr.h"

struct settings;
struct spool;
struct watch_kind;

/* Serves the sections of this kind of *settings, until a signal; SIGHUP reads `config` anew, if it
 * is not NULL.  *settings gets the new ones.  Returns the exit code. */
MUST_CHECK int watch_folders(const struct watch_kind *kind, const char *config,
    struct settings *settings, struct spool *spool);

#endif
