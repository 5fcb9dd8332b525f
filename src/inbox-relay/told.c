/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inbox-relay/told.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk.h"
#include "lib/escape.h"
#include "lib/log.h"
#include "lib/name.h"
#include "lib/utf8.h"
#include "lib/xattr.h"

#define VALUE_ROOM 1024 /* no value is as long */
#define FILE_MAX (16 * 1024)

const char *const told_names[TOLD_KEYS] = {"client", "queue", "number", "name", "sha256",
    "received"};

static int
is_plain(const char *text)
{
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return 0;
	return utf8_is(text);
}

static int
keep(struct told *told, int key, const char *value, size_t len)
{
	char text[ESCAPE_ROOM(VALUE_ROOM)];

	snprintf(text, sizeof text, "%.*s", (int)len, value);
	if (strlen(text) < len || !is_plain(text))
		escape_bytes(text, sizeof text, value, len);
	free(told->values[key]);
	told->values[key] = strdup(text);
	return told->values[key] ? 0 : -1;
}

static int
read_attributes(struct told *told, int fd)
{
	char name[64], value[VALUE_ROOM];

	for (int i = 0; i < TOLD_KEYS; i++) {
		snprintf(name, sizeof name, "user.inboxd.%s", told_names[i]);
		ssize_t len = xattr_get(fd, name, value, sizeof value);
		if (len < 0 && errno != ENODATA && errno != ENOTSUP && errno != ERANGE)
			return -1;
		if (len > 0 && keep(told, i, value, (size_t)len) < 0)
			return -1;
	}
	return 0;
}

/* The whole file; its length, or -1. */
static ssize_t
read_file(int meta, const char *name, char text[FILE_MAX])
{
	char path[NAME_ROOM + sizeof ".json"];
	size_t len = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof path, "%s.json", name);
	fd = openat(meta, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do {
		got = read(fd, text + len, FILE_MAX - len);
		len += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && len < FILE_MAX) || (got < 0 && errno == EINTR));
	disk_close(fd);
	return got < 0 ? -1 : (ssize_t)len;
}

static int
read_json(struct told *told, const char *name, const char *text, size_t len)
{
	json_t *all = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	char number[32];
	int rc = 0;

	if (!json_is_object(all))
		log_event(LOG_WARNING, "meta_unreadable", "item=%s", name);
	for (int i = 0; i < TOLD_KEYS && json_is_object(all) && rc == 0; i++) {
		const json_t *value = json_object_get(all, told_names[i]);
		if (json_is_string(value))
			rc = keep(told, i, json_string_value(value), json_string_length(value));
		if (!json_is_integer(value))
			continue;
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		rc = keep(told, i, number, strlen(number));
	}
	json_decref(all);
	return rc;
}

int
told_read(struct told *told, int fd, int meta, const char *name)
{
	char text[FILE_MAX];
	ssize_t len = meta >= 0 ? read_file(meta, name, text) : 0;

	if (len < 0 && errno != ENOENT)
		return -1;
	if (len > 0)
		return read_json(told, name, text, (size_t)len);
	return read_attributes(told, fd);
}

void
told_free(struct told *told)
{
	for (int i = 0; i < TOLD_KEYS; i++)
		free(told->values[i]);
	memset(told, 0, sizeof *told);
}
