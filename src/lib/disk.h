/* SPDX-License-Identifier: ISC */
/*
 * The calls that durability hangs on, each behind one function: writing whole,
 * syncing, publishing without overwriting.  What is Linux's alone (renameat2,
 * syncfs, sync_file_range) is used where configure found it and the file
 * system knows it, else the portable way is taken; built with DISK_PORTABLE
 * only the portable way exists, and the tests run both.
 *
 * After a failed sync the kernel may have dropped the data and marked the
 * pages clean: a second sync would say yes.  So nothing here syncs twice, but
 * for EINTR; who gets an error acknowledges nothing (P9).
 */
#ifndef LIB_DISK_H
#define LIB_DISK_H

#include <dirent.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/why.h"

/* All return 0, or -1 with errno set, unless said otherwise. */

/* Writes all `len` bytes; short writes and EINTR are gone on with. */
MUST_CHECK int disk_write(int fd, const void *data, size_t len);

/* Writes the bytes from `from` to before `to` of a file again, each to where it was read: after a
 * sync that failed the page cache may show what the disk has not.  `fd` is open for both, and does
 * not append; the sync is for the caller.  EIO where the file has become shorter. */
MUST_CHECK int disk_write_again(int fd, off_t from, off_t to);

/* Makes file `name` of this text, in place of what was there, and syncs it; not the folder.
 * After a failure there is none. */
MUST_CHECK int disk_write_text(int dirfd, const char *name, const char *text);

/* Data and what is needed to read it back: fdatasync(2). */
MUST_CHECK int disk_sync_data(int fd);
/* All of a file, its attributes, too: fsync(2). */
MUST_CHECK int disk_sync_file(int fd);
/* A directory: fsync(2). */
MUST_CHECK int disk_sync_dir(int dirfd);
/* The directory above `path`, where an entry for it was made. */
MUST_CHECK int disk_sync_above(const char *path);
/* The whole file system `fd` lies on: syncfs(2).  Errors of writes since `fd`
 * was opened are told.  ENOSYS where it is missing: disk_has_syncfs() is 0.  What it may be
 * believed, says filesystem_trusts_syncfs(). */
MUST_CHECK int disk_sync_fs(int fd);
int disk_has_syncfs(void);
/* An empty file that will be written over, again and again: on btrfs without copying each block
 * elsewhere (FS_NOCOW_FL, ioctl_iflags(2)).  Only a hint: without it a sync there has more to
 * write. */
void disk_write_in_place(int fd);
/* Starts writing a file's data out and does not wait; only a hint. */
void disk_sync_start(int fd);

/*
 * Moves `from` in `fromdir` to `to` in `todir`; fails with EEXIST, and changes
 * nothing, where `to` exists.  renameat2(RENAME_NOREPLACE), else a look and rename(2),
 * for folders in which nobody else makes that name.  Where the call says that it has failed, and
 * the file stands under `to` all the same, it has not (NFS): so of several who move one file there
 * more than one may hear 0.
 */
MUST_CHECK int disk_publish(int fromdir, const char *from, int todir, const char *to);

/* From now on the flags of renameat2(2) are used no more, in this whole program: a file system that
 * it uses says yes to them, and overwrites (trial.h).  Before the second thread starts. */
void disk_rename_by_look(void);

/* Fails with EXDEV where a mount lies between the two, which st_dev does not tell, so that
 * disk_publish() could not move from one to the other: rename(2).  It is tried with a name that
 * is not there, lest a consumer take the file; two projects of a quota are not told so. */
MUST_CHECK int disk_check_publish(int fromdir, int todir);

/*
 * Puts `from` in the place of `to`, which must exist: else ENOENT, and nothing
 * is changed.  renameat2(RENAME_EXCHANGE) and unlink of the old one; where
 * that is missing a look and rename(2), which leaves a moment in which a
 * consumer that claims `to` makes it appear twice (P7).
 */
MUST_CHECK int disk_replace(int fromdir, const char *from, int todir, const char *to);

/*
 * Opens directory `name` below `at`, or at AT_FDCWD the path that an administrator has set, for
 * *at() calls and syncs.  Such a path may be a symbolic link; a name is none of our own if
 * it is one, and the errno ELOOP.  Returns the descriptor or -1.
 */
MUST_CHECK int disk_open_dir(int at, const char *name);

/* Moves a descriptor that is one of the three standard ones out of the way: what is said there by a
 * program that has closed them would be written into the file.  The descriptor, or -1 with errno,
 * and it is closed; -1 stays -1. */
MUST_CHECK int disk_lift(int fd);

/* Closes what was only read, or given up; errno stays.  Does nothing for -1. */
void disk_close(int fd);

/* Starts a listing of the directory, whose descriptor stays as it is; to be closed
 * by closedir().  NULL with errno. */
MUST_CHECK DIR *disk_list(int dirfd);

/*
 * Is this directory ours to keep promises in?  Owned by our effective user,
 * not writable by group or others, on device `dev` (0: any; *dev_out, if not
 * NULL, gets the device).  0, or -1 with the reason in `why`.
 */
MUST_CHECK int disk_check_dir(int dirfd, dev_t dev, dev_t *dev_out, struct why *why);
/* The same of one where its group may write, too. */
MUST_CHECK int disk_check_shared_dir(int dirfd, dev_t dev, struct why *why);

/*
 * Takes the exclusive lock of a program, for its life (else: lock.h): fcntl(F_SETLK) on
 * `name` in `dirfd`, made if missing.  Returns the descriptor, which holds the lock until it
 * is closed; -1 with errno, and for EWOULDBLOCK the holder's process id in *holder
 * (0: unknown).
 */
MUST_CHECK int disk_lock(int dirfd, const char *name, pid_t *holder);
/* Who has it: 0: nobody, -1: it is not known who.  Not for a process that has it: it would lose
 * it. */
pid_t disk_lock_holder(int dirfd, const char *name);

/*
 * Which boot of the system this is, as a text of up to DISK_BOOT_ROOM - 1 bytes:
 * the same until the page cache is gone.  DISK_BOOT_UNKNOWN where the system does not say:
 * then it may be any.
 */
#define DISK_BOOT_ROOM 40
#define DISK_BOOT_UNKNOWN "unknown"
void disk_boot_id(char dst[DISK_BOOT_ROOM]);

/*
 * Takes room for `size` bytes of a file, beyond its end if need be, without
 * changing its length.  Where that is not to be had it does nothing and says 0;
 * -1 is ENOSPC or EDQUOT, or a real error.
 */
MUST_CHECK int disk_reserve(int fd, unsigned long long size);

/* Does this errno say that there is no room: space, inodes, a quota, or the process's own
 * limit of the size of a file? */
int disk_is_full(int error);
/* Or that there is no descriptor or memory? */
int disk_is_shortage(int error);
/* Or that the file system itself is gone, or takes nothing any more, and not this one file: of a
 * call on a file or folder of one's own, of which nobody else makes anything but a file. */
int disk_is_gone(int error);

#endif
