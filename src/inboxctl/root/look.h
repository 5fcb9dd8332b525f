/* SPDX-License-Identifier: ISC */
/*
 * An item's file against what its record says of it, while consumers are at work.
 */
#ifndef INBOXCTL_ROOT_LOOK_H
#define INBOXCTL_ROOT_LOOK_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"

#define LOOK_WHAT_ROOM 256

struct look {
	int quick;                 /* sizes only, no digests */
	uint64_t bytes;            /* read for digests so far */
	char what[LOOK_WHAT_ROOM]; /* what is wrong of the last one that is */
};

enum found { FOUND_RIGHT, FOUND_ABSENT, FOUND_WRONG };

/*
 * Looks for the file `name` of `item` in folder `dir`, -1: there is no such folder.  If `fd` is
 * not NULL, *fd is the file, open, where it is right, else -1.
 */
MUST_CHECK enum found look_for(struct look *look, int dir, const char *name,
    const struct record *item, int *fd);

/* Does that name still stand for the file that was opened as `fd` (-1: for any)?  What is wrong
 * of a file that has left the folder meanwhile is its consumer's, who may do with it what he
 * likes. */
int look_is_there(int dir, const char *name, int fd);

#endif
