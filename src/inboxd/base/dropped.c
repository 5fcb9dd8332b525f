/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/base/dropped.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "inboxd/base/site.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/parse.h"

#define DAY 86400

/* Opens `name` below `at` for reading, if it is a folder. */
static DIR *
list_below(int at, const char *name)
{
	int fd = disk_open_dir(at, name);
	DIR *listing = fd < 0 ? NULL : disk_list(fd);

	disk_close(fd);
	return listing;
}

/* Is there a file in <root>/<name>/new? */
static int
has_items(int root, const char *name)
{
	char path[NAME_MAX + sizeof "/new"];
	struct dirent *file;
	DIR *listing;

	snprintf(path, sizeof path, "%s/new", name);
	listing = list_below(root, path);
	if (!listing)
		return 0;
	do
		file = readdir(listing);
	while (file && file->d_name[0] == '.');
	closedir(listing);
	return file != NULL;
}

/* How many seconds ago clients used it; UINT64_MAX: not that we know. */
static uint64_t
last_used(const struct site *old, const char *name)
{
	uint64_t now = (uint64_t)clock_seconds();
	const struct inbox *inbox = old ? site_find_inbox(old, name, strlen(name)) : NULL;
	uint64_t used = inbox ? atomic_load(&inbox->inflow->used) : 0;

	return used ? now - (used < now ? used : now) : UINT64_MAX;
}

void
dropped_warn(int root, const struct site *site, const struct site *old)
{
	DIR *listing = list_below(root, ".");
	struct dirent *entry;

	if (!listing) {
		log_event(LOG_WARNING, "root_not_read", "error=\"%s\"", strerror(errno));
		return;
	}
	while ((entry = readdir(listing))) {
		const char *name = entry->d_name;
		size_t len = strlen(name);
		uint64_t used = last_used(old, name);
		int waits;

		if (!is_plain_name(name, len, PROTO_INBOX_MAX) || site_find_inbox(site, name, len))
			continue;
		waits = has_items(root, name);
		if (used < DAY)
			log_event(LOG_WARNING, "inbox_dropped",
			    "inbox=%s items_wait=%d used_ago=%" PRIu64
			    " note=\"it has no section any more, and clients use it\"",
			    name, waits, used);
		else if (waits)
			log_event(LOG_WARNING, "inbox_dropped",
			    "inbox=%s items_wait=1 note=\"it has no section any more\"", name);
	}
	closedir(listing);
}
