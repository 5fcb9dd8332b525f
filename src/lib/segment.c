/* SPDX-License-Identifier: ISC */
#include "lib/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

DIR *
segment_list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *listing = fd >= 0 ? fdopendir(fd) : NULL;
	int error = errno;

	if (!listing && fd >= 0) {
		close(fd);
		errno = error;
	}
	return listing;
}

const char *
segment_list_next(DIR *listing, struct timespec *when)
{
	const struct dirent *file;

	do {
		errno = 0;
		file = readdir(listing);
	} while (file && !segment_is_name(file->d_name, when));
	if (!file)
		return NULL;
	errno = 0;
	return file->d_name;
}

/*
 * A listing for each segment, instead of one for all: a segment that is begun
 * or deleted meanwhile needs no thought, and there are hundreds at most.
 */
int
segment_find_next(int dir, const char *after, char name[SEGMENT_NAME_ROOM])
{
	DIR *listing = segment_list(dir);
	struct timespec when;
	const char *found;
	int error;

	name[0] = '\0';
	if (!listing)
		return -1;
	while ((found = segment_list_next(listing, &when))) {
		if (strcmp(found, after) > 0 && (!name[0] || strcmp(found, name) < 0))
			memcpy(name, found, strlen(found) + 1);
	}
	error = errno;
	closedir(listing);
	errno = error;
	return error ? -1 : 0;
}
