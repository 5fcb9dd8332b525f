/* SPDX-License-Identifier: ISC */
/*
 * One write(2) a batch to a descriptor with O_APPEND, so the runner's lines
 * and those of `inboxq remove` do not mix.  A batch that was cut (crash, full
 * disk) leaves a line without its end; the next batch ends it first.
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

#define FILE_NAME "sent.log"

struct sentlog {
	int fd;
	off_t reserved; /* room was taken up to here */
	char *batch;
	size_t len, room;
};

static const char *const end_names[SENTLOG_ENDS] = {"STORED", "REFUSED", "REMOVED"};

static int
open_log(const struct spool *spool)
{
	return openat(spool_folder(spool, SPOOL_TOP), FILE_NAME,
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

struct sentlog *
sentlog_open(const struct spool *spool)
{
	struct sentlog *sentlog = calloc(1, sizeof *sentlog);

	if (!sentlog)
		return NULL;
	sentlog->fd = open_log(spool);
	if (sentlog->fd < 0 || disk_sync_dir(spool_folder(spool, SPOOL_TOP)) < 0) {
		int saved = errno;
		sentlog_close(sentlog);
		errno = saved;
		return NULL;
	}
	(void)take_ahead(sentlog->fd, &sentlog->reserved);
	return sentlog;
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
	    "%s %" PRIu64 " %s %s %s %s %" PRIu64 " %s%s%s%s%s\n", when, n, end_names[end],
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

int
sentlog_sync(struct sentlog *sentlog)
{
	size_t len = sentlog->len;

	if (len == 0)
		return 0;
	sentlog->len = 0;
	if (is_cut(sentlog->fd) && disk_write(sentlog->fd, "\n", 1) < 0)
		return -1;
	if (disk_write(sentlog->fd, sentlog->batch, len) < 0)
		return -1;
	(void)take_ahead(sentlog->fd, &sentlog->reserved);
	return disk_sync_data(sentlog->fd);
}

int
sentlog_is_same(const char *server, const char *other)
{
	size_t host = strcspn(server, "/");

	if (server[host] && other[strcspn(other, "/")])
		return strcmp(server + host, other + strcspn(other, "/")) == 0;
	return host == strcspn(other, "/") && memcmp(server, other, host) == 0;
}

/* What stands behind the size: the digest, a name if there is one, and perhaps a claim.
 * Nothing hangs on these but whether a claim is known. */
static void
parse_rest(const char *text, struct sentlog_line *line)
{
	line->sha256[0] = line->name[0] = line->claim[0] = '\0';
	(void)sscanf(text, "%64s %765s claim=%32s", line->sha256, line->name, line->claim);
	if (!is_hex(line->sha256, strlen(line->sha256), sizeof line->sha256 - 1))
		line->sha256[0] = '\0';
	if (!is_hex(line->claim, strlen(line->claim), PROTO_ID_LEN))
		line->claim[0] = '\0';
}

static int
parse_line(const char *text, size_t len, struct sentlog_line *line)
{
	char number[24], end[16];
	char copy[SENTLOG_LINE_ROOM];
	int rest = 0;

	if (len >= sizeof copy)
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (sscanf(copy, "%31s %23s %15s %288s %*s %*s %*s %n", line->time, number, end,
		line->server, &rest) != 4 ||
	    parse_u64(number, strlen(number), PROTO_NUMBER_MAX, &line->n) < 0)
		return -1;
	parse_rest(rest ? copy + rest : "", line);
	for (int i = 0; i < SENTLOG_ENDS; i++) {
		if (strcmp(end, end_names[i]) == 0) {
			line->end = (enum sentlog_end)i;
			return 0;
		}
	}
	return -1;
}

off_t
sentlog_tail(const struct spool *spool, off_t bytes)
{
	struct stat st;

	if (fstatat(spool_folder(spool, SPOOL_TOP), FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    st.st_size < bytes)
		return 0;
	return st.st_size - bytes;
}

int
sentlog_read(const struct spool *spool, off_t *from,
    void (*line)(void *ctx, const struct sentlog_line *line), void *ctx)
{
	int fd = openat(
	    spool_folder(spool, SPOOL_TOP), FILE_NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct sentlog_line parsed;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *file;
	int rc = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	file = fdopen(fd, "r");
	if (!file) {
		close(fd);
		return -1;
	}
	if (fseeko(file, *from, SEEK_SET) < 0)
		rc = -1;
	while (rc == 0 && (len = getline(&text, &room, file)) > 0 && text[len - 1] == '\n') {
		*from += len;
		if (parse_line(text, (size_t)len - 1, &parsed) == 0)
			line(ctx, &parsed);
	}
	if (ferror(file))
		rc = -1;
	free(text);
	fclose(file);
	return rc;
}
