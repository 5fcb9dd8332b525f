/* SPDX-License-Identifier: ISC */
/*
 * The end of the whole receiver, from any thread: one log line, then _exit().
 * Only for what nothing can go on without: a failed sync (P9), a file system
 * that is gone, memory, and what start-up needs.  Ending at once is safe because nothing is
 * acknowledged before it is stored: clients keep the rest.
 */
#ifndef INBOXD_BASE_FATAL_H
#define INBOXD_BASE_FATAL_H

#include <stddef.h>
#include <sysexits.h>

#include "lib/attr.h"

/* `code` is one of sysexits(3), as inboxd(8) lists them. */
NO_RETURN void fatal(int code, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* P9: a sync of `what` has failed; errno says how.  What is on the disk now nobody knows, and
 * a second sync would say yes without having done it. */
NO_RETURN void fatal_sync(const char *what);

/* Ends it with 74 where errno, of `call` on `what`, says that the file system is gone
 * (disk_is_gone()): before anybody hears LATER for it, who would come again and again.  Else errno
 * stays. */
void fatal_if_gone(const char *call, const char *what);

/* Ends it with `code` as it is, threads at work or not: exit() would take things down below
 * them.  What has been logged is written first, as far as its reader lets us. */
NO_RETURN void end_now(int code);

/* A start that cannot go on, and can still end in order: logs why, and returns `code`. */
int start_failed(int code, const char *event, const char *why);

/* Zeroed memory, always; freed by free(). */
MUST_CHECK void *must_alloc(size_t size);
/* An array that has room for one more than `count` entries of `size` bytes, always; *room is for
 * how many it has. */
MUST_CHECK void *must_grow(void *array, size_t count, size_t *room, size_t size);

#endif
