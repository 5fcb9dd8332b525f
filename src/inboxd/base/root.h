/* SPDX-License-Identifier: ISC */
/*
 * The root: the one folder, on one file system, that a receiver keeps its
 * promises in.  One receiver at a time: it holds the lock <root>/lock from
 * before it reads the ledger until it ends.  The file holds the boot id of the
 * system while a receiver runs, "stopped" after one that stopped in order, and
 * nothing until a first ledger has been begun.
 */
#ifndef INBOXD_BASE_ROOT_H
#define INBOXD_BASE_ROOT_H

#include "inboxd/base/settings.h"
#include "lib/attr.h"
#include "lib/disk.h"
#include "lib/id.h"
#include "lib/why.h"

struct root {
	int fd;     /* the root itself; also what syncfs syncs */
	int ledger; /* <root>/ledger */
	int journal; /* <root>/journal as it was found; -1: none yet, a first start makes it */
	int lock;
	char id[ID_ROOM]; /* tells it from all other roots; "": it has none yet */
	char boot[DISK_BOOT_ROOM]; /* which boot of the system this is */
	int was_used; /* a ledger has been begun here */
	int was_cut; /* the last run did not stop in order, on what may be this boot of the system:
	                what the page cache holds of it may not be what the disk holds */
};


/* Opens, checks and locks.  0; or one of sysexits(3) with the reason: EX_NOINPUT where there
 * is no root (yet), which leaves the folder as it was. */
MUST_CHECK int root_take(struct root *root, const char *path, struct why *error);
/* Who has the root folder runs the service: as root, the program goes on as that user, for
 * good.  0, or -1 with the reason. */
MUST_CHECK int root_become_owner(const char *path, struct why *error);
/* Opens and checks as root_take() does, but takes and changes nothing, beside a receiver that
 * runs, too; for root_leave(). */
MUST_CHECK int root_look(struct root *root, const char *path, struct why *error);
void root_leave(struct root *root);
/* A root without an id gets one, which lasts.  0, or -1 with errno. */
MUST_CHECK int root_make_id(struct root *root);
/* A ledger has been begun, and from now on items may come.  0, or one of sysexits(3). */
MUST_CHECK int root_mark_running(struct root *root, struct why *error);
/* The run ended in order, though its threads may still be there: nothing is closed. */
void root_mark_stopped(struct root *root);
/* In order: nothing is unwritten that anyone counts on. */
void root_release(struct root *root);

#endif
