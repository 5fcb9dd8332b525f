/* SPDX-License-Identifier: ISC */
/* Between relay.c, which knows what lies in new/, relay_take.c, which copies it, and relay_ends.c,
 * which sees how it ended. */
#ifndef INBOXQ_WATCH_RELAY_PARTS_H
#define INBOXQ_WATCH_RELAY_PARTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/sentlines.h"
#include "inboxq/watch/folder.h"
#include "inboxq/watch/relayed.h"
#include "inboxq/watch/waiting.h"
#include "lib/attr.h"
#include "lib/clock.h"
#include "lib/escape.h"
#include "lib/id.h"
#include "lib/seen.h"
#include "lib/why.h"

#define RELAY_AGAIN (60 * CLOCK_SECOND) /* until what could not be done is tried again */

struct relay {
	struct folder_setup setup;
	const struct settings_watch *settings;
	char printed[ESCAPE_ROOM(255)]; /* its path, for the log */
	int dir;                        /* new/; -1: not open */
	dev_t device;
	ino_t inode;
	int number;                /* for notice_read(); -1: none */
	struct relayed *relayed;   /* NULL: not open */
	struct waiting *waiting;   /* what has no copy yet */
	struct sentlog_place ends; /* how far sent.log has been read */
	int is_history;            /* what is read of it is from before we looked into queue/ */
	int must_find;             /* what is queued could not all be noted */
	int64_t sweep_due;         /* then all of it is read again; 0: no need */
	int64_t open_due, list_due; /* clock_monotonic() */
	int must_list;              /* whatever its time says */
	int is_idle;                /* of what waits, nothing was due */
	int is_odd_said;            /* that there are names that no item has */
	struct seen listed;
	uint64_t queued;    /* since the start */
	size_t batch_max;   /* up to INTAKE_BATCH */
	int64_t full_until; /* nothing is copied until then: there is no room; 0: there is */
	struct why trouble; /* told last; "": none */
};

/* What tells the copies of item `name` from all others.  0, or -1: out of memory. */
MUST_CHECK int relay_key(const struct relay *relay, const char *name, char key[ID_ROOM]);

/* Tells what keeps it from being served, if it is not what was told last. */
void relay_complain(struct relay *relay, const char *what, const char *detail);

/* Of one that was just opened: what is queued of it, and what has ended.  Each 0, or -1 with errno:
 * the spool cannot be read. */
MUST_CHECK int relay_find(struct relay *relay);
/* What has ended since. */
MUST_CHECK int relay_read_ends(struct relay *relay);

/* As folder_take(). */
MUST_CHECK int relay_take(void *folder);

#endif
