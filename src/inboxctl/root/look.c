/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/root/look.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/digest.h"
#include "lib/disk.h"

static enum found
compare_bytes(struct look *look, int fd, const struct record *item)
{
	char found[DIGEST_TEXT_ROOM], wanted[DIGEST_TEXT_ROOM];
	unsigned char sha256[DIGEST_SIZE];
	unsigned long long size;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		snprintf(look->what, LOOK_WHAT_ROOM, "cannot be looked at: %s", strerror(errno));
		return FOUND_WRONG;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(look->what, LOOK_WHAT_ROOM, "is no regular file");
		return FOUND_WRONG;
	}
	if ((uint64_t)st.st_size != item->size) {
		snprintf(look->what, LOOK_WHAT_ROOM, "%jd bytes, the ledger says %" PRIu64,
		    (intmax_t)st.st_size, item->size);
		return FOUND_WRONG;
	}
	if (look->quick)
		return FOUND_RIGHT;
	if (digest_file(fd, 0, sha256, &size) < 0) {
		snprintf(look->what, LOOK_WHAT_ROOM, "cannot be read: %s", strerror(errno));
		return FOUND_WRONG;
	}
	look->bytes += size;
	if (memcmp(sha256, item->sha256, DIGEST_SIZE) == 0)
		return FOUND_RIGHT;
	digest_print(found, sha256);
	digest_print(wanted, item->sha256);
	snprintf(look->what, LOOK_WHAT_ROOM, "SHA-256 %s, the ledger says %s", found, wanted);
	return FOUND_WRONG;
}

int
look_is_there(int dir, const char *name, int fd)
{
	struct stat there, ours;

	if (fstatat(dir, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno != ENOENT;
	return fd < 0 || fstat(fd, &ours) < 0 ||
	    (there.st_ino == ours.st_ino && there.st_dev == ours.st_dev);
}

enum found
look_for(struct look *look, int dir, const char *name, const struct record *item, int *out)
{
	enum found found = FOUND_WRONG;
	int fd, is_there;

	if (out)
		*out = -1;
	if (dir < 0)
		return FOUND_ABSENT;
	/* Twice, where a receiver's recovery has put a fresh copy in its place. */
	for (int i = 0; i < 2; i++) {
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			return FOUND_ABSENT;
		if (fd >= 0)
			found = compare_bytes(look, fd, item);
		else if (errno == ELOOP)
			snprintf(look->what, LOOK_WHAT_ROOM, "is no regular file");
		else
			snprintf(look->what, LOOK_WHAT_ROOM, "cannot be opened: %s",
			    strerror(errno));
		if (out && found == FOUND_RIGHT) {
			*out = fd;
			return found;
		}
		is_there = found == FOUND_RIGHT || look_is_there(dir, name, fd);
		disk_close(fd);
		if (is_there)
			return found;
	}
	return FOUND_ABSENT;
}
