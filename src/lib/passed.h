/* SPDX-License-Identifier: ISC */
/*
 * Listening sockets that a supervisor has made and passes, sd_listen_fds(3) by hand: LISTEN_PID is
 * whom they are for, LISTEN_FDS how many, from descriptor 3 on, LISTEN_FDNAMES their names, with
 * colons between.  They stay open, and their queues grow, while a program is stopped and started
 * again: nobody is refused meanwhile.
 *
 * What is passed is looked at: a socket of another kind than wanted would be found out by its
 * first connection, or never.
 */
#ifndef LIB_PASSED_H
#define LIB_PASSED_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/why.h"

#define PASSED_MAX 32 /* sockets */

/* What a socket may be for. */
struct passed_kind {
	const char *name; /* FileDescriptorName=; NULL: any other, which ends the rows */
	int is_local;     /* a UNIX socket; else TCP */
};

struct passed {
	size_t count;
	struct {
		int fd, kind; /* the row */
	} sockets[PASSED_MAX];
};

/*
 * Takes those that are for this process, non-blocking and closed on exec from now on; there may be
 * none.  Before any other descriptor is opened.  -1 with the reason: one is not open, or no
 * listening socket of its kind.
 */
MUST_CHECK int passed_take(
    struct passed *passed, const struct passed_kind kinds[], struct why *why);

/* The descriptors of one kind, in their order.  Returns how many. */
size_t passed_of(const struct passed *passed, int kind, int fds[PASSED_MAX]);

#endif
