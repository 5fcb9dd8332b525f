/* SPDX-License-Identifier: ISC */
/*
 * An item's file: its header to text and back, opening it, and the ways out of
 * queue/.  A header is read as strictly as a peer's line: a disk is a peer.
 */
#include "config.h"

#include "inboxq/spool/item.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/counts.h"
#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "lib/parse.h"

#define MAGIC "inboxq-item"
#define NUMBER_LEN 20 /* digits of a 64-bit number */

_Static_assert(sizeof MAGIC " 1   time= priority=normal claim= name=" + PROTO_INBOX_MAX +
        2 * NUMBER_LEN + 2 * DIGEST_SIZE + PROTO_ID_LEN + ESCAPE_ROOM(PROTO_NAME_MAX) <=
    SPOOL_HEADER, "the longest header fits");

static const char *const priority_texts[ITEM_PRIORITIES] = {
    [ITEM_NORMAL] = "normal", [ITEM_LOW] = "low", [ITEM_HIGH] = "high"};

const char *
item_priority_text(enum item_priority priority)
{
	return priority_texts[priority];
}

int
item_priority_parse(const char *text, enum item_priority *priority)
{
	for (int i = 0; i < ITEM_PRIORITIES; i++) {
		if (strcmp(text, priority_texts[i]) == 0) {
			*priority = (enum item_priority)i;
			return 0;
		}
	}
	return -1;
}

void
item_header_format(char header[SPOOL_HEADER], const struct spool_item *item)
{
	char line[SPOOL_HEADER];
	int is_normal = item->priority == ITEM_NORMAL;
	int len = snprintf(line, sizeof line,
	    MAGIC " 1 %s %" PRIu64 " %s time=%" PRIu64 "%s%s%s%s%s%s", item->inbox, item->size,
	    item->sha256, item->time, is_normal ? "" : " priority=",
	    is_normal ? "" : item_priority_text(item->priority),
	    item->claim[0] ? " claim=" : "", item->claim, item->name[0] ? " name=" : "",
	    item->name);

	memset(header, ' ', SPOOL_HEADER);
	memcpy(header, line, (size_t)len);
	header[SPOOL_HEADER - 1] = '\n';
}

/* Takes the next field, which must fit `room` with a NUL; its length, or 0. */
static size_t
take_field(const char **at, const char *end, char *dst, size_t room)
{
	const char *space = memchr(*at, ' ', (size_t)(end - *at));
	size_t len = (size_t)((space ? space : end) - *at);

	if (len >= room)
		return 0;
	memcpy(dst, *at, len);
	dst[len] = '\0';
	*at += len + (space != NULL);
	return len;
}

/* One of the fields behind the time. */
static int
take_key(const char *text, size_t len, struct spool_item *item)
{
	char decoded[PROTO_NAME_MAX];

	if (len > 5 && memcmp(text, "name=", 5) == 0) {
		if (escape_decode(decoded, sizeof decoded, text + 5, len - 5) < 0)
			return -1;
		memcpy(item->name, text + 5, len - 5 + 1);
	}
	if (len > 6 && memcmp(text, "claim=", 6) == 0 && is_hex(text + 6, len - 6, PROTO_ID_LEN))
		memcpy(item->claim, text + 6, len - 6 + 1);
	/* A word of a time to come is no damage: such an item is as any other. */
	if (len > 9 && memcmp(text, "priority=", 9) == 0 &&
	    item_priority_parse(text + 9, &item->priority) < 0)
		item->priority = ITEM_NORMAL;
	return 0;
}

int
item_header_parse(const char header[SPOOL_HEADER], struct spool_item *item)
{
	const char *at = header, *end = header + SPOOL_HEADER - 1;
	char text[ESCAPE_ROOM(PROTO_NAME_MAX) + 8];
	size_t len;

	if (*end != '\n')
		return -1;
	if (!take_field(&at, end, text, sizeof text) || strcmp(text, MAGIC) != 0 ||
	    !take_field(&at, end, text, sizeof text) || strcmp(text, "1") != 0)
		return -1;
	len = take_field(&at, end, item->inbox, sizeof item->inbox);
	if (!is_plain_name(item->inbox, len, PROTO_INBOX_MAX))
		return -1;
	len = take_field(&at, end, text, sizeof text);
	if (parse_u64(text, len, PROTO_NUMBER_MAX, &item->size) < 0)
		return -1;
	len = take_field(&at, end, item->sha256, sizeof item->sha256);
	if (!is_hex(item->sha256, len, sizeof item->sha256 - 1))
		return -1;
	len = take_field(&at, end, text, sizeof text);
	if (len < 6 || memcmp(text, "time=", 5) != 0 ||
	    parse_u64(text + 5, len - 5, PROTO_NUMBER_MAX, &item->time) < 0)
		return -1;
	item->name[0] = item->claim[0] = '\0';
	item->priority = ITEM_NORMAL;
	while ((len = take_field(&at, end, text, sizeof text)))
		if (take_key(text, len, item) < 0)
			return -1;
	return 0;
}

int
item_open(const struct spool *spool, enum spool_part part, uint64_t n,
    struct spool_item *item, struct why *why)
{
	char name[SPOOL_NAME_ROOM];
	char header[SPOOL_HEADER];
	struct stat st;
	ssize_t len;
	int fd;

	spool_number_name(name, n);
	memset(item, 0, sizeof *item);
	fd = openat(spool_folder(spool, part), name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		return why_say(why, "%s: %s", name, strerror(errno));
	}
	len = read(fd, header, sizeof header);
	if (len < 0 || fstat(fd, &st) < 0) {
		why_say(why, "%s: %s", name, strerror(errno));
		disk_close(fd);
		return -1;
	}
	if (len != SPOOL_HEADER || item_header_parse(header, item) < 0) {
		memset(item, 0, sizeof *item);
		why_say(why, "its header is damaged");
		goto damaged;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != item->size + SPOOL_HEADER) {
		why_say(why, "its file has %lld bytes, want %" PRIu64,
		    (long long)st.st_size, item->size + SPOOL_HEADER);
		goto damaged;
	}
	return fd;
damaged:
	close(fd);
	errno = EILSEQ;
	return -1;
}

int
item_is_to_blame(int error)
{
	switch (error) {
	case ENOENT: /* it is gone */
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EINTR:
		return 0;
	}
	return 1;
}

int
item_is_damaged(const struct spool *spool, enum spool_part part, uint64_t n)
{
	unsigned char sha256[DIGEST_SIZE];
	char text[DIGEST_TEXT_ROOM];
	struct why why;
	unsigned long long size;
	struct spool_item item;
	int fd = item_open(spool, part, n, &item, &why);
	int damaged = 0;

	if (fd < 0)
		return item_is_to_blame(errno);
	if (digest_file(fd, SPOOL_HEADER, sha256, &size) < 0) {
		damaged = item_is_to_blame(errno);
	} else {
		digest_print(text, sha256);
		damaged = size != item.size || strcmp(text, item.sha256) != 0;
	}
	close(fd);
	return damaged;
}

int
item_delete(struct spool *spool, enum spool_part part, uint64_t n)
{
	char name[SPOOL_NAME_ROOM];
	struct stat st;

	spool_number_name(name, n);
	counts_leaving(spool);
	if (fstatat(spool_folder(spool, part), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -1;
	if (unlinkat(spool_folder(spool, part), name, 0) < 0)
		return errno == ENOENT ? 0 : -1;
	counts_left(spool, counts_bytes(st.st_size));
	return 0;
}

static void
reason_name(char name[SPOOL_NAME_ROOM], uint64_t n)
{
	snprintf(name, SPOOL_NAME_ROOM, "%020" PRIu64 ".reason", n);
}

int
item_write_reason(const struct spool *spool, uint64_t n, const char *text)
{
	char name[SPOOL_NAME_ROOM];
	char line[SPOOL_REASON_MAX + 1];

	reason_name(name, n);
	snprintf(line, sizeof line, "%.*s\n", SPOOL_REASON_MAX - 1, text);
	return spool_write_file(spool, SPOOL_FAILED, name, line, 1);
}

/* After a power failure some file systems have both the name that a file was given and
 * the one it had. */
static int
is_in_both(const struct spool *spool, const char *name)
{
	struct stat here, there;

	return fstatat(spool_folder(spool, SPOOL_QUEUE), name, &here, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(spool_folder(spool, SPOOL_FAILED), name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

int
item_set_aside(const struct spool *spool, uint64_t n)
{
	int queue = spool_folder(spool, SPOOL_QUEUE), failed = spool_folder(spool, SPOOL_FAILED);
	char name[SPOOL_NAME_ROOM];

	spool_number_name(name, n);
	if (disk_publish(queue, name, failed, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	if (!is_in_both(spool, name)) {
		errno = EEXIST;
		return -1;
	}
	/* The name that stays must last first. */
	if (disk_sync_dir(failed) < 0)
		return -1;
	return unlinkat(queue, name, 0);
}

void
item_read_reason(const struct spool *spool, uint64_t n, char text[SPOOL_REASON_MAX + 1])
{
	char name[SPOOL_NAME_ROOM];

	reason_name(name, n);
	if (spool_read_file(
		spool_folder(spool, SPOOL_FAILED), name, text, SPOOL_REASON_MAX + 1) < 0)
		text[0] = '\0';
}

void
item_drop_reason(const struct spool *spool, uint64_t n)
{
	char name[SPOOL_NAME_ROOM];

	reason_name(name, n);
	unlinkat(spool_folder(spool, SPOOL_FAILED), name, 0);
}

time_t
item_reason_time(const struct spool *spool, uint64_t n)
{
	char name[SPOOL_NAME_ROOM];
	struct stat st;

	reason_name(name, n);
	return fstatat(spool_folder(spool, SPOOL_FAILED), name, &st, AT_SYMLINK_NOFOLLOW) == 0
	    ? st.st_mtim.tv_sec
	    : 0;
}

int
item_requeue(struct spool *spool, uint64_t from, uint64_t *n)
{
	char name[SPOOL_NAME_ROOM];

	spool_number_name(name, from);
	/* `failed` held the highest number, perhaps: it must not come again.  One that it
	 * does not hold was a slip of the keyboard, and would leave a gap for good. */
	if (faccessat(spool_folder(spool, SPOOL_FAILED), name, F_OK, 0) < 0 ||
	    spool_raise_last(spool, from) < 0 ||
	    spool_enqueue(spool, SPOOL_FAILED, name, n) < 0)
		return -1;
	item_drop_reason(spool, from);
	return 0;
}

int
item_sync_moves(const struct spool *spool)
{
	if (disk_sync_dir(spool_folder(spool, SPOOL_QUEUE)) < 0)
		return -1;
	return disk_sync_dir(spool_folder(spool, SPOOL_FAILED));
}
