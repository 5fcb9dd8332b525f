/* SPDX-License-Identifier: ISC */
/*
 * Each of Linux's calls is tried where configure found it; a file system that
 * does not know it (NFS, an old kernel, a seccomp filter) says so at run time,
 * and the portable way is taken for that one call.  Nothing is remembered: one
 * process may serve several file systems, and a failed call costs a
 * microsecond beside a sync.
 */
#include "config.h"

#include "lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

#ifdef DISK_PORTABLE
#undef HAVE_RENAMEAT2
#undef HAVE_SYNCFS
#undef HAVE_SYNC_FILE_RANGE
#endif

int
disk_write(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/* As much as a segment of the journal: what is in one is written again by one write, too. */
#define AGAIN_AT_ONCE (1024 * 1024)

int
disk_write_again(int fd, off_t from, off_t to)
{
	size_t most = to - from < AGAIN_AT_ONCE ? (size_t)(to - from) : AGAIN_AT_ONCE;
	unsigned char *buffer = malloc(most + 1);
	int rc = buffer ? 0 : -1;

	while (rc == 0 && from < to) {
		size_t left = (size_t)(to - from);
		ssize_t got = pread(fd, buffer, left < most ? left : most, from);

		if (got == -1 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0 || lseek(fd, from, SEEK_SET) == -1 ||
		    disk_write(fd, buffer, (size_t)got) == -1)
			rc = -1;
		from += got;
	}
	free(buffer);
	return rc;
}

int
disk_sync_data(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc == -1 && errno == EINTR);
	return rc;
}

int
disk_write_text(int dirfd, const char *name, const char *text)
{
	int fd = openat(
	    dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc, error;

	if (fd < 0)
		return -1;
	rc = disk_write(fd, text, strlen(text));
	if (rc == 0)
		rc = disk_sync_data(fd);
	error = errno;
	if (close(fd) < 0 && rc == 0) {
		error = errno;
		rc = -1;
	}
	if (rc < 0)
		(void)unlinkat(dirfd, name, 0);
	errno = error;
	return rc;
}

int
disk_sync_file(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc == -1 && errno == EINTR);
	return rc;
}

int
disk_sync_dir(int dirfd)
{
	return disk_sync_file(dirfd);
}

int
disk_sync_above(const char *path)
{
	size_t len = strlen(path);
	char above[PATH_MAX];
	int dir, rc;

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 1 && path[len - 1] != '/')
		len--;
	if (len >= sizeof above) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(above, path, len);
	above[len] = '\0';
	/* Not disk_open_dir(): it may be a symbolic link, as /var/spool is for some. */
	dir = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return -1;
	rc = disk_sync_dir(dir);
	close(dir);
	return rc;
}

int
disk_sync_fs(int fd)
{
#ifdef HAVE_SYNCFS
	int rc;

	do
		rc = syncfs(fd);
	while (rc == -1 && errno == EINTR);
	return rc;
#else
	(void)fd;
	errno = ENOSYS;
	return -1;
#endif
}

int
disk_has_syncfs(void)
{
#ifdef HAVE_SYNCFS
	return 1;
#else
	return 0;
#endif
}

void
disk_write_in_place(int fd)
{
#if defined(FS_NOCOW_FL) && !defined(DISK_PORTABLE)
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
#else
	(void)fd;
#endif
}

void
disk_sync_start(int fd)
{
#ifdef HAVE_SYNC_FILE_RANGE
	/* Its errors would come again from the sync that counts. */
	(void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
	(void)fd;
#endif
}

#ifdef HAVE_RENAMEAT2
/* Is this how "I do not know this flag" looks?  EPERM comes from seccomp and
 * some FUSE file systems; where it is meant, the portable way gets it again. */
static int
is_unknown(int error)
{
	return error == ENOSYS || error == EINVAL || error == EOPNOTSUPP || error == EPERM;
}
#endif

static int by_look; /* set before there is a second thread */

void
disk_rename_by_look(void)
{
	by_look = 1;
}

/* Only one program makes names in such a folder, so a look and a rename are enough; and who
 * watches it sees a file move in, as with renameat2().  (Rejected: link and unlink, which
 * nobody can come between, but who waits for a move never hears of the file.) */
static int
publish_by_look(int fromdir, const char *from, int todir, const char *to)
{
	struct stat st;

	if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	if (errno != ENOENT)
		return -1;
	return renameat(fromdir, from, todir, to);
}

static int
publish(int fromdir, const char *from, int todir, const char *to)
{
#ifdef HAVE_RENAMEAT2
	if (!by_look && renameat2(fromdir, from, todir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (!by_look && !is_unknown(errno))
		return -1;
#endif
	return publish_by_look(fromdir, from, todir, to);
}

/* Has the file that was `before` gone from the one name to the other?  errno stays. */
static int
has_moved(const struct stat *before, int fromdir, const char *from, int todir, const char *to)
{
	struct stat st;
	int error = errno;
	int is_moved = fstatat(fromdir, from, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
	    fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == before->st_dev &&
	    st.st_ino == before->st_ino;

	errno = error;
	return is_moved;
}

/* A server whose answer was lost is asked again, and says then that there is no such file, or that
 * the name is taken, or the mount gives up: a failure is believed where the file is still there. */
int
disk_publish(int fromdir, const char *from, int todir, const char *to)
{
	struct stat before;
	int is_known = fstatat(fromdir, from, &before, AT_SYMLINK_NOFOLLOW) == 0;

	if (publish(fromdir, from, todir, to) == 0)
		return 0;
	return is_known && has_moved(&before, fromdir, from, todir, to) ? 0 : -1;
}

int
disk_check_publish(int fromdir, int todir)
{
	static const char nobody[] = ".inboxd-no-such-file";

	return renameat(fromdir, nobody, todir, nobody) == -1 && errno == EXDEV ? -1 : 0;
}

static int
replace_by_rename(int fromdir, const char *from, int todir, const char *to)
{
	struct stat st;

	if (fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	return renameat(fromdir, from, todir, to);
}

int
disk_replace(int fromdir, const char *from, int todir, const char *to)
{
#ifdef HAVE_RENAMEAT2
	if (!by_look && renameat2(fromdir, from, todir, to, RENAME_EXCHANGE) == 0) {
		/* Done; should the old file stay, it is a draft without a record. */
		(void)unlinkat(fromdir, from, 0);
		return 0;
	}
	if (!by_look && !is_unknown(errno))
		return -1;
#endif
	return replace_by_rename(fromdir, from, todir, to);
}

int
disk_open_dir(int at, const char *name)
{
	int follow = at == AT_FDCWD ? 0 : O_NOFOLLOW;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | follow | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR) /* Linux says so of a link, too */
		errno = follow && fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
	return fd;
}

int
disk_lift(int fd)
{
	int lifted;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	disk_close(fd);
	return lifted;
}

void
disk_close(int fd)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
}

DIR *
disk_list(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;

	if (!listing)
		disk_close(fd);
	return listing;
}

/* `others`: who may write there beside us, of S_IWGRP and S_IWOTH. */
static int
check_dir(int dirfd, dev_t dev, dev_t *dev_out, mode_t others, struct why *why)
{
	mode_t forbidden = (S_IWGRP | S_IWOTH) & ~others;
	struct stat st;

	if (fstat(dirfd, &st) == -1) {
		return why_say(why, "cannot be looked at: %s", strerror(errno));
	}
	if (!S_ISDIR(st.st_mode)) {
		why_say(why, "is not a directory");
		errno = ENOTDIR;
		return -1;
	}
	if (st.st_uid != geteuid()) {
		why_say(why, "belongs to user %lu, and this program runs as user %lu: they have to "
		    "be the same (runuser -u, or chown)", (unsigned long)st.st_uid,
		    (unsigned long)geteuid());
		errno = EPERM;
		return -1;
	}
	if (st.st_mode & forbidden) {
		why_say(why, "has mode %04o: group or others may write there; "
		    "it should be %04o", (unsigned)(st.st_mode & 07777),
		    (unsigned)(st.st_mode & 07777 & ~forbidden));
		errno = EPERM;
		return -1;
	}
	if (dev != 0 && st.st_dev != dev) {
		why_say(why, "lies on another file system than its parent");
		errno = EXDEV;
		return -1;
	}
	if (dev_out)
		*dev_out = st.st_dev;
	return 0;
}

int
disk_check_dir(int dirfd, dev_t dev, dev_t *dev_out, struct why *why)
{
	return check_dir(dirfd, dev, dev_out, 0, why);
}

int
disk_check_shared_dir(int dirfd, dev_t dev, struct why *why)
{
	return check_dir(dirfd, dev, NULL, S_IWGRP, why);
}

/*
 * fcntl() and not flock(), since it works on NFS and can name the holder.  Its
 * price: closing any descriptor of the file in this process drops the lock, so
 * nothing else may open it.
 */
int
disk_lock(int dirfd, const char *name, pid_t *holder)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd;

	if (holder)
		*holder = 0;
	fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	if (errno == EACCES || errno == EAGAIN) {
		if (holder && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
			*holder = lock.l_pid;
		errno = EWOULDBLOCK;
	}
	disk_close(fd);
	return -1;
}

pid_t
disk_lock_holder(int dirfd, const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	pid_t holder = 0;

	if (fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		holder = lock.l_pid > 0 ? lock.l_pid : -1;
	disk_close(fd);
	return holder;
}

void
disk_boot_id(char dst[DISK_BOOT_ROOM])
{
	ssize_t len = -1;
#ifndef DISK_PORTABLE
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		len = read(fd, dst, DISK_BOOT_ROOM - 1);
		close(fd);
	}
#endif
	if (len <= 0) {
		snprintf(dst, DISK_BOOT_ROOM, DISK_BOOT_UNKNOWN);
		return;
	}
	dst[len] = '\0';
	dst[strcspn(dst, "\n")] = '\0';
}

int
disk_reserve(int fd, unsigned long long size)
{
#if defined(HAVE_FALLOCATE) && !defined(DISK_PORTABLE)
	int rc;

	do
		rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 || errno == ENOSYS || errno == EOPNOTSUPP)
		return 0;
	return -1;
#else
	(void)fd, (void)size;
	return 0;
#endif
}
