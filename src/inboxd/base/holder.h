/* SPDX-License-Identifier: ISC */
/*
 * A line of a root's lock file: which receiver has the root, or had it last.
 *
 *	running run=<id> id=<id> host=<name> machine=<id> boot=<id> pid=<number> since=<UTC time>
 *
 * It begins with the state; keys that are not known are passed over, and what is not known is left
 * out.  Before there were keys the line was "stopped", or the boot id of the system alone while a
 * receiver ran.
 *
 * It says who it was, and never that the root is taken: the lock on the file alone does (hold.h).
 */
#ifndef INBOXD_BASE_HOLDER_H
#define INBOXD_BASE_HOLDER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/attr.h"
#include "lib/disk.h"
#include "lib/id.h"

#define HOLDER_HOST_ROOM 65
#define HOLDER_LINE_ROOM 512 /* with its LF and a NUL */

enum holder_state { HOLDER_NONE, HOLDER_STARTING, HOLDER_RUNNING, HOLDER_STOPPED, HOLDER_STATES };

/* Text that is not known, or not plain, is "". */
struct holder {
	enum holder_state state;       /* HOLDER_NONE: there is no line */
	char run[ID_ROOM];             /* tells this start from all others */
	char id[ID_ROOM];              /* the root's */
	char host[HOLDER_HOST_ROOM];   /* the system's name */
	char machine[ID_ROOM];         /* machine-id(5) */
	char boot[DISK_BOOT_ROOM];     /* as disk_boot_id() */
	uint64_t pid;                  /* 0: not known */
	struct timespec since;         /* UTC; 0: not known */
};

/* The word of the state: that of HOLDER_STOPPED is as long as that of HOLDER_RUNNING. */
const char *holder_word(enum holder_state state);

/* Returns the length. */
size_t holder_print(const struct holder *holder, char line[HOLDER_LINE_ROOM]);
/* Reads a line without its LF, whatever it holds. */
void holder_read(const char *line, size_t len, struct holder *out);

/* May both be of one boot of one system, so that they have one page cache?  Boot ids alone tell:
 * containers have machine-ids of their own over one kernel. */
int holder_may_be_of_boot(const struct holder *holder, const char *boot);
/* Is it on another machine than `own`, or was it before that one's boot, as far as is known? */
int holder_is_elsewhere(const struct holder *holder, const struct holder *own);

#endif
