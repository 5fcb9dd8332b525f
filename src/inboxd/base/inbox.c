/* SPDX-License-Identifier: ISC */
#include "inboxd/base/inbox.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "inboxd/base/shares.h"
#include "lib/clock.h"
#include "lib/conf.h"
#include "lib/disk.h"
#include "lib/name.h"
#include "lib/xattr.h"

const char *const inbox_parts[INBOX_PARTS] = {"tmp", "new", "cur"};

/* A checked folder below `at`, on device `dev`, where with `shared` its group may write; the
 * descriptor or -1. */
static int
open_part(int at, const char *part, dev_t dev, int shared, const char *shown,
    struct why *error)
{
	struct why why;
	int fd = disk_open_dir(at, part);

	if (fd < 0) {
		return why_say(error, "%s: %s%s", shown, strerror(errno),
		    errno == ENOENT ? "; to make it: inboxd -m (with the same -c)" : "");
	}
	if ((shared ? disk_check_shared_dir(fd, dev, &why) : disk_check_dir(fd, dev, NULL, &why)) <
	    0) {
		why_say(error, "%s: %s", shown, why.text);
		disk_close(fd);
		return -1;
	}
	return fd;
}

static int
fail_publish(const char *name, const char *from, const char *to, struct why *error)
{
	return why_say(error,
	    "inbox folder %s/%s: a file cannot be moved there from %s/: %s%s", name, to, from,
	    strerror(errno), errno == EXDEV ? "; the folders of an inbox must lie behind one mount "
	    "(no bind mount, no other project of a quota)" : "");
}

/* Items go from tmp/ to new/, and consumers move them to cur/. */
static int
check_moves(const char *name, const int fds[INBOX_PARTS], struct why *error)
{
	for (size_t i = 1; i < INBOX_PARTS; i++) {
		if (disk_check_publish(fds[i - 1], fds[i]) < 0)
			return fail_publish(name, inbox_parts[i - 1], inbox_parts[i], error);
	}
	return 0;
}

int
inbox_open(struct inbox *inbox, int root, const char *name, int shared,
    struct why *error)
{
	int folder, fds[INBOX_PARTS] = {-1, -1, -1};
	char shown[PROTO_INBOX_MAX + 32];
	struct stat root_stat, new_stat;
	size_t i;
	int rc;

	snprintf(inbox->name, sizeof inbox->name, "%s", name);
	snprintf(shown, sizeof shown, "inbox folder %s", name);
	inbox->tmp = inbox->new = inbox->meta_dir = -1;
	inbox->inflow = NULL;
	if (fstat(root, &root_stat) < 0) {
		return why_say(error, "root: %s", strerror(errno));
	}
	folder = open_part(root, name, root_stat.st_dev, 0, shown, error);
	if (folder < 0)
		return -1;
	for (i = 0; i < INBOX_PARTS; i++) {
		snprintf(shown, sizeof shown, "inbox folder %s/%s", name, inbox_parts[i]);
		fds[i] = open_part(
		    folder, inbox_parts[i], root_stat.st_dev, shared && i > 0, shown, error);
		if (fds[i] < 0)
			break;
	}
	close(folder);
	rc = i == INBOX_PARTS ? check_moves(name, fds, error) : -1;
	if (fds[2] >= 0)
		close(fds[2]); /* cur/ is the consumers' */
	inbox->tmp = fds[0];
	inbox->new = fds[1];
	inbox->file_mode = 0600;
	if (rc == 0 && fstat(inbox->new, &new_stat) == 0 && (new_stat.st_mode & S_IWGRP))
		inbox->file_mode = 0640; /* for those whom it lets take items out */
	if (rc < 0)
		inbox_close(inbox);
	else
		inbox->inflow = inflow_new();
	return rc;
}

/* What a user namespace shows of a group that it has not: user_namespaces(7). */
#define OVERFLOW_GID 65534

static int
is_groups(int fd, gid_t gid, mode_t mode)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & mode) == mode &&
	    (st.st_gid == gid || st.st_gid == OVERFLOW_GID);
}

int
inbox_check_group(const struct inbox *inbox, const char *name, struct why *error)
{
	const struct group *group = getgrnam(name);

	if (group && is_groups(inbox->tmp, group->gr_gid, S_ISGID) &&
	    is_groups(inbox->new, group->gr_gid, S_IWGRP) &&
	    (inbox->meta_dir < 0 || is_groups(inbox->meta_dir, group->gr_gid, S_ISGID | S_IWGRP)))
		return 0;
	return why_say(error,
	    "inbox folder %s: is not as its group %s needs it; to make it so: inboxd -m, as root "
	    "(with the same -c)", inbox->name, name);
}

/* All attributes of an item are no longer than that, what a file system adds to each included: it
 * is tried with as much, on tmp/ itself. */
#define ATTRIBUTES_ROOM 1280
#define TRIAL "user.inboxd.trial"

/* A full disk stops no start: items are put off until it has room. */
static int
is_merely_full(int fd)
{
	struct statvfs st;

	return disk_is_full(errno) && fstatvfs(fd, &st) == 0 &&
	    (uint64_t)st.f_bavail * st.f_frsize < 16 * ATTRIBUTES_ROOM;
}

static int
try_attributes(const struct inbox *inbox, struct why *error)
{
	char value[ATTRIBUTES_ROOM];

	memset(value, 'x', sizeof value);
	if (xattr_set(inbox->tmp, TRIAL, value, sizeof value) == 0) {
		(void)!xattr_remove(inbox->tmp, TRIAL);
		return 0;
	}
	if (is_merely_full(inbox->tmp))
		return 0;
	return why_say(error,
	    "inbox folder %s/tmp: meta = xattr needs a file system that keeps extended attributes "
	    "of up to %d bytes a file: %s%s; else set it to json or none",
	    inbox->name, ATTRIBUTES_ROOM, strerror(errno),
	    disk_is_full(errno) ? ", as with blocks of less than 4096 bytes" : "");
}

int
inbox_open_meta(struct inbox *inbox, int shared, struct why *error)
{
	char shown[PROTO_INBOX_MAX + 32];
	struct stat st;

	if (inbox->meta == META_XATTR)
		return try_attributes(inbox, error);
	if (inbox->meta != META_JSON)
		return 0;
	snprintf(shown, sizeof shown, "inbox folder %s/" INBOX_META, inbox->name);
	if (fstat(inbox->new, &st) < 0)
		return why_say(error, "%s: %s", shown, strerror(errno));
	inbox->meta_dir =
	    open_part(inbox->new, "../" INBOX_META, st.st_dev, shared, shown, error);
	return inbox->meta_dir < 0 ? -1 : 0;
}

void
inbox_close(struct inbox *inbox)
{
	if (inbox->tmp >= 0)
		close(inbox->tmp);
	if (inbox->new >= 0)
		close(inbox->new);
	if (inbox->meta_dir >= 0)
		close(inbox->meta_dir);
	inbox->tmp = inbox->new = inbox->meta_dir = -1;
	inflow_unref(inbox->inflow);
	inbox->inflow = NULL;
}

int
inbox_allows(const struct inbox *inbox, const char *identity)
{
	for (size_t i = 0; i < inbox->clients->count; i++) {
		if (fnmatch(inbox->clients->items[i], identity, FNM_NOESCAPE) == 0)
			return 1;
	}
	return 0;
}

/* A listing of `part`, a path from new/; NULL with errno. */
static DIR *
list_part(const struct inbox *inbox, const char *part)
{
	int dir = disk_open_dir(inbox->new, part);
	DIR *listing = dir < 0 ? NULL : disk_list(dir);

	disk_close(dir);
	return listing;
}

struct counting {
	const struct inbox *inbox;
	const atomic_int *stop;
	struct shares *shares; /* NULL: nobody asks whose it is */
	struct inbox_count *count;
};

static void
count_file(const struct counting *counting, const char *name, const struct stat *st,
    struct inbox_pile *out)
{
	int64_t changed = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	char client[NAME_CLIENT_MAX + 1];

	if (out->oldest == 0 || changed < out->oldest)
		out->oldest = changed;
	out->bytes += (uint64_t)st->st_size;
	if (counting->shares && name_read_client(name, counting->inbox->suffix, client) == 0)
		shares_add(counting->shares, client, (uint64_t)st->st_size);
}

/* `part` is a path from new/, and `name` what people call it.  0, or the errno for which it is not
 * known. */
static int
count_pile(const struct counting *counting, const char *part, const char *name,
    struct inbox_pile *out)
{
	DIR *listing = list_part(counting->inbox, part);
	struct inbox_count *count = counting->count;
	struct dirent *file;
	struct stat st;
	int error;

	if (listing)
		errno = 0;
	while (listing && !atomic_load(counting->stop) && (file = readdir(listing))) {
		if (file->d_name[0] == '.')
			continue;
		out->files++;
		if (fstatat(dirfd(listing), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			count_file(counting, file->d_name, &st, out);
		errno = 0; /* a consumer has taken it meanwhile */
	}
	error = errno;
	out->known = error == 0;
	if (!out->known)
		snprintf(count->error, sizeof count->error, "%s/: %s", name, strerror(error));
	if (listing)
		closedir(listing);
	return error;
}

void
inbox_count(const struct inbox *inbox, const atomic_int *stop, struct shares *shares,
    struct inbox_count *out)
{
	struct counting counting = {inbox, stop, NULL, out};

	memset(out, 0, sizeof *out);
	snprintf(out->name, sizeof out->name, "%s", inbox->name);
	out->begun = clock_utc();
	/* By its path: it is the consumers', who may make it anew. */
	(void)count_pile(&counting, "../cur", "cur", &out->claimed);
	counting.shares = shares;
	errno = count_pile(&counting, ".", "new", &out->waiting);
	/* A bad sector in a folder that is only counted is told, and no more. */
	if (errno != EIO)
		fatal_if_gone("readdir", "new");
}
