/* SPDX-License-Identifier: ISC */
#include "inboxd/drafts/meta.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "inboxd/base/settings.h"
#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/parse.h"
#include "lib/record.h"
#include "lib/xattr.h"

#define PREFIX "user.inboxd."

#define VALUE_ROOM 1024 /* no value is longer */

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
		print_received(dst, VALUE_ROOM, meta->received);
		return strlen(dst);
	case NAME:
		len = escape_decode(dst, VALUE_ROOM, meta->hint, strlen(meta->hint));
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

static void
describe(const struct record *record, struct meta *out)
{
	*out = (struct meta){
	    .client = record->identity,
	    .queue = record->queue,
	    .inbox = record->inbox,
	    .number = record->n,
	    .hint = record->hint,
	    .sha256 = record->sha256,
	    .received = record->time,
	};
}

int
meta_attach_of(const struct inbox *inbox, int fd, const char *accept)
{
	struct record record;
	struct meta meta;

	if (inbox->meta != META_XATTR)
		return 0;
	if (record_parse(accept, strcspn(accept, "\n"), &record) < 0 ||
	    record.type != RECORD_ACCEPT) {
		errno = EBADMSG;
		return -1;
	}
	describe(&record, &meta);
	return meta_attach(inbox, fd, &meta);
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
