/* SPDX-License-Identifier: ISC */
/*
 * One hot folder: its files wait until they are whole, are claimed (claim.h), queued and deleted.
 *
 * Taken are regular files directly in it: those that somebody has closed after writing, renamed
 * or linked in; and those that were there before anybody looked, once nobody has them open for
 * writing or, where that cannot be known, once they have not changed for `settle`.  An empty one
 * has that time, too: many programs make a file first and fill it later.
 *
 * Where the folder is not there, or not as it must be, it is tried again.
 */
#ifndef INBOXQ_WATCH_FOLDER_H
#define INBOXQ_WATCH_FOLDER_H

#include <stdint.h>
#include <sys/types.h>

#include "inboxq/watch/notice.h"
#include "lib/attr.h"

struct folder;
struct intake;
struct settings_watch;
struct spool;
struct why;

/* What folders share; all is borrowed. */
struct folder_setup {
	struct spool *spool;
	struct intake *intake; /* empty between two calls of folder_take() */
	const uint64_t *largest; /* bytes that an item may have; 0: any number */
	struct notice *notice; /* NULL: there is none, and folders are listed instead */
	int (*is_stopped)(void); /* then no further claim is copied */
	/* Whether another one of ours is that folder. */
	int (*is_taken)(void *ctx, const struct folder *by, dev_t device, ino_t inode);
	void *ctx;
};

/* `settings` is borrowed.  Nothing is opened yet.  NULL: out of memory. */
MUST_CHECK struct folder *folder_new(const struct folder_setup *setup,
    const struct settings_watch *settings);
void folder_free(struct folder *folder);
/* After a reload: other settings of the same folder. */
void folder_configure(struct folder *folder, const struct settings_watch *settings);

const char *folder_path(const struct folder *folder);
/* Is it open, and that one? */
int folder_is(const struct folder *folder, dev_t device, ino_t inode);

/* Adds to what is to be told of all folders. */
struct folder_counts {
	size_t served, full; /* folders */
	uint64_t queued;     /* files, since the start */
	size_t left;         /* files that are not queued (yet) */
};
void folder_count(const struct folder *folder, struct folder_counts *counts);

/* Could it be served, by what can be seen without changing anything?  0, or -1 with the reason. */
MUST_CHECK int folder_check(const struct settings_watch *settings, struct why *why);

/* Once a second: opens it if it is not open, sees whether it is still what the path leads to, and
 * lists it if that is due. */
void folder_tick(struct folder *folder);

/* What notice_read() tells; passes over what concerns another folder. */
void folder_notice(struct folder *folder, enum notice_kind kind, int number, const char *name);

/* Takes what is due, up to a batch.  1: there may be more; 0: there is not; -1 with errno: the
 * spool failed, and what became of the batch is for the next start to find out. */
MUST_CHECK int folder_take(struct folder *folder);

#endif
