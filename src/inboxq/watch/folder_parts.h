/* SPDX-License-Identifier: ISC */
/* Between folder.c, which knows what lies in a hot folder, gather.c, which says what of it may be
 * taken, and take.c, which takes it. */
#ifndef INBOXQ_WATCH_FOLDER_PARTS_H
#define INBOXQ_WATCH_FOLDER_PARTS_H

#include <stdint.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/intake.h"
#include "inboxq/watch/claim.h"
#include "inboxq/watch/folder.h"
#include "inboxq/watch/waiting.h"
#include "lib/clock.h"
#include "lib/escape.h"
#include "lib/seen.h"
#include "lib/why.h"

#define FOLDER_PATH_ROOM ESCAPE_ROOM(255)

struct folder {
	struct folder_setup setup;
	const struct settings_watch *settings;
	char printed[FOLDER_PATH_ROOM]; /* its path, for the log */
	int dir;                        /* -1: not open */
	dev_t device;
	ino_t inode;
	int number;    /* for notice_read(); -1: none */
	int tells;     /* leases tell of writers */
	int is_unsure; /* but not of other users' files: that was said */
	int is_shared; /* others write to it whom neither leases nor inotify show */
	struct claims claims;
	struct claim *claimed;
	struct waiting *waiting;
	int64_t open_due, list_due; /* clock_monotonic() */
	int must_list;              /* whatever its time says */
	int is_idle;                /* of what waits, nothing was due */
	struct seen listed;
	int must_settle;            /* claims were deleted, which is to last */
	uint64_t queued;            /* files, since the start */
	size_t batch_max;           /* claims in a batch, up to INTAKE_BATCH */
	int64_t full_until;         /* nothing is taken until then: there is no room; 0: there is */
	struct why trouble;         /* told last; "": none */
};

/* Claims on their way into the queue together. */
struct batch {
	char id[ID_ROOM]; /* "": none is begun */
	struct claim *at[INTAKE_BATCH];
	size_t count;
	uint64_t bytes;
};

#define FOLDER_SOON CLOCK_SECOND
#define FOLDER_LATER (60 * CLOCK_SECOND) /* until what cannot be taken is tried again */

/* What folder_say() is told of beside errno's. */
enum { FOLDER_SAY_KIND = -1, FOLDER_SAY_NOT_TAKEN = -2, FOLDER_SAY_SIZE = -3 };

/* Into the batch: claims that are not queued; files that wait and may be taken, which are claimed
 * first.  1: there may be more. */
int folder_gather_held(struct folder *folder, struct batch *batch);
int folder_gather_waiting(struct folder *folder, struct batch *batch);

/* Is it larger than the queue may ever be?  Then it is said, and due much later. */
int folder_is_too_large(struct folder *folder, struct sight *sight, const char *name,
    const struct stat *st);

/* Opens a claim that may still be taken.  -1: not now; it is known when to ask again. */
int folder_open_claim(struct folder *folder, struct claim *claim);

/* There is no room, in the spool or in the folder itself. */
void folder_be_full(struct folder *folder, const char *why);

/* Tells what keeps the folder from being served, if it is not what was told last. */
void folder_complain(struct folder *folder, const char *what, const char *detail);

/* Tells of a file that cannot be taken, unless `code` is what was told last. */
void folder_say(struct folder *folder, struct sight *sight, const char *name, int code,
    const char *why);

#endif
