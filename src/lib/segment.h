/* SPDX-License-Identifier: ISC */
/*
 * The files of a ledger, as they lie in its folder: "<UTC time>.log", the time
 * as print_time() has it, so that their names sort by age.  The receiver
 * (inboxd/commit/ledger.h) makes and deletes them; inboxctl reads them meanwhile.
 */
#ifndef LIB_SEGMENT_H
#define LIB_SEGMENT_H

#include <time.h>

#include "lib/attr.h"

#define SEGMENT_NAME_ROOM 40

/* Not yet one: a segment, or the root's id, while it is made. */
#define SEGMENT_UNFINISHED "unfinished"

/* Is it the name of a segment?  Then *when gets its time. */
int segment_is_name(const char *name, struct timespec *when);

/* For reading.  -1 with errno: EBADMSG where what has the name is no regular file. */
MUST_CHECK int segment_open(int dir, const char *name);

/* The newest segment in `name`, which is "" if there is none.  -1 with errno. */
MUST_CHECK int segment_find_newest(int dir, char name[SEGMENT_NAME_ROOM]);

/* The newest segment that is older than `before` in `name`, which is "" if there is none.  -1 with
 * errno. */
MUST_CHECK int segment_find_previous(int dir, const char *before, char name[SEGMENT_NAME_ROOM]);

/* The oldest segment that is newer than `after` ("" : the oldest of all) in
 * `name`, which is "" if there is none.  -1 with errno. */
MUST_CHECK int segment_find_next(int dir, const char *after, char name[SEGMENT_NAME_ROOM]);

#endif
