/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/filesystem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/disk.h"

#ifdef __linux__
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

/* <linux/magic.h> has not all of them, or not yet. */
#define FUSE 0x65735546
#define EXT 0xef53
#define XFS 0x58465342
#define BTRFS 0x9123683e
#define BCACHEFS 0xca451a4e
#define ZFS 0x2fc12fc1
#define TMPFS 0x01021994
#define RAMFS 0x858458f6

/* 0: it is not known. */
static unsigned long
type_of(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 ? (unsigned long)fs.f_type & 0xffffffff : 0;
}

#ifdef STATX_MNT_ID
/* "36 35 98:0 / /srv rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro" */
static int
is_mount(const char *line, unsigned long long id)
{
	char *end;

	return strtoull(line, &end, 10) == id && *end == ' ';
}

/* An overlay's options, the last of the line; "fsync=volatile" since Linux 6.19. */
static int
says_volatile(const char *options)
{
	const char *at = strstr(options, "volatile");

	return at && strchr(",= ", at[-1]) && strchr(",\n", at[sizeof "volatile" - 1]);
}

/* What its line in the table of mounts says; 0, or -1. */
static int
read_mount(int fd, char name[FILESYSTEM_ROOM], int *is_volatile)
{
	struct statx st;
	FILE *table = NULL;
	char *line = NULL, *at;
	size_t size = 0;
	int rc = -1;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) == 0 && (st.stx_mask & STATX_MNT_ID))
		table = fopen("/proc/self/mountinfo", "re");
	while (table && rc < 0 && getline(&line, &size, table) > 0) {
		at = is_mount(line, st.stx_mnt_id) ? strstr(line, " - ") : NULL;
		if (!at || sscanf(at, " - %47s", name) != 1)
			continue;
		*is_volatile = strcmp(name, "overlay") == 0 && says_volatile(strrchr(at, ' '));
		rc = 0;
	}
	free(line);
	if (table)
		(void)fclose(table);
	return rc;
}
#else
static int
read_mount(int fd, char name[FILESYSTEM_ROOM], int *is_volatile)
{
	(void)fd, (void)name, (void)is_volatile;
	return -1;
}
#endif

void
filesystem_name(int fd, char dst[FILESYSTEM_ROOM])
{
	unsigned long type;
	int is_volatile;

	if (read_mount(fd, dst, &is_volatile) == 0)
		return;
	type = type_of(fd);
	snprintf(dst, FILESYSTEM_ROOM, type ? "0x%lx" : "unknown", type);
}

static int
tells_errors(const char *release)
{
	unsigned major = 0, minor = 0;

	return sscanf(release, "%u.%u", &major, &minor) == 2 &&
	    (major > 5 || (major == 5 && minor >= 8));
}

static int
is_on_block_device(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && major(st.st_dev) != 0;
}

int
filesystem_trusts_syncfs(int fd)
{
	struct utsname system;

	if (!disk_has_syncfs() || uname(&system) < 0 || !tells_errors(system.release))
		return 0;
	switch (type_of(fd)) {
	case 0:
	case FUSE: /* "fuseblk" is on a block device */
		return 0;
	case EXT:
	case XFS:
	case BTRFS:
	case BCACHEFS:
	case ZFS:
	case TMPFS:
	case RAMFS:
		return 1;
	default:
		return is_on_block_device(fd);
	}
}

int
filesystem_is_volatile(int fd)
{
	unsigned long type = type_of(fd);
	char name[FILESYSTEM_ROOM];
	int is_volatile;

	if (type == TMPFS || type == RAMFS)
		return 1;
	return read_mount(fd, name, &is_volatile) == 0 && is_volatile;
}
#else
void
filesystem_name(int fd, char dst[FILESYSTEM_ROOM])
{
	(void)fd;
	snprintf(dst, FILESYSTEM_ROOM, "unknown");
}

int
filesystem_trusts_syncfs(int fd)
{
	(void)fd;
	return 0;
}

int
filesystem_is_volatile(int fd)
{
	(void)fd;
	return 0;
}
#endif
