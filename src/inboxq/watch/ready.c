/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/vfs.h>
#endif

#include "lib/disk.h"

void
ready_begin(void)
{
	signal(SIGIO, SIG_IGN);
}

enum ready
ready_ask(int fd)
{
#if defined(F_SETLEASE) && !defined(DISK_PORTABLE)
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		(void)fcntl(fd, F_SETLEASE, F_UNLCK);
		return READY_YES;
	}
	return errno == EAGAIN ? READY_WRITER : READY_UNKNOWN;
#else
	(void)fd;
	return READY_UNKNOWN;
#endif
}

int
ready_is_shared(int dirfd)
{
#ifdef __linux__
	/* statfs(2): NFS, SMB (three), FUSE, Ceph, 9P, AFS (two), OCFS2, GFS2, Lustre, Coda. */
	static const unsigned long shared[] = {0x6969, 0x517B, 0xFF534D42, 0xFE534D42,
	    0x65735546, 0x00C36400, 0x01021997, 0x5346414F, 0x6B414653, 0x7461636F, 0x01161970,
	    0x0BD00BD0, 0x73757245};
	struct statfs fs;

	if (fstatfs(dirfd, &fs) < 0)
		return 1;
	for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
		if (((unsigned long)fs.f_type & 0xFFFFFFFF) == shared[i])
			return 1;
#else
	(void)dirfd;
#endif
	return 0;
}

int
ready_tells(int dirfd, const char *name)
{
	int writer = -1, reader = -1, tells = 0;

	if (ready_is_shared(dirfd) || disk_write_text(dirfd, name, "") < 0)
		return 0;
	writer = openat(dirfd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	reader = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (writer >= 0 && reader >= 0 && ready_ask(reader) == READY_WRITER) {
		close(writer);
		writer = -1;
		tells = ready_ask(reader) == READY_YES;
	}
	disk_close(writer);
	disk_close(reader);
	(void)unlinkat(dirfd, name, 0);
	return tells;
}
