/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/claim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/parse.h"

#define PATH_ROOM (ID_ROOM + NAME_MAX + 1) /* ID/NAME */

static void
print_path(char path[PATH_ROOM], const char *id, const char *name)
{
	snprintf(path, PATH_ROOM, "%s/%s", id, name);
}

/* Some file systems cannot sync a folder (SMB), or lock a file (NFS without its daemon).  What
 * that costs is no file, but that one may be queued twice: after a power cut, or beside another
 * watch of the same folder. */
static int
is_unknown_there(int error)
{
	return error == EINVAL || error == EOPNOTSUPP || error == ENOSYS || error == ENOLCK;
}

static int
sync_folder(int dir)
{
	return disk_sync_dir(dir) < 0 && !is_unknown_there(errno) ? -1 : 0;
}

int
claims_open(struct claims *claims, int dir, struct why *why)
{
	struct why detail;
	pid_t holder;

	claims->dir = dir;
	claims->folder = claims->lock = -1;
	if (mkdirat(dir, CLAIM_FOLDER, 0700) == 0) {
		if (sync_folder(dir) < 0)
			return why_say(why, "cannot sync it: %s", strerror(errno));
	} else if (errno != EEXIST) {
		return why_say(why, "cannot make " CLAIM_FOLDER " in it: %s", strerror(errno));
	}
	claims->folder = disk_open_dir(dir, CLAIM_FOLDER);
	if (claims->folder < 0)
		return why_say(why, CLAIM_FOLDER " in it: %s", strerror(errno));
	if (disk_check_dir(claims->folder, 0, NULL, &detail) < 0) {
		why_say(why, CLAIM_FOLDER " in it: %s", detail.text);
		goto fail;
	}
	claims->lock = disk_lock(claims->folder, CLAIM_LOCK, &holder);
	if (claims->lock >= 0 || is_unknown_there(errno))
		return 0;
	if (errno == EWOULDBLOCK)
		why_say(why, "another watch has it: process %ld", (long)holder);
	else
		why_say(why, "cannot lock " CLAIM_FOLDER " in it: %s", strerror(errno));
fail:
	claims_close(claims);
	return -1;
}

void
claims_close(struct claims *claims)
{
	disk_close(claims->lock);
	disk_close(claims->folder);
	claims->folder = claims->lock = -1;
}

int
claims_begin(const struct claims *claims, char id[ID_ROOM])
{
	return id_draw(id) < 0 ? -1 : mkdirat(claims->folder, id, 0700);
}

int
claims_take(const struct claims *claims, const char *id, const char *name)
{
	char path[PATH_ROOM];
	struct stat st;

	print_path(path, id, name);
	if (disk_publish(claims->dir, name, claims->folder, path) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	/* On NFS it may have moved it and say this, asked twice by a lost answer. */
	return fstatat(claims->folder, path, &st, AT_SYMLINK_NOFOLLOW);
}

int
claims_sync(const struct claims *claims, const char *id, int moved)
{
	int batch = disk_open_dir(claims->folder, id), rc;

	if (batch < 0)
		return -1;
	rc = sync_folder(batch);
	disk_close(batch);
	/* The name that stays before the one that goes. */
	if (rc == 0)
		rc = sync_folder(claims->folder);
	return rc == 0 && moved ? sync_folder(claims->dir) : rc;
}

int
claims_renew(const struct claims *claims, struct claim *claim, const char *id)
{
	char from[PATH_ROOM], to[PATH_ROOM];

	print_path(from, claim->id, claim->name);
	print_path(to, id, claim->name);
	if (disk_publish(claims->folder, from, claims->folder, to) < 0)
		return -1;
	claims_end(claims, claim->id);
	snprintf(claim->id, sizeof claim->id, "%s", id);
	claim->state = CLAIM_HELD;
	claim->is_synced = 0;
	return 0;
}

int
claims_delete(const struct claims *claims, const struct claim *claim)
{
	char path[PATH_ROOM];

	print_path(path, claim->id, claim->name);
	return unlinkat(claims->folder, path, 0);
}

int
claims_settle(const struct claims *claims)
{
	return sync_folder(claims->folder);
}

void
claims_end(const struct claims *claims, const char *id)
{
	(void)unlinkat(claims->folder, id, AT_REMOVEDIR);
}

int
claims_read(const struct claims *claims, const struct claim *claim, struct stat *st)
{
	char path[PATH_ROOM];
	int fd;

	print_path(path, claim->id, claim->name);
	fd = openat(claims->folder, path,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, st) < 0) {
		disk_close(fd);
		return -1;
	}
	return fd;
}

struct claim *
claim_new(struct claim **list, const char *id, const char *name)
{
	struct claim *claim = calloc(1, sizeof *claim);

	if (!claim)
		return NULL;
	snprintf(claim->id, sizeof claim->id, "%s", id);
	snprintf(claim->name, sizeof claim->name, "%s", name);
	claim->next = *list;
	if (*list)
		(*list)->before = claim;
	*list = claim;
	return claim;
}

void
claim_free(struct claim **list, struct claim *claim)
{
	if (claim->before)
		claim->before->next = claim->next;
	else
		*list = claim->next;
	if (claim->next)
		claim->next->before = claim->before;
	free(claim);
}

/* Those of one batch; one that has none left goes. */
static int
find_in_batch(const struct claims *claims, const char *id, struct claim **list)
{
	int batch = disk_open_dir(claims->folder, id);
	struct dirent *entry;
	DIR *dir;
	int error;

	if (batch < 0)
		return -1;
	dir = disk_list(batch);
	disk_close(batch);
	while (dir && (errno = 0, (entry = readdir(dir)))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!claim_new(list, id, entry->d_name))
			break;
	}
	error = errno;
	if (dir)
		closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

int
claims_find(const struct claims *claims, struct claim **list)
{
	DIR *dir = disk_list(claims->folder);
	struct dirent *entry;
	int rc = dir ? 0 : -1, error;

	while (rc == 0 && (errno = 0, (entry = readdir(dir)))) {
		if (!is_hex(entry->d_name, strlen(entry->d_name), PROTO_ID_LEN))
			continue;
		claims_end(claims, entry->d_name);
		rc = find_in_batch(claims, entry->d_name, list);
		if (rc < 0 && errno == ENOENT)
			rc = 0;
	}
	error = errno;
	if (dir)
		closedir(dir);
	errno = error;
	return rc == 0 && error == 0 ? 0 : -1;
}
