/* SPDX-License-Identifier: ISC */
#include "lib/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/disk.h"
#include "lib/parse.h"

#define END ".log"
#define END_LEN (sizeof END - 1)

int
segment_is_name(const char *name, struct timespec *when)
{
	size_t len = strlen(name);

	return len > END_LEN && len < SEGMENT_NAME_ROOM &&
	    strcmp(name + len - END_LEN, END) == 0 && parse_time(name, len - END_LEN, when) == 0;
}

int
segment_open(int dir, const char *name)
{
	/* Not to wait for who writes to a FIFO. */
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		if (errno == ELOOP || errno == ENXIO)
			errno = EBADMSG;
		return -1;
	}
	if (fstat(fd, &st) == 0) {
		if (S_ISREG(st.st_mode))
			return fd;
		errno = EBADMSG;
	}
	disk_close(fd);
	return -1;
}

/* One more segment of the listing, in no order.  NULL: there is none (errno is 0), or it failed. */
static const char *
next_of(DIR *listing)
{
	const struct dirent *file;
	struct timespec when;

	do {
		errno = 0;
		file = readdir(listing);
	} while (file && !segment_is_name(file->d_name, &when));
	return file ? file->d_name : NULL;
}

/* Of those behind `after` and, unless that is NULL, before `before`: the newest, or the oldest. */
static int
find(int dir, const char *after, const char *before, int newest, char name[SEGMENT_NAME_ROOM])
{
	DIR *listing = disk_list(dir);
	const char *found;
	int error;

	name[0] = '\0';
	if (!listing)
		return -1;
	while ((found = next_of(listing))) {
		if (strcmp(found, after) > 0 && (!before || strcmp(found, before) < 0) &&
		    (!name[0] || (strcmp(found, name) > 0) == newest))
			memcpy(name, found, strlen(found) + 1);
	}
	error = errno;
	closedir(listing);
	errno = error;
	return error ? -1 : 0;
}

int
segment_find_newest(int dir, char name[SEGMENT_NAME_ROOM])
{
	return find(dir, "", NULL, 1, name);
}

int
segment_find_previous(int dir, const char *before, char name[SEGMENT_NAME_ROOM])
{
	return find(dir, "", before, 1, name);
}

/*
 * A listing for each segment, instead of one for all: a segment that is begun
 * or deleted meanwhile needs no thought, and there are hundreds at most.
 */
int
segment_find_next(int dir, const char *after, char name[SEGMENT_NAME_ROOM])
{
	return find(dir, after, NULL, 0, name);
}
