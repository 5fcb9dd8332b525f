/* SPDX-License-Identifier: ISC */
/*
 * The spool's folders, its lock, its names and small files.  What must last is synced here, or by
 * the caller where the header says so; nothing is deleted that the caller did not name, but
 * drafts that a killed add has left.
 */
#include "config.h"

#include "inboxq/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/counts.h"
#include "inboxq/spool/sentlines.h"
#include "inboxq/spool/spool_parts.h"
#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/id.h"
#include "lib/lock.h"
#include "lib/parse.h"
#include "lib/proto.h"

#define LOCK_WAIT 30000 /* ms */
#define DRAFT_AGE (24 * 60 * 60) /* seconds */
#define DRAFT_NAME_ROOM (SPOOL_NAME_ROOM + 32)

static const char *const folder_names[SPOOL_PARTS] = {NULL, "tmp", "queue", "failed"};

/* Of a small file, before it has its place.  Two threads, or a process whose number comes again,
 * may be at the same file at once: neither writes into the other's. */
static int
name_draft(char draft[DRAFT_NAME_ROOM], const char *name)
{
	uint32_t random;

	if (getentropy(&random, sizeof random) < 0)
		return -1;
	snprintf(draft, DRAFT_NAME_ROOM, "%ld.%08" PRIx32 ".%s", (long)getpid(), random, name);
	return 0;
}

int
spool_move(const struct spool *spool, enum spool_part from, const char *name, enum spool_part to,
    const char *new_name)
{
	return renameat(spool->folder[from], name, spool->folder[to], new_name);
}

int
spool_write_file(const struct spool *spool, enum spool_part part, const char *name,
    const char *text, int replace)
{
	char draft[DRAFT_NAME_ROOM];
	int dir = spool->folder[part];
	int rc;

	if (name_draft(draft, name) < 0 ||
	    disk_write_text(spool->folder[SPOOL_TMP], draft, text) < 0)
		return -1;
	if (replace)
		rc = renameat(spool->folder[SPOOL_TMP], draft, dir, name);
	else
		rc = disk_publish(spool->folder[SPOOL_TMP], draft, dir, name);
	if (rc < 0) {
		int saved = errno;
		unlinkat(spool->folder[SPOOL_TMP], draft, 0);
		errno = saved;
		return -1;
	}
	return disk_sync_dir(dir);
}

ssize_t
spool_read_file(int dir, const char *name, char *dst, size_t room)
{
	ssize_t len;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	len = read(fd, dst, room - 1);
	close(fd);
	if (len < 0)
		return -1;
	if (len > 0 && dst[len - 1] == '\n')
		len--;
	dst[len] = '\0';
	return len;
}

static int
make_id(struct spool *spool)
{
	int top = spool->folder[SPOOL_TOP];
	char draft[DRAFT_NAME_ROOM];

	/* Where there was one before, a disk has lost it, or somebody wants another. */
	if (sentlines_rename(top) < 0 || name_draft(draft, "queue-id") < 0 ||
	    id_make(spool->folder[SPOOL_TMP], draft, top, "queue-id") < 0)
		return -1;
	return id_read(top, "queue-id", spool->id);
}

/* A disk has spoilt it: what is left of it is kept, and the queue gets another name. */
static int
replace_id(struct spool *spool)
{
	int top = spool->folder[SPOOL_TOP], rc;

	if (spool_lock(spool) < 0)
		return -1;
	rc = id_read(top, "queue-id", spool->id); /* others may have been here */
	if (rc < 0 && errno == EILSEQ) {
		rc = spool_move(spool, SPOOL_TOP, "queue-id", SPOOL_TOP, "queue-id.damaged");
		if (rc == 0)
			rc = make_id(spool);
	}
	spool_unlock(spool);
	return rc;
}

/* The queue's id: made once, by whoever comes first. */
static int
load_id(struct spool *spool, int make)
{
	int rc = id_read(spool->folder[SPOOL_TOP], "queue-id", spool->id);

	if (rc < 0 && errno == ENOENT && make)
		return make_id(spool);
	if (rc < 0 && errno == EILSEQ && make)
		return replace_id(spool);
	return rc;
}

/* As `last`: what fills the disk is not to keep `run` from starting. */
static int
make_run_lock(const struct spool *spool)
{
	int top = spool->folder[SPOOL_TOP];

	if (faccessat(top, "run.lock", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return disk_write_text(top, "run.lock", "");
}

/* Opens the four folders; `what` names the one at fault. */
static int
open_folders(struct spool *spool, const char *path, int make, const char **what)
{
	int made = 0;

	*what = path;
	if (make && mkdir(path, 0700) == 0)
		made = 1;
	else if (make && errno != EEXIST)
		return -1;
	if (made && disk_sync_above(path) < 0)
		return -1;
	spool->folder[SPOOL_TOP] = disk_lift(disk_open_dir(AT_FDCWD, path));
	if (spool->folder[SPOOL_TOP] < 0)
		return -1;
	for (int i = SPOOL_TMP; i < SPOOL_PARTS; i++) {
		*what = folder_names[i];
		if (make && mkdirat(spool->folder[SPOOL_TOP], folder_names[i], 0700) == 0)
			made = 1;
		else if (make && errno != EEXIST)
			return -1;
		spool->folder[i] =
		    disk_lift(disk_open_dir(spool->folder[SPOOL_TOP], folder_names[i]));
		if (spool->folder[i] < 0)
			return -1;
	}
	return made ? disk_sync_dir(spool->folder[SPOOL_TOP]) : 0;
}

struct spool *
spool_open(const char *path, int make, struct why *why)
{
	struct spool *spool = calloc(1, sizeof *spool);
	struct why detail;
	const char *what = path;
	dev_t dev = 0;
	int saved;

	if (!spool) {
		why_say(why, "out of memory");
		return NULL;
	}
	lock_begin(&spool->lock);
	for (int i = 0; i < SPOOL_PARTS; i++)
		spool->folder[i] = -1;
	if (open_folders(spool, path, make, &what) < 0)
		goto fail;
	for (int i = 0; i < SPOOL_PARTS; i++) {
		if (disk_check_dir(spool->folder[i], dev, &dev, &detail) == 0)
			continue;
		why_say(why, "spool %s: %s%s%s", path,
		    i ? folder_names[i] : "", i ? ": " : "", detail.text);
		errno = EPERM;
		goto fail_said;
	}
	what = "queue-id";
	if (load_id(spool, make) < 0)
		goto fail;
	what = "last";
	if (make && spool_make_last(spool) < 0)
		goto fail;
	what = "run.lock";
	if (make && make_run_lock(spool) < 0)
		goto fail;
	return spool;
fail:
	saved = errno;
	why_say(why, "spool %s: %s%s%s%s", path, what == path ? "" : what,
	    what == path ? "" : ": ", strerror(errno),
	    saved == ENOENT && !make ? " (add and run make what is missing)"
	    : saved == EACCES ? " (its owner alone may use it)" : "");
	errno = saved;
fail_said:
	saved = errno;
	spool_close(spool);
	errno = saved;
	return NULL;
}

void
spool_close(struct spool *spool)
{
	if (!spool)
		return;
	for (int i = 0; i < SPOOL_PARTS; i++)
		if (spool->folder[i] >= 0)
			close(spool->folder[i]);
	lock_end(&spool->lock);
	free(spool);
}

int
spool_folder(const struct spool *spool, enum spool_part part)
{
	return spool->folder[part];
}

const char *
spool_queue_id(const struct spool *spool)
{
	return spool->id;
}

int
spool_lock(struct spool *spool)
{
	return lock_take(&spool->lock, spool->folder[SPOOL_TOP], "lock", LOCK_WAIT);
}

int
spool_try_lock(struct spool *spool)
{
	return lock_take(&spool->lock, spool->folder[SPOOL_TOP], "lock", 0);
}

void
spool_unlock(struct spool *spool)
{
	counts_settle(spool);
	lock_release(&spool->lock);
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
note_stray(struct spool_numbers *out, const char *name)
{
	if (name[0] == '.' || strstr(name, ".reason"))
		return;
	if (out->strays++ == 0)
		escape_bytes(out->stray, sizeof out->stray, name, strlen(name));
}

int
spool_list(const struct spool *spool, enum spool_part part, struct spool_numbers *out)
{
	DIR *dir = disk_list(spool->folder[part]);
	struct dirent *entry;
	size_t room = 0;

	memset(out, 0, sizeof *out);
	if (!dir)
		return -1;
	while (errno = 0, (entry = readdir(dir))) {
		uint64_t n = spool_name_number(entry->d_name);

		if (n == 0) {
			note_stray(out, entry->d_name);
			continue;
		}
		if (out->count == room) {
			uint64_t *more;

			room = room ? 2 * room : 64;
			more = realloc(out->at, room * sizeof *more);
			if (!more)
				goto fail;
			out->at = more;
		}
		out->at[out->count++] = n;
	}
	if (errno != 0)
		goto fail;
	closedir(dir);
	if (out->count)
		qsort(out->at, out->count, sizeof *out->at, compare_numbers);
	return 0;
fail:
	closedir(dir);
	free(out->at);
	memset(out, 0, sizeof *out);
	return -1;
}

void
spool_sweep(const struct spool *spool)
{
	DIR *dir = disk_list(spool->folder[SPOOL_TMP]);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		long pid = strtol(entry->d_name, NULL, 10);
		struct stat st;

		if (pid <= 0 || (kill((pid_t)pid, 0) == 0 || errno != ESRCH))
			continue;
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    time(NULL) - st.st_mtime < DRAFT_AGE)
			continue;
		(void)unlinkat(dirfd(dir), entry->d_name, 0); /* or another time */
	}
	if (dir)
		closedir(dir);
}
