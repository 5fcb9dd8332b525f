/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/blocks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/disk.h"
#include "lib/journal.h"

static int
open_for(int dir, uint32_t segment, int flags)
{
	char name[JOURNAL_NAME_ROOM];

	journal_segment_name(segment, name);
	return openat(dir, name, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
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

static int
is_segment_from(const char *name, uint32_t count)
{
	unsigned long segment = strtoul(name, NULL, 10);
	char its_name[JOURNAL_NAME_ROOM];

	if (segment < count || segment >= JOURNAL_SEGMENTS_MAX)
		return 0;
	journal_segment_name((uint32_t)segment, its_name);
	return strcmp(name, its_name) == 0;
}

/* NULL with errno 0: there is none. */
static struct dirent *
next_file(DIR *listing)
{
	errno = 0;
	return readdir(listing);
}

int
blocks_drop(int dir, uint32_t count)
{
	DIR *listing = disk_list(dir);
	struct dirent *file;
	int rc = 0, error;

	if (!listing)
		return -1;
	while (rc == 0 && (file = next_file(listing))) {
		if (is_segment_from(file->d_name, count))
			rc = unlinkat(dir, file->d_name, 0);
	}
	error = errno; /* of what ended the loop; 0: the end of the listing */
	closedir(listing);
	errno = error;
	return error == 0 ? 0 : -1;
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
