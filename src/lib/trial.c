/* SPDX-License-Identifier: ISC */
/*
 * What a call says is not believed: what stands there afterwards is looked at.  The files are told
 * apart by their lengths.  Nothing is synced, and so it takes as long as twenty calls do.
 */
#include "config.h"

#include "lib/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#endif

#include "lib/disk.h"
#include "lib/xattr.h"

#ifdef DISK_PORTABLE
#undef HAVE_RENAMEAT2
#undef HAVE_FALLOCATE
#endif

#define DRAFT "draft"
#define ITEM "item"
#define FREE "free"
#define DRAFT_SIZE 1
#define ITEM_SIZE 2

#define TRIAL_NAME(value, name) [TRIAL_##value] = name,
const char *const trial_names[TRIAL_COUNT] = {TRIAL_ABILITIES(TRIAL_NAME)};
const char *const trial_renames[TRIAL_RENAMES] = {
    [TRIAL_NOREPLACE] = "noreplace", [TRIAL_UNKNOWN] = "look", [TRIAL_OVERWRITES] = "overwrites"};

static int
put(int folder, const char *name, size_t size)
{
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc = fd < 0 ? -1 : disk_write(fd, "xx", size);

	disk_close(fd);
	return rc;
}

/* -1 with errno: one is still there. */
static int
clear(int folder)
{
	static const char *const names[] = {DRAFT, ITEM, FREE};
	int error = 0;

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (unlinkat(folder, names[i], 0) < 0 && errno != ENOENT)
			error = errno;
	}
	errno = error;
	return error ? -1 : 0;
}

#ifdef HAVE_RENAMEAT2
/* Its length; -1: it is not there. */
static off_t
size_of(int folder, const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_size : -1;
}
#endif

/* ---- names */

/*
 * Linux looks itself whether the name is taken, before it asks the file system: so one that does
 * not know NOREPLACE says so of a free name alone, and one that passes flags over shows itself by
 * EXCHANGE, which it takes for any rename.
 */
static void
try_flags(int folder, struct trial *trial)
{
#ifdef HAVE_RENAMEAT2
	int is_known = renameat2(folder, DRAFT, folder, FREE, RENAME_NOREPLACE) == 0 &&
	    renameat2(folder, FREE, folder, DRAFT, RENAME_NOREPLACE) == 0;
	int is_refused = renameat2(folder, DRAFT, folder, ITEM, RENAME_NOREPLACE) < 0 &&
	    errno == EEXIST;
	int is_whole = size_of(folder, DRAFT) == DRAFT_SIZE && size_of(folder, ITEM) == ITEM_SIZE;
	int is_done = is_whole && renameat2(folder, DRAFT, folder, ITEM, RENAME_EXCHANGE) == 0;

	trial->can[TRIAL_EXCHANGE] = is_done && size_of(folder, DRAFT) == ITEM_SIZE &&
	    size_of(folder, ITEM) == DRAFT_SIZE;
	if (!is_whole || (is_done && !trial->can[TRIAL_EXCHANGE]))
		trial->rename = TRIAL_OVERWRITES;
	else if (is_known && is_refused)
		trial->rename = TRIAL_NOREPLACE;
#else
	(void)folder, (void)trial;
#endif
}

/* ---- an open file */

static int
try_reserve(int fd)
{
#ifdef HAVE_FALLOCATE
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0 || disk_is_full(errno);
#else
	(void)fd;
	return 0;
#endif
}

/* A lock of the process's, seen from another open file: only that kind (F_OFD_GETLK) is not of one
 * process.  Where it is missing a lock that is given is believed. */
static int
try_locks(int folder, int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int is_kept = fcntl(fd, F_SETLK, &lock) == 0;
#if defined(F_OFD_GETLK) && !defined(DISK_PORTABLE)
	struct flock other = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int second = openat(folder, ITEM, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (is_kept && second >= 0 && fcntl(second, F_OFD_GETLK, &other) == 0)
		is_kept = other.l_type != F_UNLCK;
	disk_close(second);
#else
	(void)folder;
#endif
	return is_kept;
}

static int
try_attributes(int fd)
{
	return xattr_set(fd, "user.inboxd.trial", "x", 1) == 0 || disk_is_full(errno);
}

/* ---- all of it */

static int
try_files(int folder, struct trial *trial)
{
	int fd, error;

	(void)!clear(folder);
	if (put(folder, DRAFT, DRAFT_SIZE) < 0 || put(folder, ITEM, ITEM_SIZE) < 0)
		return -1;
	fd = openat(folder, ITEM, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	trial->can[TRIAL_RESERVE] = try_reserve(fd);
	errno = 0;
	trial->can[TRIAL_LOCKS] = try_locks(folder, fd);
	error = trial->can[TRIAL_LOCKS] ? 0 : errno;
	trial->can[TRIAL_ATTRIBUTES] = try_attributes(fd);
	disk_close(fd);
	errno = error;
	if (disk_is_gone(error))
		return -1;
	try_flags(folder, trial);
	return 0;
}

void
trial_look(int dir, struct trial *trial)
{
	struct statvfs fs;

	*trial = (struct trial){.error = ECANCELED, .rename = TRIAL_UNKNOWN};
	filesystem_name(dir, trial->type);
	trial->is_volatile = filesystem_is_volatile(dir);
	trial->can[TRIAL_SYNCFS] = filesystem_trusts_syncfs(dir);
	if (fstatvfs(dir, &fs) < 0)
		return;
	trial->can[TRIAL_INODES] = fs.f_files > 0;
	trial->name_max = fs.f_namemax;
}

/* The folder, which is ours while it is open; -1 with errno.  A lock that is not to be had at all
 * keeps nobody out: then only those of this moment could meet. */
static int
enter(int dir, const char *name)
{
	struct stat st;
	int folder;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return -1;
	folder = disk_open_dir(dir, name);
	if (folder < 0) {
		if (errno == ENOENT)
			errno = EBUSY; /* another one that was there has just removed it */
		return -1;
	}
	if ((flock(folder, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) ||
	    (fstat(folder, &st) == 0 && st.st_nlink == 0)) {
		errno = EBUSY; /* another one has it, or has just removed it */
		disk_close(folder);
		return -1;
	}
	return folder;
}

void
trial_run(int dir, const char *name, struct trial *trial)
{
	int folder;

	trial_look(dir, trial);
	folder = enter(dir, name);
	trial->error = folder < 0 || try_files(folder, trial) < 0 ? errno : 0;
	/* One that goes away meanwhile has not said what it can. */
	if (folder >= 0 && clear(folder) < 0 && !trial->error)
		trial->error = errno;
	if (folder >= 0)
		(void)unlinkat(dir, name, AT_REMOVEDIR);
	disk_close(folder);
}

static size_t
add_abilities(const struct trial *trial, char dst[TRIAL_ROOM], size_t len)
{
	for (int i = trial->error ? TRIAL_SEEN : 0; i < TRIAL_COUNT && len < TRIAL_ROOM; i++)
		len += (size_t)snprintf(dst + len, TRIAL_ROOM - len, " %s=%s", trial_names[i],
		    trial->can[i] ? "yes" : "no");
	return len;
}

void
trial_print(const struct trial *trial, char dst[TRIAL_ROOM])
{
	size_t len = (size_t)snprintf(dst, TRIAL_ROOM, "type=%s", trial->type);

	if (!trial->error)
		len += (size_t)snprintf(dst + len, TRIAL_ROOM - len, " rename=%s",
		    trial_renames[trial->rename]);
	len = add_abilities(trial, dst, len);
	if (len < TRIAL_ROOM)
		snprintf(dst + len, TRIAL_ROOM - len, " names=%lu", trial->name_max);
}
