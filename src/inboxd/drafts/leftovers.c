/* SPDX-License-Identifier: ISC */
#include "inboxd/drafts/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/drafts/meta.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/name.h"

#define A_DAY (24 * 60 * 60)

/* In the order in which an item goes from one to the next, lest it slip past. */
static int
has_item(const struct inbox *inbox, const char *name)
{
	static const char *const parts[INBOX_PARTS] = {"../tmp", ".", "../cur"};
	char path[NAME_ROOM + 8];

	for (size_t i = 0; i < INBOX_PARTS; i++) {
		snprintf(path, sizeof path, "%s/%s", parts[i], name);
		if (faccessat(inbox->new, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			return 1;
	}
	return 0;
}

/* The item's name; -1: it is no file of ours. */
static int
read_item(const char *file, char name[NAME_ROOM])
{
	size_t len = strlen(file), end = strlen(META_SUFFIX);

	if (len <= end || len - end >= NAME_ROOM || strcmp(file + len - end, META_SUFFIX) != 0)
		return -1;
	memcpy(name, file, len - end);
	name[len - end] = '\0';
	return 0;
}

static int
is_old(int dir, const char *file)
{
	struct stat st;

	return fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    time(NULL) - st.st_mtim.tv_sec > A_DAY;
}

void
leftovers_delete(const struct inbox *inbox, const atomic_int *stop)
{
	DIR *listing = inbox->meta_dir < 0 ? NULL : disk_list(inbox->meta_dir);
	struct dirent *file;
	char name[NAME_ROOM];
	unsigned count = 0;

	while (listing && !atomic_load(stop) && (file = readdir(listing))) {
		if (read_item(file->d_name, name) == 0 &&
		    is_old(inbox->meta_dir, file->d_name) && !has_item(inbox, name) &&
		    unlinkat(inbox->meta_dir, file->d_name, 0) == 0)
			count++;
	}
	if (listing)
		closedir(listing);
	if (count > 0)
		log_event(LOG_NOTICE, "meta_expired", "inbox=%s files=%u", inbox->name, count);
}
