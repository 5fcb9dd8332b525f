/* SPDX-License-Identifier: ISC */
/*
 *	<text> file=<inode> crc=<CRC-32C of what is before the digits>, blanks, LF
 *
 * It is one write(2) of less than a sector: what a kill leaves is the old one or the new one, and
 * a reader beside a writer, who may see some of both, looks again.
 */
#include "config.h"

#include "inboxq/spool/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crc.h"
#include "lib/disk.h"

#define LOOKS 3
#define CRC_LEN 8

/* What stands behind the text, up to the digits of the checksum; its length. */
static size_t
print_tail(char *dst, size_t room, ino_t inode)
{
	return (size_t)snprintf(dst, room, " file=%ju crc=", (uintmax_t)inode);
}

/* No FIFO and no device holds anybody up. */
static int
open_mark(int dir, const char *name, int flags, struct stat *st)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);

	if (fd < 0)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	close(fd);
	errno = EILSEQ;
	return -1;
}

/* Is this a whole line of the file with that inode?  Its text is closed by NUL. */
static int
take_text(char line[MARK_ROOM], ino_t inode)
{
	char tail[64], sum[CRC_LEN + 1], *at;
	size_t len = print_tail(tail, sizeof tail, inode);

	line[MARK_ROOM - 1] = '\0';
	at = strstr(line, tail);
	if (!at || at - line >= MARK_TEXT)
		return 0;
	snprintf(sum, sizeof sum, "%08" PRIx32, crc32c(0, line, (size_t)(at - line) + len));
	if (strncmp(at + len, sum, CRC_LEN) != 0)
		return 0;
	*at = '\0';
	return 1;
}

int
mark_read(int dir, const char *name, char text[MARK_TEXT])
{
	char line[MARK_ROOM];
	struct stat st;
	int fd = open_mark(dir, name, O_RDONLY, &st);

	if (fd < 0)
		return -1;
	for (int i = 0; i < LOOKS; i++) {
		if (pread(fd, line, sizeof line, 0) == (ssize_t)sizeof line &&
		    take_text(line, st.st_ino)) {
			close(fd);
			memcpy(text, line, strlen(line) + 1);
			return 0;
		}
	}
	close(fd);
	errno = EILSEQ;
	return -1;
}

int
mark_write(int dir, const char *name, const char *text)
{
	char line[MARK_ROOM + CRC_LEN + 1];
	struct stat st;
	size_t len;
	int fd = open_mark(dir, name, O_WRONLY | O_CREAT, &st);
	int rc;

	if (fd < 0)
		return -1;
	len = (size_t)snprintf(line, MARK_TEXT, "%s", text);
	len += print_tail(line + len, sizeof line - len, st.st_ino);
	snprintf(line + len, CRC_LEN + 1, "%08" PRIx32, crc32c(0, line, len));
	len += CRC_LEN;
	memset(line + len, ' ', MARK_ROOM - len);
	line[MARK_ROOM - 1] = '\n';
	rc = disk_write(fd, line, MARK_ROOM);
	disk_close(fd);
	return rc;
}
