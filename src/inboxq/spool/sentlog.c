/* SPDX-License-Identifier: ISC */
/*
 * One write(2) a batch to a descriptor with O_APPEND, so the runner's lines
 * and those of `inboxq remove` do not mix.  A batch that was cut (crash, full
 * disk) leaves a line without its end; the next batch ends it first.
 *
 * It is turned over behind a sync, when what stands in it is what will ever stand there.
 *
 * Rejected: a file of ballast, deleted when the disk is full: others could take what it
 * leaves before us.
 */
#include "config.h"

#include "inboxq/spool/sentlog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "lib/parse.h"

struct sentlog {
	struct spool *spool;
	int fd;
	const uint64_t *max; /* bytes; NULL: it is not turned over here */
	off_t reserved; /* room was taken up to here */
	char *batch;
	size_t len, room;
};

static int
open_log(const struct spool *spool)
{
	return openat(spool_folder(spool, SPOOL_TOP), SENTLINES_NAME,
	    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* Never less than half of SENTLOG_AHEAD, as long as there is room at all. */
static int
take_ahead(int fd, off_t *reserved)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0 || size + SENTLOG_AHEAD / 2 <= *reserved)
		return 0;
	if (disk_reserve(fd, (unsigned long long)size + SENTLOG_AHEAD) == 0)
		*reserved = size + SENTLOG_AHEAD;
	else if (disk_is_full(errno))
		return -1;
	return 0; /* what is really wrong, writing tells */
}

int
sentlog_take_room(const struct spool *spool)
{
	off_t reserved = 0;
	int fd = open_log(spool);
	int rc;

	if (fd < 0)
		return -1;
	rc = take_ahead(fd, &reserved);
	disk_close(fd);
	return rc;
}

/* A new name in the spool's folder is to last before a line may be relied on. */
static int
open_file(struct sentlog *sentlog)
{
	sentlog->fd = open_log(sentlog->spool);
	sentlog->reserved = 0;
	if (sentlog->fd < 0 || disk_sync_dir(spool_folder(sentlog->spool, SPOOL_TOP)) < 0)
		return -1;
	(void)take_ahead(sentlog->fd, &sentlog->reserved);
	return 0;
}

struct sentlog *
sentlog_open(struct spool *spool)
{
	struct sentlog *sentlog = calloc(1, sizeof *sentlog);

	if (!sentlog)
		return NULL;
	sentlog->spool = spool;
	if (open_file(sentlog) < 0) {
		int saved = errno;
		sentlog_close(sentlog);
		errno = saved;
		return NULL;
	}
	return sentlog;
}

void
sentlog_set_max(struct sentlog *sentlog, const uint64_t *bytes)
{
	sentlog->max = bytes;
}

void
sentlog_close(struct sentlog *sentlog)
{
	if (!sentlog)
		return;
	if (sentlog->fd >= 0)
		close(sentlog->fd);
	free(sentlog->batch);
	free(sentlog);
}

int
sentlog_add(struct sentlog *sentlog, uint64_t n, enum sentlog_end end, const char *server,
    const char *name, const struct spool_item *item)
{
	char when[PRINT_TIME_ROOM];
	struct timespec now;
	int len;

	if (sentlog->room - sentlog->len < SENTLOG_LINE_ROOM) {
		size_t room = 2 * sentlog->room + 2 * SENTLOG_LINE_ROOM;
		char *more = realloc(sentlog->batch, room);
		if (!more)
			return -1;
		sentlog->batch = more;
		sentlog->room = room;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	print_time(when, &now);
	len = snprintf(sentlog->batch + sentlog->len, SENTLOG_LINE_ROOM,
	    "%s %" PRIu64 " %s %s %s %s %" PRIu64 " %s%s%s%s%s\n", when, n, sentlines_end(end),
	    server ? server : "-", name ? name : "-", item->inbox[0] ? item->inbox : "-",
	    item->size, item->sha256[0] ? item->sha256 : "-", item->name[0] ? " " : "", item->name,
	    item->claim[0] ? " claim=" : "", item->claim);
	sentlog->len += (size_t)len;
	return 0;
}

/* Does the file end within a line? */
static int
is_cut(int fd)
{
	off_t size = lseek(fd, 0, SEEK_END);
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* Is the file that we have open the log still?  `run` turns it over, and people delete it. */
static int
is_current(const struct sentlog *sentlog)
{
	struct stat ours, named;

	return fstat(sentlog->fd, &ours) == 0 &&
	    fstatat(spool_folder(sentlog->spool, SPOOL_TOP), SENTLINES_NAME, &named,
	        AT_SYMLINK_NOFOLLOW) == 0 &&
	    ours.st_ino == named.st_ino;
}

/* The next file, in tmp/, with its room; -1: not now. */
static int
make_next(const struct sentlog *sentlog, const char *draft, off_t *reserved)
{
	int tmp = spool_folder(sentlog->spool, SPOOL_TMP);
	int fd = openat(
	    tmp, draft, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	*reserved = 0;
	if (fd < 0 && errno == EEXIST)
		(void)unlinkat(tmp, draft, 0); /* of another process that had our number */
	if (fd < 0)
		return -1;
	if (take_ahead(fd, reserved) == 0)
		return fd;
	(void)unlinkat(tmp, draft, 0);
	disk_close(fd);
	return -1;
}

/*
 * Under the lock, which `inboxq remove` has while it writes.  A crash between the two moves leaves
 * no sent.log, and the next one who opens it makes it.  Nothing is written to the new file
 * before both moves last.
 */
static int
turn_over(struct sentlog *sentlog)
{
	struct spool *spool = sentlog->spool;
	char draft[SPOOL_NAME_ROOM];
	off_t reserved, size = lseek(sentlog->fd, 0, SEEK_END);
	int fd;

	snprintf(draft, sizeof draft, "%ld.sent.log", (long)getpid());
	fd = make_next(sentlog, draft, &reserved);
	if (fd < 0)
		return 0;
	/* The room ahead of it is for others now. */
	if (ftruncate(sentlog->fd, size) < 0 ||
	    spool_move(spool, SPOOL_TOP, SENTLINES_NAME, SPOOL_TOP, SENTLINES_OLD) < 0) {
		(void)unlinkat(spool_folder(spool, SPOOL_TMP), draft, 0);
		disk_close(fd);
		return 0;
	}
	if (spool_move(spool, SPOOL_TMP, draft, SPOOL_TOP, SENTLINES_NAME) < 0 ||
	    disk_sync_dir(spool_folder(spool, SPOOL_TOP)) < 0) {
		disk_close(fd);
		return -1;
	}
	close(sentlog->fd);
	sentlog->fd = fd;
	sentlog->reserved = reserved;
	return 0;
}

static int
turn_over_if_due(struct sentlog *sentlog)
{
	off_t size = lseek(sentlog->fd, 0, SEEK_END);
	int rc;

	if (!sentlog->max || size < 0 || (uint64_t)size < *sentlog->max ||
	    spool_try_lock(sentlog->spool) < 0)
		return 0;
	rc = turn_over(sentlog);
	spool_unlock(sentlog->spool);
	return rc;
}

int
sentlog_sync(struct sentlog *sentlog)
{
	size_t len = sentlog->len;

	if (len == 0)
		return 0;
	sentlog->len = 0;
	if (!is_current(sentlog)) {
		disk_close(sentlog->fd);
		if (open_file(sentlog) < 0)
			return -1;
	}
	if (is_cut(sentlog->fd) && disk_write(sentlog->fd, "\n", 1) < 0)
		return -1;
	if (disk_write(sentlog->fd, sentlog->batch, len) < 0)
		return -1;
	(void)take_ahead(sentlog->fd, &sentlog->reserved);
	if (disk_sync_data(sentlog->fd) < 0)
		return -1;
	return turn_over_if_due(sentlog);
}

int
sentlog_is_same(const char *server, const char *other)
{
	size_t host = strcspn(server, "/");

	if (server[host] && other[strcspn(other, "/")])
		return strcmp(server + host, other + strcspn(other, "/")) == 0;
	return host == strcspn(other, "/") && memcmp(server, other, host) == 0;
}

struct sentlog_place
sentlog_tail(const struct spool *spool, off_t bytes)
{
	static const char *const names[] = {SENTLINES_NAME, SENTLINES_OLD};
	struct sentlog_place place = {0};
	struct stat st;

	for (int i = 0; i < 2 && bytes > 0; i++) {
		if (fstatat(spool_folder(spool, SPOOL_TOP), names[i], &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		place.file = st.st_ino;
		place.at = st.st_size > bytes ? st.st_size - bytes : 0;
		bytes -= st.st_size;
	}
	return place;
}

int
sentlog_read(const struct spool *spool, struct sentlog_place *from, sentlines_fn *line, void *ctx)
{
	return sentlines_read(spool_folder(spool, SPOOL_TOP), from, line, ctx);
}
