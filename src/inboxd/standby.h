/* SPDX-License-Identifier: ISC */
/*
 * How a receiver comes to have its root.  Where one of this host has it, that is a mistake, and the
 * start fails.  Where one of another host has it, as on a file system that hosts share, this one
 * stands by: it asks for the lock every second, tells the log, the supervisor and the status socket
 * for whom it waits, and can be stopped at any time.  It listens to no client meanwhile.
 *
 * All that is for the wait alone, with an event loop of its own: what serves needs to know nothing
 * of it.  The configuration is tried before, so that a standby that could not start is told of at
 * once, and read anew behind it, since that may be weeks later.
 */
#ifndef INBOXD_STANDBY_H
#define INBOXD_STANDBY_H

#include "lib/attr.h"

struct passed;
struct root;
struct settings;

/* Opens and takes the root of *settings, which were read from `config`.  0: it is ours, and
 * *settings are those to start with, perhaps others than before; or one of sysexits(3), logged, and
 * *settings are freed.  Stopped while it waits, it ends the process with 0. */
MUST_CHECK int standby_take(struct root *root, struct settings **settings, const char *config,
    const struct passed *passed);

#endif
