/* SPDX-License-Identifier: ISC */
/*
 * Both files are opened before a line is read, the newer one first: whoever turns the log over
 * between the two opens has us find the same file twice, and then we look again.
 */
#include "config.h"

#include "inboxq/spool/sentlines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/parse.h"

#define LOOKS 5

static const char *const end_names[SENTLOG_ENDS] = {
    "STORED", "REFUSED", "REMOVED", "RENAMED"};

const char *
sentlines_end(enum sentlog_end end)
{
	return end_names[end];
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

int
sentlines_parse(const char *text, size_t len, struct sentlog_line *line)
{
	char number[24], end[16];
	char copy[SENTLOG_LINE_ROOM];
	int rest = 0;

	if (len >= sizeof copy)
		return -1;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (sscanf(copy, "%31s %23s %15s %288s %255s %*s %*s %n", line->time, number, end,
		line->server, line->there, &rest) != 5 ||
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

/* Closes the descriptor.  Reads on from *at, and moves it behind the last whole line. */
static int
read_file(int fd, off_t *at, sentlines_fn *line, void *ctx)
{
	struct sentlog_line parsed;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *file = fdopen(fd, "r");
	int rc = 0;

	if (!file) {
		disk_close(fd);
		return -1;
	}
	/* One that is shorter than that is another, with the number of one that was deleted. */
	if (fseeko(file, 0, SEEK_END) == 0 && ftello(file) < *at)
		*at = 0;
	if (fseeko(file, *at, SEEK_SET) < 0)
		rc = -1;
	while (rc == 0 && (len = getline(&text, &room, file)) > 0 && text[len - 1] == '\n') {
		*at += len;
		if (sentlines_parse(text, (size_t)len - 1, &parsed) == 0)
			line(ctx, &parsed);
	}
	if (ferror(file))
		rc = -1;
	free(text);
	fclose(file);
	return rc;
}

/* The descriptor, or -1; *inode 0 where there is none. */
static int
open_one(int top, const char *name, ino_t *inode)
{
	int fd = openat(top, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	*inode = 0;
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		disk_close(fd);
		return -1;
	}
	*inode = st.st_ino;
	return fd;
}

/* Both, as they are at one moment; -1 where there is none. */
static int
open_both(int top, int fd[2], ino_t inode[2])
{
	for (int i = 0; i < LOOKS; i++) {
		fd[0] = fd[1] = -1;
		fd[1] = open_one(top, SENTLINES_NAME, &inode[1]);
		if (fd[1] < 0 && errno != ENOENT)
			return -1;
		fd[0] = open_one(top, SENTLINES_OLD, &inode[0]);
		if (fd[0] < 0 && errno != ENOENT)
			break;
		if (fd[0] < 0 || inode[0] != inode[1])
			return 0;
		disk_close(fd[0]);
		disk_close(fd[1]);
		errno = EAGAIN;
	}
	disk_close(fd[1]);
	return -1;
}

int
sentlines_read(int top, struct sentlog_place *from, sentlines_fn *line, void *ctx)
{
	ino_t inode[2];
	int fd[2] = {-1, -1}, rc;

	if (open_both(top, fd, inode) < 0)
		return -1;
	rc = 0;
	for (int i = 0; i < 2; i++) {
		if (fd[i] < 0)
			continue;
		/* What stands in the newer one has all of the older one behind it. */
		if (rc < 0 || (i == 0 && from->file != 0 && from->file == inode[1])) {
			disk_close(fd[i]);
			continue;
		}
		if (from->file != inode[i])
			*from = (struct sentlog_place){inode[i], 0};
		rc = read_file(fd[i], &from->at, line, ctx);
	}
	return rc;
}

static int
write_rename(int fd)
{
	char line[PRINT_TIME_ROOM + 32], when[PRINT_TIME_ROOM];
	off_t size = lseek(fd, 0, SEEK_END);
	struct timespec now;
	char last = '\n';

	if (size < 0 || (size > 0 && pread(fd, &last, 1, size - 1) < 0))
		return -1;
	clock_gettime(CLOCK_REALTIME, &now);
	print_time(when, &now);
	/* A line that a crash has cut is ended first. */
	snprintf(line, sizeof line, "%s%s 0 RENAMED - - - 0 -\n", last == '\n' ? "" : "\n", when);
	return disk_write(fd, line, strlen(line)) < 0 ? -1 : disk_sync_data(fd);
}

int
sentlines_rename(int top)
{
	const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
	int fd = openat(top, SENTLINES_NAME, flags), rc;

	/* A crash amid its turn may have left the older one alone. */
	if (fd < 0 && errno == ENOENT)
		fd = openat(top, SENTLINES_OLD, flags);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	rc = write_rename(fd);
	disk_close(fd);
	return rc;
}

static void
note_highest(void *ctx, const struct sentlog_line *line)
{
	uint64_t *highest = ctx;

	if (line->n > *highest)
		*highest = line->n;
}

int
sentlines_highest(int top, uint64_t *highest)
{
	struct sentlog_place from = {0};

	*highest = 0;
	return sentlines_read(top, &from, note_highest, highest);
}
