/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inbox-relay/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/seen.h"

#define NAMES_MAX 65536                 /* in one listing; what is more is for the next */
#define AGAIN_EVERY (60 * CLOCK_SECOND) /* cur/, and what could not be claimed */

struct folder {
	const struct settings_inbox *settings;
	uint64_t largest;
	char root[ID_ROOM];
	int dir, new, cur, meta; /* meta: -1 where there is none */
	char *names[NAMES_MAX];
	size_t count, at;
	int from_new;                /* the names are of new/, else of cur/ */
	struct seen seen;            /* new/ */
	int64_t cur_due, new_due;    /* then they are listed in any case */
	struct log_gate gate;
};

/* ---- opening */

static int
read_root(struct folder *folder, struct why *why)
{
	int root, rc;

	if (folder->settings->root) {
		snprintf(folder->root, sizeof folder->root, "%s", folder->settings->root);
		return 0;
	}
	root = openat(folder->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = root < 0 ? -1 : id_read(root, ID_OF_ROOT, folder->root);
	if (rc < 0)
		why_say(why, "%s/../" ID_OF_ROOT ", the id of its root: %s; or say it: "
		    "[inbox %s] root", folder->settings->folder,
		    errno == EILSEQ ? "want 32 digits of lower-case hexadecimal" : strerror(errno),
		    folder->settings->name);
	disk_close(root);
	return rc;
}

static int
open_parts(struct folder *folder, struct why *why)
{
	const char *path = folder->settings->folder;

	folder->dir = disk_open_dir(AT_FDCWD, path);
	if (folder->dir < 0)
		return why_say(why, "[inbox %s] folder %s: %s", folder->settings->name, path,
		    strerror(errno));
	folder->new = disk_open_dir(folder->dir, "new");
	folder->cur = folder->new < 0 ? -1 : disk_open_dir(folder->dir, "cur");
	if (folder->cur < 0)
		return why_say(why, "%s/%s: %s", path, folder->new < 0 ? "new" : "cur",
		    strerror(errno));
	folder->meta = disk_open_dir(folder->dir, "meta");
	if (folder->meta < 0 && errno != ENOENT)
		return why_say(why, "%s/meta: %s", path, strerror(errno));
	return 0;
}

struct folder *
folder_open(const struct settings_inbox *settings, uint64_t largest, struct why *why)
{
	struct folder *folder = calloc(1, sizeof *folder);

	if (!folder) {
		why_say(why, "%s", strerror(errno));
		return NULL;
	}
	folder->settings = settings;
	folder->largest = largest;
	folder->dir = folder->new = folder->cur = folder->meta = -1;
	if (open_parts(folder, why) == 0 && read_root(folder, why) == 0)
		return folder;
	folder_close(folder);
	return NULL;
}

static void
forget_names(struct folder *folder)
{
	while (folder->count > 0)
		free(folder->names[--folder->count]);
	folder->at = 0;
}

void
folder_close(struct folder *folder)
{
	if (!folder)
		return;
	forget_names(folder);
	disk_close(folder->meta);
	disk_close(folder->cur);
	disk_close(folder->new);
	disk_close(folder->dir);
	free(folder);
}

const char *
folder_path(const struct folder *folder)
{
	return folder->settings->folder;
}

/* ---- listing */

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Oldest first; *more: not all had room.  0, or -1 with errno. */
static int
list(struct folder *folder, int dir, int *more)
{
	DIR *listing = disk_list(dir);
	struct dirent *entry;
	int error;

	*more = 0;
	forget_names(folder);
	if (!listing)
		return -1;
	while (errno = 0, (entry = readdir(listing)) != NULL) {
		if (!is_plain_name(entry->d_name, strlen(entry->d_name), NAME_ROOM - 1) ||
		    entry->d_name[0] > '9')
			continue;
		*more = folder->count == NAMES_MAX;
		if (*more)
			break;
		folder->names[folder->count] = strdup(entry->d_name);
		if (!folder->names[folder->count])
			break;
		folder->count++;
	}
	error = *more ? 0 : errno;
	closedir(listing);
	qsort(folder->names, folder->count, sizeof folder->names[0], compare);
	errno = error;
	return error ? -1 : 0;
}

/* 1: there are names; 0: nothing has come; -1 with errno. */
static int
list_new(struct folder *folder, int64_t now)
{
	struct stat st;
	int more;

	if (fstat(folder->new, &st) < 0)
		return -1;
	if (!seen_may_differ(&folder->seen, &st) && now < folder->new_due)
		return 0;
	seen_note(&folder->seen, &st);
	folder->from_new = 1;
	if (list(folder, folder->new, &more) < 0)
		return -1;
	folder->new_due = more ? 0 : now + AGAIN_EVERY;
	return folder->count > 0;
}

/* As list_new(), of cur/ where that is due, and else of new/. */
static int
list_next(struct folder *folder)
{
	int64_t now = clock_monotonic();
	int more;

	if (folder->cur_due == 0 || now >= folder->cur_due) {
		folder->cur_due = now + AGAIN_EVERY;
		folder->from_new = 0;
		if (list(folder, folder->cur, &more) < 0)
			return -1;
		if (more)
			folder->cur_due = now;
		if (folder->count > 0)
			return 1;
	}
	return list_new(folder, now);
}

/* ---- claiming */

/* It stays in cur/, and is looked at again in a while. */
static void
leave(struct item *item, const char *why)
{
	log_limited(&item->folder->gate, LOG_WARNING, "item_left", "inbox=%s item=%s reason=\"%s\"",
	    item->inbox, item->name, why);
	folder_let_go(item);
}

/* Opens and locks what lies in cur/ under the item's name.  1: it is ours; 0: it is not; -1 with
 * errno. */
static int
lock_item(struct folder *folder, struct item *item)
{
	struct stat ours, there;

	item->fd = openat(folder->cur, item->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (item->fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (flock(item->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : -1;
	/* One who had the lock before us may have dealt with it. */
	if (fstatat(folder->cur, item->name, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(item->fd, &ours) < 0)
		return -1;
	if (!S_ISREG(ours.st_mode)) {
		errno = EINVAL;
		return -1;
	}
	item->size = (size_t)ours.st_size;
	return ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

static int
read_bytes(struct item *item)
{
	size_t len = 0;

	item->bytes = malloc(item->size + 1);
	if (!item->bytes)
		return -1;
	while (len < item->size) {
		ssize_t got = pread(item->fd, item->bytes + len, item->size - len, (off_t)len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0) {
			errno = EIO; /* nobody makes an item shorter */
			return -1;
		}
		len += (size_t)got;
	}
	return 0;
}

/* Reads it whole; one that no engine is to have gets that for its end.  0, or -1 with errno. */
static int
read_item(struct folder *folder, struct item *item)
{
	unsigned char sha256[DIGEST_SIZE];
	const char *told;

	if (item->size > folder->largest) {
		item->end = ITEM_UNFIT;
		why_say(&item->why, "it has %zu bytes, and [engine] item allows %llu", item->size,
		    (unsigned long long)folder->largest);
		return 0;
	}
	if (read_bytes(item) < 0 ||
	    told_read(&item->told, item->fd, folder->meta, item->name) < 0 ||
	    digest_of(item->bytes, item->size, sha256) < 0)
		return -1;
	digest_print(item->sha256, sha256);
	told = item->told.values[TOLD_SHA256];
	if (told && strcmp(told, item->sha256) != 0) {
		item->end = ITEM_UNFIT;
		why_say(&item->why, "its bytes are not those that came: their SHA-256 is %s, and "
		    "was %s", item->sha256, told);
	}
	return 0;
}

/* 1: it is ours; 0: it is not, or cannot be had now; -1 with errno: no item can. */
static int
claim(struct folder *folder, struct item *item)
{
	int rc = 1;

	if (folder->from_new &&
	    disk_publish(folder->new, item->name, folder->cur, item->name) < 0) {
		/* Another consumer has it; or, behind a power failure, it stands in both. */
		if (errno == ENOENT || errno == EEXIST)
			return 0;
		if (disk_is_gone(errno))
			return -1;
		leave(item, strerror(errno));
		return 0;
	}
	rc = lock_item(folder, item);
	if (rc == 0)
		folder_let_go(item);
	if (rc > 0 && read_item(folder, item) < 0)
		rc = -1;
	if (rc < 0) {
		leave(item, strerror(errno));
		return 0;
	}
	return rc;
}

int
folder_claim(struct folder *folder, struct item *item)
{
	int listings = 0, rc;

	for (;;) {
		if (folder->at == folder->count) {
			/* What could not be claimed is no reason to look at once again. */
			rc = listings++ < 2 ? list_next(folder) : 0;
			if (rc <= 0)
				return rc;
		}
		*item = (struct item){.folder = folder, .root = folder->root,
		    .inbox = folder->settings->name, .fd = -1};
		snprintf(item->name, sizeof item->name, "%s", folder->names[folder->at++]);
		rc = claim(folder, item);
		if (rc != 0)
			return rc;
	}
}

/* ---- the end */

void
folder_let_go(struct item *item)
{
	disk_close(item->fd);
	free(item->bytes);
	told_free(&item->told);
	item->fd = -1;
	item->bytes = NULL;
}

static void
name_meta(char dst[NAME_ROOM + 8], const char *name)
{
	snprintf(dst, NAME_ROOM + 8, "%s.json", name);
}

/* Into failed/, as the consumers that come with inboxd do. */
static int
set_aside(struct folder *folder, const struct item *item)
{
	char meta[NAME_ROOM + 8];
	int failed, rc;

	if (mkdirat(folder->dir, "failed", 0700) < 0 && errno != EEXIST)
		return -1;
	failed = disk_open_dir(folder->dir, "failed");
	if (failed < 0)
		return -1;
	rc = disk_publish(folder->cur, item->name, failed, item->name);
	name_meta(meta, item->name);
	if (rc == 0 && folder->meta >= 0)
		(void)!disk_publish(folder->meta, meta, failed, meta);
	disk_close(failed);
	return rc;
}

int
folder_finish(struct item *item)
{
	struct folder *folder = item->folder;
	char meta[NAME_ROOM + 8];

	if (item->end == ITEM_UNFIT) {
		if (set_aside(folder, item) < 0) {
			why_say(&item->why, "%s; and it cannot be moved into failed/: %s",
			    item->why.text, strerror(errno));
			leave(item, item->why.text);
			return 0;
		}
		log_event(LOG_ERR, "item_set_aside", "inbox=%s item=%s reason=\"%s\"", item->inbox,
		    item->name, item->why.text);
	} else {
		if (unlinkat(folder->cur, item->name, 0) < 0 && errno != ENOENT)
			return -1;
		name_meta(meta, item->name);
		if (folder->meta >= 0)
			(void)unlinkat(folder->meta, meta, 0); /* or inboxd does, later */
		log_event(LOG_INFO, "item_relayed", "inbox=%s item=%s bytes=%zu", item->inbox,
		    item->name, item->size);
	}
	folder_let_go(item);
	return 0;
}
