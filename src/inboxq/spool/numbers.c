/* SPDX-License-Identifier: ISC */
/*
 * Which number comes next.  spool.h tells why the first free one above `last` will do.
 */
#include "config.h"

#include "inboxq/spool/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/mark.h"
#include "inboxq/spool/sentlines.h"
#include "inboxq/spool/spool_parts.h"
#include "lib/disk.h"
#include "lib/proto.h"

#define NO_NUMBER "00000000000000000000"
#define LAST_LEN 21 /* bytes */
#define NEXT "next"

void
spool_number_name(char name[SPOOL_NAME_ROOM], uint64_t n)
{
	snprintf(name, SPOOL_NAME_ROOM, "%020" PRIu64, n);
}

uint64_t
spool_name_number(const char *name)
{
	uint64_t n = 0;

	for (int i = 0; i < 20; i++) {
		if (name[i] < '0' || name[i] > '9' || n > UINT64_MAX / 10 - 1)
			return 0;
		n = 10 * n + (uint64_t)(name[i] - '0');
	}
	return name[20] == '\0' && n <= PROTO_NUMBER_MAX ? n : 0;
}

/* What has left queue/ stands in sent.log. */
static uint64_t
highest_ended(const struct spool *spool)
{
	uint64_t highest;

	/* What cannot be read is lost: a number that comes again, with other bytes, is another
	 * item to every receiver. */
	(void)!sentlines_highest(spool->folder[SPOOL_TOP], &highest);
	return highest;
}

int
spool_make_last(const struct spool *spool)
{
	char text[SPOOL_NAME_ROOM + 1];

	if (faccessat(spool->folder[SPOOL_TOP], "last", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	snprintf(text, sizeof text, "%020" PRIu64 "\n", highest_ended(spool));
	if (spool_write_file(spool, SPOOL_TOP, "last", text, 0) < 0 && errno != EEXIST)
		return -1;
	return 0;
}

/* The highest number in queue/ and failed/, by looking through them. */
static int
look_through(const struct spool *spool, uint64_t *highest)
{
	struct spool_numbers numbers;

	*highest = 0;
	for (int part = SPOOL_QUEUE; part <= SPOOL_FAILED; part++) {
		if (spool_list(spool, (enum spool_part)part, &numbers) < 0)
			return -1;
		if (numbers.count && numbers.at[numbers.count - 1] > *highest)
			*highest = numbers.at[numbers.count - 1];
		free(numbers.at);
	}
	return 0;
}

/* `last`; where it is damaged, what else tells of numbers. */
static int
last_or_ended(const struct spool *spool, uint64_t *last)
{
	uint64_t ended;

	if (spool_last(spool, last) == 0)
		return 0;
	if (errno != EILSEQ || look_through(spool, last) < 0)
		return -1;
	ended = highest_ended(spool);
	if (ended > *last)
		*last = ended;
	return 0;
}

static int
read_next(const struct spool *spool, uint64_t *n)
{
	char text[MARK_TEXT];

	if (mark_read(spool->folder[SPOOL_TOP], NEXT, text) < 0 ||
	    strncmp(text, NEXT " ", sizeof NEXT) != 0)
		return -1;
	*n = spool_name_number(text + sizeof NEXT);
	return *n ? 0 : -1;
}

static int
is_given(const struct spool *spool, uint64_t n)
{
	char name[SPOOL_NAME_ROOM];

	spool_number_name(name, n);
	return faccessat(spool->folder[SPOOL_QUEUE], name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int
spool_highest(const struct spool *spool, uint64_t *highest)
{
	uint64_t last;

	if (read_next(spool, highest) < 0 && look_through(spool, highest) < 0)
		return -1;
	if (last_or_ended(spool, &last) < 0)
		return -1;
	if (last > *highest)
		*highest = last;
	while (*highest < PROTO_NUMBER_MAX && is_given(spool, *highest + 1))
		(*highest)++;
	return 0;
}

void
spool_note_given(const struct spool *spool, uint64_t n)
{
	char text[MARK_TEXT] = NEXT " ";

	spool_number_name(text + sizeof NEXT, n);
	/* What stands there is good enough. */
	if (mark_write(spool->folder[SPOOL_TOP], NEXT, text) < 0)
		return;
}

int
spool_last(const struct spool *spool, uint64_t *last)
{
	char text[SPOOL_NAME_ROOM];
	ssize_t len = spool_read_file(spool->folder[SPOOL_TOP], "last", text, sizeof text);

	*last = 0;
	if (len < 0)
		return errno == ENOENT ? 0 : -1;
	*last = spool_name_number(text);
	if (*last == 0 && strcmp(text, NO_NUMBER) != 0) {
		errno = EILSEQ;
		return -1;
	}
	return 0;
}

int
spool_raise_last(struct spool *spool, uint64_t n)
{
	char text[SPOOL_NAME_ROOM];
	uint64_t last;
	int fd, rc;

	if (n <= spool->durable)
		return 0;
	if (spool_make_last(spool) < 0 || last_or_ended(spool, &last) < 0)
		return -1;
	if (n < last)
		n = last;
	fd = openat(
	    spool->folder[SPOOL_TOP], "last", O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	snprintf(text, sizeof text, "%020" PRIu64 "\n", n);
	rc = disk_write(fd, text, LAST_LEN);
	if (rc == 0 && lseek(fd, 0, SEEK_END) > LAST_LEN)
		rc = ftruncate(fd, LAST_LEN);
	if (rc == 0)
		rc = disk_sync_data(fd);
	if (close(fd) < 0)
		rc = -1;
	if (rc == 0)
		spool->durable = n;
	return rc;
}

int
spool_enqueue(const struct spool *spool, enum spool_part from, const char *name, uint64_t *n)
{
	char number[SPOOL_NAME_ROOM];

	for (;;) {
		if (*n >= PROTO_NUMBER_MAX) {
			errno = EOVERFLOW;
			return -1;
		}
		spool_number_name(number, ++*n);
		if (disk_publish(spool->folder[from], name, spool->folder[SPOOL_QUEUE], number) ==
		    0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
}
