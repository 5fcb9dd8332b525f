/* SPDX-License-Identifier: ISC */
/*
 * The files of a hot folder that were seen and not taken yet: what each looked like, since when
 * it has not changed, and when it is looked at again.  In the order in which they were first
 * seen; a name is found at once.  Knows no disk and no clock.
 */
#ifndef INBOXQ_WATCH_WAITING_H
#define INBOXQ_WATCH_WAITING_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/watch/look.h"
#include "lib/attr.h"

#define WAITING_MAX 100000 /* files; what is beyond waits in its folder until there is room */

struct waiting;

struct waiting_file {
	struct waiting_file *next; /* in the order; NULL: the last */
	struct waiting_file *before, *chain;
	struct sight sight;
	char name[];
};

/* NULL: out of memory. */
MUST_CHECK struct waiting *waiting_new(void);
void waiting_free(struct waiting *waiting);

/* The file of that name, added with all zero where it is not there.  Where all room is taken, one
 * that could not be taken (sight.said) gives way, so that no crowd of such keeps others out.
 * NULL: there is no room for another one. */
MUST_CHECK struct waiting_file *waiting_see(struct waiting *waiting, const char *name);
void waiting_drop(struct waiting *waiting, struct waiting_file *file);

/* The first of them; NULL: there is none. */
struct waiting_file *waiting_first(const struct waiting *waiting);
size_t waiting_count(const struct waiting *waiting);

#endif
