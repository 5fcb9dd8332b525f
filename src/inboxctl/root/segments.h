/* SPDX-License-Identifier: ISC */
/*
 * Every good record of a ledger, segment by segment, oldest first, while the
 * receiver writes or without it.  What is not good is told on standard error
 * with its segment and line, by the rule of the receiver's own recovery:
 *
 *	damaged  a bad line within the state that a segment begins with, or with
 *	         a mark behind it: it was once whole.  The walk goes on behind it.
 *	torn     a bad line with no mark behind it.  It may never have reached the
 *	         disk, was never promised, and the receiver does not count it nor
 *	         what follows; so the walk goes on with the next segment.
 *	strange  a segment of another root, or what is no file at all.  Counted as damage, and
 *	         passed over.
 *	missing  a segment is followed by another one than its end record says, or
 *	         the numbers of accepts jump, or go back.  Counted as damage.
 *
 * A segment that is deleted by the receiver meanwhile is none of these.
 */
#ifndef INBOXCTL_ROOT_SEGMENTS_H
#define INBOXCTL_ROOT_SEGMENTS_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"

struct segments;

/* `dir` is the folder of the ledger, and `root` the id of the root that it has to be of
 * (walk.h); both borrowed.  NULL: out of memory. */
MUST_CHECK struct segments *segments_open(int dir, const char *root);
void segments_close(struct segments *segments);

/* Before the first record: the segments up to `name` are passed over, so that none is the first;
 * "": none is. */
void segments_after(struct segments *segments, const char *name);
/* From here on there is no end: 0 says that there is no more now, and may be asked again. */
void segments_follow(struct segments *segments);

/* 1: *out is the next record; 0: there is no more; -1: reading failed, which
 * has been told. */
MUST_CHECK int segments_next(struct segments *segments, struct record *out);

/* Of the record given last: does it stand in the first segment, and within the
 * state that its segment begins with? */
int segments_is_first(const struct segments *segments);
int segments_in_state(const struct segments *segments);
/* When the oldest segment began, UTC microseconds, from its name; INT64_MIN if
 * there is no segment. */
int64_t segments_began(const struct segments *segments);
/* How much damage has been told. */
uint64_t segments_damage(const struct segments *segments);

#endif
