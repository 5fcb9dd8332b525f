/* SPDX-License-Identifier: ISC */
/*
 * A few threads that do one thing to many things: for calls that wait for a disk or a network, and
 * for nothing of ours, as syncs of many files do.  They wait together then, and a file system with
 * a journal writes it once for all of them.
 *
 * Not for renames: Linux makes those of one mount one after the other, whoever asks (measured on a
 * FUSE mount whose calls take 1 ms: 800 a second by one thread, 490 by 64).
 */
#ifndef INBOXD_PUBLISH_PARALLEL_H
#define INBOXD_PUBLISH_PARALLEL_H

#include <stddef.h>

#include "lib/attr.h"

struct parallel;

/* As many of `threads` as can be had, which may be none: then the caller's does it all. */
MUST_CHECK struct parallel *parallel_start(size_t threads);
void parallel_stop(struct parallel *parallel);

/* Calls `each` with every one of `items`, in no order, and returns when all calls have.  The
 * caller's thread takes part.  Not nested, and by one thread at a time. */
void parallel_do(struct parallel *parallel, void (*each)(void *item), void *const *items,
    size_t count);

#endif
