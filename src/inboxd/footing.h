/* SPDX-License-Identifier: ISC */
/*
 * The root's file system: what it can do is tried at each start (lib/trial.h), told in one line,
 * and held to what is set.  On one that lies the receiver goes by what it does: a NOREPLACE that
 * overwrites is used no more.  What nothing makes up for is refused.
 */
#ifndef INBOXD_FOOTING_H
#define INBOXD_FOOTING_H

#include "inboxd/base/settings.h"
#include "inboxd/base/site.h"
#include "lib/attr.h"
#include "lib/trial.h"
#include "lib/why.h"

/* By who has the root's lock, before the second thread.  Logs what was found.  0, or -1 with the
 * reason, for EX_CONFIG; ends the program where it finds the file system gone. */
MUST_CHECK int footing_try(int root, const struct settings *settings, struct trial *found,
    struct why *error);

/* The same for inboxd -t, which has no lock: prints what was found; where a receiver has the lock
 * nothing is tried. */
MUST_CHECK int footing_look(int root, const struct settings *settings, struct why *error);

/* At the end: what has come of large items, which no turn has synced, and for which the mark of a
 * run that ended in order vouches: by syncfs(2) where that is to be trusted, else each file.  0, or
 * -1 with errno. */
MUST_CHECK int footing_sync_parts(int root, const struct site *site);

#endif
