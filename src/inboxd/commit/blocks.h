/* SPDX-License-Identifier: ISC */
/*
 * The journal's files: a segment's blocks are taken and written when it is made, so that a sync of
 * what is written there later has data alone to write, and needs no room.
 */
#ifndef INBOXD_COMMIT_BLOCKS_H
#define INBOXD_COMMIT_BLOCKS_H

#include <stdint.h>

#include "lib/attr.h"

/* Makes segments `from` to `count` - 1 in the folder, all or, where there is no room, none: then -1
 * with errno.  A failed sync ends the program. */
MUST_CHECK int blocks_make(int dir, uint32_t from, uint32_t count);
/* Opens one for reading and writing; the descriptor, or -1 with errno. */
MUST_CHECK int blocks_open(int dir, uint32_t segment);
/* Deletes those from `count` on, whichever are there.  0, or -1 with errno. */
MUST_CHECK int blocks_drop(int dir, uint32_t count);

#endif
