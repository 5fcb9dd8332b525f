/* SPDX-License-Identifier: ISC */
/*
 * A few threads that do one thing to many things: for calls that each wait for a disk, or for a
 * server that is one, and for nothing of ours.  They wait together then: a file system's own
 * journal takes sixteen files in about the time of one, and so does a server at the other end of
 * a network.
 *
 * Least of all for renames: Linux makes those of one mount one after the other, whoever asks
 * (measured on a FUSE mount whose calls take 1 ms: 800 a second by one thread, 490 by 64).  On a
 * busy machine a crew gets its turn sooner all the same.
 *
 * Rejected: io_uring, which would need each call written twice; and is switched off in many places.
 */
#ifndef INBOXD_BASE_CREW_H
#define INBOXD_BASE_CREW_H

#include <stddef.h>

#include "lib/attr.h"

/* As many as gain anything. */
#define CREW_MAX 16

struct crew;

/* Of `most` threads, the caller's among them; of so few that `share` things come to each.  A thread
 * begins when there is first something for it to do, and stays until crew_free(); it needs no
 * descriptor. */
MUST_CHECK struct crew *crew_new(size_t most, size_t share);
void crew_free(struct crew *crew);

/*
 * Calls step(ctx, i) once for each `i` below `count`, begun in that order, several at a time:
 * so a step changes nothing but what is of its `i`.  Comes back when all have.  0; or -1 with the
 * errno of one that returned -1, after which no more were begun.  Where no thread is to be had the
 * caller's does it all.  Not nested, and by one thread at a time.
 */
MUST_CHECK int crew_run(struct crew *crew, size_t count, int (*step)(void *ctx, size_t i),
    void *ctx);

#endif
