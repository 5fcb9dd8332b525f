/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/base/receivers.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxctl/base/arguments.h"
#include "inboxctl/base/complain.h"
#include "inboxctl/base/places.h"
#include "lib/conf.h"
#include "lib/parse.h"

#define NAME_MAX_LEN 64

static int
is_pattern(const char *path)
{
	return strpbrk(path, "*?[") && access(path, F_OK) < 0;
}

int
receivers_are_several(const struct arguments *a)
{
	for (size_t i = 0; i < a->configs.count; i++)
		if (is_pattern(a->configs.words[i]))
			return 1;
	return a->receivers || a->configs.count > 1 || a->sockets.count > 1 || a->roots.count > 1;
}

static int
too_many(void)
{
	complain("more than %d receivers", RECEIVERS_MAX);
	return -1;
}

static int
no_memory(void)
{
	complain("out of memory");
	return -1;
}

/* A zeroed one, or NULL: memory is out. */
static struct receiver *
add(struct receivers *receivers)
{
	struct receiver *more;

	more = reallocarray(receivers->all, receivers->count + 1, sizeof *more);
	if (!more)
		return NULL;
	receivers->all = more;
	more += receivers->count++;
	memset(more, 0, sizeof *more);
	return more;
}

/* `path` names it for now.  NULL: it is told why. */
static struct receiver *
add_by_path(struct receivers *receivers, const char *path)
{
	struct receiver *new;

	if (receivers->count == RECEIVERS_MAX) {
		(void)too_many();
		return NULL;
	}
	new = add(receivers);
	if (new)
		new->name = strdup(path);
	if (new && new->name)
		return new;
	no_memory();
	return NULL;
}

/* ---- by a file */

static void *
add_section(void *target, const char *name)
{
	struct receiver *new = add(target);

	if (new)
		new->name = strdup(name);
	return new && new->name ? new : NULL;
}

static void *
section_at(const void *target, size_t i, const char **name)
{
	const struct receivers *receivers = target;

	if (i >= receivers->count)
		return NULL;
	*name = receivers->all[i].name;
	return &receivers->all[i];
}

static const char *
check_name(const char *name)
{
	return is_plain_name(name, strlen(name), NAME_MAX_LEN)
	    ? NULL
	    : "1 to 64 letters, digits, '.', '-' or '_', a letter or digit first";
}

static const struct conf_key keys[] = {
    {"receiver", "socket", CONF_PATH, offsetof(struct receiver, socket), .fallback = NULL},
    {"receiver", "root", CONF_PATH, offsetof(struct receiver, root), .fallback = NULL},
    {0},
};
static const struct conf_named named[] = {
    {"receiver", add_section, section_at, check_name, 1}, {0}};
static const struct conf_schema schema = {.keys = keys, .named = named};

static void
on_error(void *ctx, const char *message)
{
	(void)ctx;
	complain("%s", message);
}

/* ---- by what is theirs */

static int
read_config(struct receivers *receivers, const char *path)
{
	struct places places = {NULL, NULL};
	struct receiver *new = add_by_path(receivers, path);

	if (!new)
		return -1;
	if (places_read(&places, path) < 0) {
		places_free(&places);
		return -1;
	}
	*new = (struct receiver){new->name, places.socket, places.root};
	return 0;
}

static int
read_configs(struct receivers *receivers, const char *pattern)
{
	glob_t found;
	int rc = 0;

	if (!is_pattern(pattern))
		return read_config(receivers, pattern);
	switch (glob(pattern, GLOB_ERR, NULL, &found)) {
	case 0:
		for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++)
			rc = read_config(receivers, found.gl_pathv[i]);
		globfree(&found);
		return rc;
	case GLOB_NOSPACE:
		return no_memory();
	case GLOB_NOMATCH:
		complain("%s: there is no such file", pattern);
		return -1;
	default:
		complain("%s: a folder cannot be read", pattern);
		return -1;
	}
}

/* A path of the command line, taken as it is. */
static int
add_place(struct receivers *receivers, const char *path, enum receivers_need need)
{
	struct receiver *new = add_by_path(receivers, path);
	char **place;

	if (!new)
		return -1;
	place = need == RECEIVERS_ROOT ? &new->root : &new->socket;
	*place = strdup(path);
	return *place ? 0 : no_memory();
}

/* ---- names */

/* How much all have in common at their heads, in whole parts of a path. */
static size_t
common_head(const struct receiver *all, size_t count)
{
	size_t len = strlen(all[0].name);

	for (size_t i = 1; i < count; i++)
		for (size_t k = 0; k < len; k++)
			if (all[i].name[k] != all[0].name[k])
				len = k;
	while (len > 0 && all[0].name[len - 1] != '/')
		len--;
	return len;
}

/* Likewise at their ends, which begin with '/' or '.'; no name becomes empty. */
static size_t
common_tail(const struct receiver *all, size_t count, size_t head)
{
	size_t first = strlen(all[0].name), len = first - head;

	for (size_t i = 1; i < count; i++) {
		size_t whole = strlen(all[i].name);
		if (len > whole - head)
			len = whole - head;
		for (size_t k = 1; k <= len; k++)
			if (all[i].name[whole - k] != all[0].name[first - k])
				len = k - 1;
	}
	for (size_t i = 0; i < count; i++)
		if (strlen(all[i].name) - head == len && len > 0)
			len--;
	while (len > 0 && !strchr("/.", all[0].name[first - len]))
		len--;
	return len;
}

/* Those that go by a path, cut to what tells them apart. */
static void
shorten(struct receiver *all, size_t count)
{
	size_t head, tail;

	if (count < 2)
		return;
	head = common_head(all, count);
	tail = common_tail(all, count, head);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(all[i].name) - head - tail;
		memmove(all[i].name, all[i].name + head, len);
		all[i].name[len] = '\0';
	}
}

static int
check_all(const struct receivers *receivers, const char *file, enum receivers_need need)
{
	for (size_t i = 0; i < receivers->count; i++) {
		const struct receiver *one = &receivers->all[i];
		if (!(need == RECEIVERS_ROOT ? one->root : one->socket)) {
			complain("%s: receiver %s has no %s there", file, one->name,
			    need == RECEIVERS_ROOT ? "root" : "socket");
			return -1;
		}
		for (size_t k = 0; k < i; k++)
			if (strcmp(one->name, receivers->all[k].name) == 0) {
				complain("%s: two receivers go by that", one->name);
				return -1;
			}
	}
	return 0;
}

/* ---- the whole */

int
receivers_read(struct receivers *receivers, const struct arguments *a, const char *config,
    enum receivers_need need)
{
	const struct given *places = need == RECEIVERS_ROOT ? &a->roots : &a->sockets;
	const struct conf_report report = {on_error, NULL};
	size_t named_count;

	if (need == RECEIVERS_SOCKET && a->roots.count > 0) {
		complain("-r: whose root is it?  -R names sockets and roots together");
		return -1;
	}
	if (a->receivers && conf_read(a->receivers, &schema, receivers, &report) < 0)
		return -1;
	if (receivers->count > RECEIVERS_MAX)
		return too_many();
	named_count = receivers->count;
	for (size_t i = 0; i < a->configs.count; i++)
		if (read_configs(receivers, a->configs.words[i]) < 0)
			return -1;
	for (size_t i = 0; i < places->count; i++)
		if (add_place(receivers, places->words[i], need) < 0)
			return -1;
	if (receivers->count == 0 && read_config(receivers, config) < 0)
		return -1;
	shorten(receivers->all + named_count, receivers->count - named_count);
	return check_all(receivers, a->receivers, need);
}

void
receivers_free(struct receivers *receivers)
{
	for (size_t i = 0; i < receivers->count; i++) {
		free(receivers->all[i].name);
		free(receivers->all[i].socket);
		free(receivers->all[i].root);
	}
	free(receivers->all);
	receivers->all = NULL;
	receivers->count = 0;
}
