/* SPDX-License-Identifier: ISC */
/*
 * Calls that each wait for a disk, or for a server that is one, made many at a time: a file
 * system's own journal takes sixteen names in about the time of one, and so does a server at the
 * other end of a network.  For what has a thousand of them at once, as a start has.
 *
 * Rejected: io_uring, which would need each call written twice; and is switched off in many places.
 */
#ifndef INBOXD_BASE_CREW_H
#define INBOXD_BASE_CREW_H

#include <stddef.h>

#include "lib/attr.h"

/* Below so many for each of two there is no thread but the caller's. */
#define CREW_SHARE 8

/*
 * Calls step(ctx, i) once for each `i` below `count`, begun in that order, several at a time:
 * so a step changes nothing but what is of its `i`.  Comes back when all have.  0; or -1 with the
 * errno of one that returned -1, after which no more were begun.  Where no thread is to be had the
 * caller's does it all.
 */
MUST_CHECK int crew_run(size_t count, int (*step)(void *ctx, size_t i), void *ctx);

#endif
