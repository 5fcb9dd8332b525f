/* SPDX-License-Identifier: ISC */
#include "inboxd/drafts/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/parse.h"
#include "lib/record.h"
#include "lib/utf8.h"
#include "lib/xattr.h"

#define PREFIX "user.inboxd."

#define VALUE_ROOM 1024 /* no value is as long */

enum attribute { CLIENT, QUEUE, NUMBER, NAME, SHA256, RECEIVED, INBOX, ATTRIBUTES };

static const char *const names[ATTRIBUTES] = {
    [CLIENT] = PREFIX "client",
    [QUEUE] = PREFIX "queue",
    [NUMBER] = PREFIX "number",
    [NAME] = PREFIX "name",
    [SHA256] = PREFIX "sha256",
    [RECEIVED] = PREFIX "received",
    [INBOX] = PREFIX "inbox",
};

/* UTC as RFC 3339 has it, with microseconds. */
static void
print_received(char *dst, size_t room, int64_t micros)
{
	struct timespec when = {(time_t)(micros / 1000000), (long)(micros % 1000000 * 1000)};
	char plain[PRINT_TIME_ROOM];

	print_time(plain, &when);
	snprintf(dst, room, "%.4s-%.2s-%.2sT%.2s:%.2s:%s", plain, plain + 4, plain + 6,
	    plain + 9, plain + 11, plain + 13);
}

/* The length of the value; 0: it has none. */
static size_t
print_value(const struct meta *meta, enum attribute which, char dst[VALUE_ROOM])
{
	ssize_t len;

	switch (which) {
	case CLIENT:
		return (size_t)snprintf(dst, VALUE_ROOM, "%s", meta->client);
	case QUEUE:
		return (size_t)snprintf(dst, VALUE_ROOM, "%s", meta->queue);
	case INBOX:
		return (size_t)snprintf(dst, VALUE_ROOM, "%s", meta->inbox);
	case NUMBER:
		return (size_t)snprintf(dst, VALUE_ROOM, "%" PRIu64, meta->number);
	case SHA256:
		digest_print(dst, meta->sha256);
		return strlen(dst);
	case RECEIVED:
		if (meta->received == 0)
			return 0;
		print_received(dst, VALUE_ROOM, meta->received);
		return strlen(dst);
	case NAME:
		len = escape_decode(dst, VALUE_ROOM - 1, meta->hint, strlen(meta->hint));
		return len > 0 ? (size_t)len : 0;
	case ATTRIBUTES:
		break;
	}
	return 0;
}

int
meta_attach(const struct inbox *inbox, int fd, const struct meta *meta)
{
	char value[VALUE_ROOM];

	if (inbox->meta != META_XATTR)
		return 0;
	for (int i = 0; i < ATTRIBUTES; i++) {
		size_t len = print_value(meta, (enum attribute)i, value);
		if (len > 0 && xattr_set(fd, names[i], value, len) < 0)
			return -1;
	}
	return 0;
}

static int
read_accept(const char *accept, struct record *record, struct meta *out)
{
	if (record_parse(accept, strcspn(accept, "\n"), record) < 0 ||
	    record->type != RECORD_ACCEPT) {
		errno = EBADMSG;
		return -1;
	}
	*out = (struct meta){
	    .client = record->identity,
	    .queue = record->queue,
	    .inbox = record->inbox,
	    .number = record->n,
	    .hint = record->hint,
	    .sha256 = record->sha256,
	    .received = record->time,
	};
	return 0;
}

int
meta_attach_of(const struct inbox *inbox, int fd, const char *accept)
{
	struct record record;
	struct meta meta;

	if (inbox->meta != META_XATTR)
		return 0;
	return read_accept(accept, &record, &meta) < 0 ? -1 : meta_attach(inbox, fd, &meta);
}

int
meta_copy(const struct inbox *inbox, int from, int to)
{
	char value[VALUE_ROOM];

	if (inbox->meta != META_XATTR)
		return 0;
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		ssize_t len = xattr_get(from, names[i], value, sizeof value);
		if (len < 0 && errno == ENODATA)
			continue; /* it came before the inbox wanted them */
		if (len < 0 || xattr_set(to, names[i], value, (size_t)len) < 0)
			return -1;
	}
	return 0;
}

int
meta_sync(const struct inbox *inbox, int fd)
{
	return inbox->meta == META_XATTR ? disk_sync_file(fd) : disk_sync_data(fd);
}

/* ---- as JSON */

#define TEXT_ROOM 4096 /* of all keys and values, each byte of a name written as six */
#define FILE_ROOM (NAME_ROOM + sizeof META_SUFFIX)

static char *
put(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len + 1);
	return at + len;
}

static char *
put_quoted(char *at, const char *text)
{
	*at++ = '"';
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c == 0x7f) {
			at += snprintf(at, 7, "\\u%04x", c);
			continue;
		}
		if (c == '"' || c == '\\')
			*at++ = '\\';
		*at++ = *text;
	}
	*at++ = '"';
	*at = '\0';
	return at;
}

/* A name that is no text stands as in the ledger. */
static char *
put_value(char *at, const struct meta *meta, enum attribute which)
{
	char value[VALUE_ROOM];
	size_t len = print_value(meta, which, value);

	value[len] = '\0';
	if (which == NUMBER)
		return put(at, value);
	if (len == 0)
		return put(at, "null");
	return put_quoted(at, which == NAME && (strlen(value) < len || !utf8_is(value))
	        ? meta->hint : value);
}

char *
meta_text(const struct inbox *inbox, const struct meta *meta)
{
	char text[TEXT_ROOM], *at = text, *copy;

	if (inbox->meta != META_JSON)
		return NULL;
	for (int i = 0; i < ATTRIBUTES; i++) {
		at = put(at, i > 0 ? ", " : "{");
		at = put_quoted(at, names[i] + strlen(PREFIX));
		at = put(at, ": ");
		at = put_value(at, meta, (enum attribute)i);
	}
	at = put(at, "}\n");
	copy = must_alloc((size_t)(at - text) + 1);
	memcpy(copy, text, (size_t)(at - text));
	return copy;
}

char *
meta_text_of(const struct inbox *inbox, const char *accept)
{
	struct record record;
	struct meta meta;

	if (inbox->meta != META_JSON || read_accept(accept, &record, &meta) < 0)
		return NULL;
	return meta_text(inbox, &meta);
}

/* ---- in meta/ */

static void
name_file(char dst[FILE_ROOM], const char *name)
{
	snprintf(dst, FILE_ROOM, "%s" META_SUFFIX, name);
}

int
meta_write(const struct inbox *inbox, const char *name, const char *text)
{
	char file[FILE_ROOM];
	int fd;

	name_file(file, name);
	fd = openat(inbox->meta_dir, file,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, inbox->file_mode);
	if (fd < 0 || disk_write(fd, text, strlen(text)) == 0)
		return fd;
	disk_close(fd);
	meta_remove(inbox, name);
	return -1;
}

int
meta_is_there(const struct inbox *inbox, const char *name)
{
	char file[FILE_ROOM];

	name_file(file, name);
	return faccessat(inbox->meta_dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void
meta_remove(const struct inbox *inbox, const char *name)
{
	char file[FILE_ROOM];
	int error = errno;

	name_file(file, name);
	(void)unlinkat(inbox->meta_dir, file, 0);
	errno = error;
}

int
meta_rename(const struct inbox *inbox, const char *from, const char *to)
{
	char old[FILE_ROOM], new[FILE_ROOM];

	name_file(old, from);
	name_file(new, to);
	if (disk_publish(inbox->meta_dir, old, inbox->meta_dir, new) == 0 || errno == ENOENT)
		return 0;
	return -1;
}
