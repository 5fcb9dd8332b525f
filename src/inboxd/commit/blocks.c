/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/disk.h"
#include "lib/journal.h"

static int
open_for(int dir, uint32_t segment, int flags)
{
	char name[JOURNAL_NAME_ROOM];

	journal_segment_name(segment, name);
	return openat(dir, name, flags | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int
blocks_open(int dir, uint32_t segment)
{
	return open_for(dir, segment, 0);
}

/* Its blocks are taken and written, so that a sync of what comes there later has data alone to
 * write. */
static int
fill_segment(int fd)
{
	static const unsigned char zeros[64 * 1024];

	for (size_t done = 0; done < JOURNAL_SEGMENT; done += sizeof zeros) {
		if (disk_write(fd, zeros, sizeof zeros) < 0)
			return -1;
	}
	return disk_sync_data(fd);
}

static int
make_segment(int dir, uint32_t segment)
{
	char name[JOURNAL_NAME_ROOM];
	int fd = open_for(dir, segment, O_CREAT | O_TRUNC);
	int rc;

	if (fd < 0)
		return -1;
	disk_write_in_place(fd);
	rc = fill_segment(fd);
	if (rc < 0 && !disk_is_full(errno))
		fatal_sync("journal");
	if (rc < 0) {
		journal_segment_name(segment, name);
		(void)unlinkat(dir, name, 0);
	}
	disk_close(fd);
	return rc;
}

int
blocks_drop(int dir, uint32_t count)
{
	char name[JOURNAL_NAME_ROOM];

	for (;; count++) {
		journal_segment_name(count, name);
		if (unlinkat(dir, name, 0) < 0)
			return errno == ENOENT ? 0 : -1;
	}
}

int
blocks_make(int dir, uint32_t from, uint32_t count)
{
	int error;

	for (uint32_t i = from; i < count; i++) {
		if (make_segment(dir, i) == 0)
			continue;
		error = errno;
		(void)!blocks_drop(dir, from);
		errno = error;
		return -1;
	}
	if (disk_sync_dir(dir) < 0)
		fatal_sync("journal");
	return 0;
}
