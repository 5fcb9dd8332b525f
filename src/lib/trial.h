/* SPDX-License-Identifier: ISC */
/*
 * What a file system can do, tried on files of one's own: some say yes and do nothing, or another
 * thing.  It is tried in a folder that is made for it and removed again; what a killed trial has
 * left of it the next one takes.
 */
#ifndef LIB_TRIAL_H
#define LIB_TRIAL_H

#include "lib/attr.h"
#include "lib/filesystem.h"

/* What becomes of a rename that must not take the place of another file, renameat2(2). */
enum trial_rename {
	TRIAL_NOREPLACE,  /* it fails with EEXIST, as it should */
	TRIAL_UNKNOWN,    /* the file system does not know it, and says so */
	TRIAL_OVERWRITES, /* flags are passed over, as by ceph-fuse 17 and 18: it may be done */
	TRIAL_RENAMES
};

/* A row each: what it can, and how that is called. */
#define TRIAL_ABILITIES(X) \
	X(EXCHANGE, "exchange")     /* two files change names at once, renameat2(2) */ \
	X(RESERVE, "reserve")       /* room for bytes to come, fallocate(2) */ \
	X(LOCKS, "locks")           /* who has a file locked keeps others out, fcntl(2) */ \
	X(ATTRIBUTES, "attributes") /* extended ones of users, xattr(7) */ \
	X(SYNCFS, "syncfs")         /* filesystem_trusts_syncfs() */ \
	X(INODES, "inodes")         /* their number has a limit that is told */

#define TRIAL_VALUE(value, name) TRIAL_##value,
enum trial_ability { TRIAL_ABILITIES(TRIAL_VALUE) TRIAL_COUNT };
#undef TRIAL_VALUE

/* These are seen by looking; those before them are tried. */
#define TRIAL_SEEN TRIAL_SYNCFS

extern const char *const trial_names[TRIAL_COUNT];
extern const char *const trial_renames[TRIAL_RENAMES];

struct trial {
	char type[FILESYSTEM_ROOM];
	int is_volatile; /* filesystem_is_volatile() */
	int error;       /* why nothing was tried, errno; 0: it was */
	enum trial_rename rename;
	int can[TRIAL_COUNT];
	unsigned long name_max; /* bytes of the longest name */
};

/* Looks only: `error` is ECANCELED. */
void trial_look(int dir, struct trial *trial);
/* Tries in a new folder `name` of `dir`.  Where another one does just that, `error` is EBUSY. */
void trial_run(int dir, const char *name, struct trial *trial);

/* As for a line of the log, "type=ext4 rename=noreplace exchange=yes ..."; what was not tried
 * is not in it. */
#define TRIAL_ROOM 320
void trial_print(const struct trial *trial, char dst[TRIAL_ROOM]);

#endif
