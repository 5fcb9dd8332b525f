/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/fresh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxd/base/crew.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "inboxd/drafts/draft.h"
#include "inboxd/drafts/meta.h"
#include "inboxd/publish/sync.h"
#include "lib/disk.h"

static enum fresh
copy_bytes(int from, int to, const struct tail_item *item)
{
	unsigned char buffer[64 * 1024], sha256[DIGEST_SIZE];
	struct digest *digest = digest_new();
	enum fresh result = FRESH_FAILED;
	uint64_t size = 0;
	ssize_t got;

	if (!digest || digest_start(digest) < 0)
		goto done;
	while ((got = read(from, buffer, sizeof buffer)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || disk_write(to, buffer, (size_t)got) < 0 ||
		    digest_add(digest, buffer, (size_t)got) < 0)
			goto done;
		size += (uint64_t)got;
	}
	if (digest_end(digest, sha256) < 0)
		goto done;
	result = size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0 ?
	    FRESH_COPIED : FRESH_WRONG;
done:
	digest_free(digest);
	return result;
}

void
fresh_name(const struct tail_item *item, char dst[FRESH_NAME_ROOM])
{
	snprintf(dst, FRESH_NAME_ROOM, "%s" FRESH_SUFFIX, item->name);
}

static int
is_right(int fd, const struct tail_item *item)
{
	unsigned char sha256[DIGEST_SIZE];
	unsigned long long size;

	if (digest_file(fd, 0, sha256, &size) < 0)
		return -1;
	return size == item->size && memcmp(sha256, item->sha256, DIGEST_SIZE) == 0;
}

/* Whatever cuts this off, the file holds the same bytes before and after. */
static int
write_over(int fd, const struct tail_item *item)
{
	if (disk_write_again(fd, 0, (off_t)item->size) < 0 || disk_sync_data(fd) < 0)
		return -1;
	/* Is it so on the disk, and not only in memory? */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	errno = EIO;
	return is_right(fd, item) > 0 ? 0 : -1;
}

/* There is no room for a copy: the item is written anew as it is, in tmp/, where no consumer
 * reaches; but it stays there no longer than that takes. */
static enum fresh
mend(const struct tail_item *item, const struct inbox *inbox, int from)
{
	int fd = openat(from, item->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	enum fresh result = FRESH_FAILED;
	int rc, error;

	if (fd < 0)
		return errno == ENOENT ? FRESH_ABSENT : FRESH_FAILED;
	rc = is_right(fd, item);
	if (rc == 0)
		result = FRESH_WRONG;
	if (rc <= 0)
		goto done;
	if (from != inbox->tmp && disk_publish(from, item->name, inbox->tmp, item->name) < 0) {
		result = errno == ENOENT ? FRESH_CLAIMED : FRESH_FAILED;
		goto done;
	}
	if (write_over(fd, item) == 0)
		result = FRESH_MENDED;
	error = errno;
	if (from != inbox->tmp && disk_publish(inbox->tmp, item->name, from, item->name) < 0)
		result = FRESH_FAILED;
	else
		errno = error;
done:
	disk_close(fd);
	return result;
}

/* What a sync has returned: that there is no room is an answer, all else the end (P9). */
static int
full_or_end(int rc)
{
	if (rc < 0 && draft_failure(errno) != DRAFT_FULL)
		fatal_sync("draft");
	return rc;
}

/* Bytes into the new file, and onto the disk. */
static enum fresh
fill(const struct inbox *inbox, int in, int out, const struct tail_item *item)
{
	enum fresh result = copy_bytes(in, out, item);

	if (result == FRESH_COPIED &&
	    (meta_copy(inbox, in, out) < 0 || full_or_end(meta_sync(inbox, out)) < 0))
		return FRESH_FAILED;
	return result;
}

/* A folder or link of that name is not the item: who could put it there has taken that. */
static int
open_item(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) < 0 || S_ISREG(st.st_mode)))
		return fd; /* what is wrong, reading tells */
	if (fd >= 0 || errno == ELOOP || errno == ENXIO)
		errno = ENOENT;
	disk_close(fd);
	return -1;
}

enum fresh
fresh_copy(const struct tail_item *item, const struct inbox *inbox, int from)
{
	char name[FRESH_NAME_ROOM];
	enum fresh result = FRESH_FAILED;
	int in, out, error;

	in = open_item(from, item->name);
	if (in < 0)
		return errno == ENOENT ? FRESH_ABSENT : FRESH_FAILED;
	fresh_name(item, name);
	out = draft_make(inbox, name);
	if (out >= 0)
		result = fill(inbox, in, out, item);
	error = errno;
	close(in);
	if (out >= 0)
		close(out);
	if (out >= 0 && result != FRESH_COPIED)
		(void)unlinkat(inbox->tmp, name, 0); /* its room is wanted */
	errno = error;
	if (result == FRESH_FAILED && draft_failure(error) == DRAFT_FULL)
		return mend(item, inbox, from);
	return result;
}

int
fresh_take(const struct tail_item *item, const struct inbox *inbox)
{
	char fresh[FRESH_NAME_ROOM];

	fresh_name(item, fresh);
	return renameat(inbox->tmp, fresh, inbox->tmp, item->name);
}

int
fresh_is_right(const struct tail_item *item, int dir)
{
	int fd = open_item(dir, item->name);
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = is_right(fd, item);
	disk_close(fd);
	return rc;
}

/* ---- of bytes at hand */

void
fresh_begin(struct fresh_sync *sync, int root, int way, struct crew *crew)
{
	sync->crew = crew;
	sync->root = sync_choose(root, way) == SYNC_FILES ? -1 : root;
	sync->needs = 0;
	sync->count = 0;
}

static int
sync_one(void *ctx, size_t i)
{
	const struct fresh_sync *sync = ctx;

	return full_or_end(meta_sync(sync->inboxes[i], sync->fds[i]));
}

/* All at once: the file system's own journal is written once for many. */
int
fresh_let_go(struct fresh_sync *sync)
{
	if (crew_run(sync->crew, sync->count, sync_one, sync) < 0)
		return -1;
	fresh_give_up(sync);
	return 0;
}

int
fresh_keep(struct fresh_sync *sync, const struct inbox *inbox, int fd)
{
	sync->needs = 1;
	disk_sync_start(fd);
	if (sync->root >= 0) {
		close(fd);
		return 0;
	}
	sync->inboxes[sync->count] = inbox;
	sync->fds[sync->count++] = fd;
	return sync->count == FRESH_OPEN_MAX ? fresh_let_go(sync) : 0;
}

int
fresh_replace(const struct tail_item *item, const struct inbox *inbox, const char *accept,
    const void *bytes, size_t size)
{
	char name[FRESH_NAME_ROOM];
	int fd, rc;

	fresh_name(item, name);
	fd = draft_make_of(inbox, name, accept, bytes, size);
	if (fd < 0)
		return -1;
	rc = full_or_end(meta_sync(inbox, fd)) < 0 ? -1 : fresh_take(item, inbox);
	disk_close(fd);
	return rc;
}

int
fresh_end(struct fresh_sync *sync)
{
	if (sync->root < 0)
		return fresh_let_go(sync);
	return sync->needs ? full_or_end(disk_sync_fs(sync->root)) : 0;
}

void
fresh_give_up(struct fresh_sync *sync)
{
	while (sync->count > 0)
		close(sync->fds[--sync->count]);
}
