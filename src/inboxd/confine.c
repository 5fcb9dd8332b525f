/* SPDX-License-Identifier: ISC */
#include "inboxd/confine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "lib/log.h"
#include "lib/sandbox.h"

#define GROUPS_FOLDER "/etc"

static int
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strcmp(folder, "/") == 0 ||
	    (strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

/* What is put in the place of a folder later is another one, and out of reach. */
static int
is_there_still(const struct confine_folder *folder)
{
	struct stat st;

	return stat(folder->path, &st) == 0 && st.st_dev == folder->device &&
	    st.st_ino == folder->inode;
}

static int
is_allowed(const struct confine *confine, const char *real)
{
	size_t i = 0;

	while (i < confine->count && !(is_below(real, confine->folders[i].path) &&
	    is_there_still(&confine->folders[i])))
		i++;
	return i < confine->count;
}

/* The path of the folder above; of what lies in the root of all, itself: to read its folder would
 * be to read everything. */
static void
cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash && slash > path)
		*slash = '\0';
	else if (!slash)
		memcpy(path, ".", 2);
}

/* One that is not there is passed over. */
static void
allow(struct confine *confine, const char *path)
{
	char *real = realpath(path, NULL);
	struct confine_folder *grown;
	struct stat st;

	if (!real || is_allowed(confine, real) || stat(real, &st) < 0) {
		free(real);
		return;
	}
	grown = realloc(confine->folders, (confine->count + 1) * sizeof *grown);
	if (!grown)
		fatal(EX_OSERR, "out_of_memory", "path=%s", path);
	confine->folders = grown;
	grown[confine->count++] = (struct confine_folder){real, st.st_dev, st.st_ino};
}

static char *
copy_of(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		fatal(EX_OSERR, "out_of_memory", "path=%s", text);
	return copy;
}

/* Where a file really lies; of a pattern, the folder above its first part that is one.  NULL: it
 * is not there. */
static char *
real_place(const char *path)
{
	size_t plain = strcspn(path, "*?[");
	char *folder, *real;

	if (path[plain] == '\0')
		return realpath(path, NULL);
	folder = copy_of(path);
	folder[plain] = '\0';
	cut_name(folder);
	real = realpath(folder, NULL);
	free(folder);
	return real;
}

/* The folder in which a file is named, and the one that it lies in. */
static void
allow_file(struct confine *confine, const char *path)
{
	int is_pattern = path[strcspn(path, "*?[")] != '\0';
	char *name, *real = real_place(path);

	if (real && !is_pattern)
		cut_name(real);
	if (real)
		allow(confine, real);
	free(real);
	if (is_pattern)
		return;
	name = copy_of(path);
	cut_name(name);
	allow(confine, name);
	free(name);
}

/* What settings name to be read; NULL behind the last. */
static const char *
named_file(const struct settings *settings, size_t i)
{
	const char *const tls[] = {settings->tls.certificate, settings->tls.key, settings->tls.ca,
	    settings->tls.crl ? settings->tls.crl : settings->tls.ca};
	size_t count = sizeof tls / sizeof tls[0];

	if (i < count)
		return tls[i];
	i -= count;
	return i < settings->expected.count ? settings->expected.items[i] : NULL;
}

static int
has_group(const struct settings *settings)
{
	for (size_t i = 0; i < settings->inbox_count; i++)
		if (settings->inboxes[i].group)
			return 1;
	return 0;
}

static void
find_folders(struct confine *confine, const char *config, const struct settings *settings)
{
	const char *path;

	if (has_group(settings))
		allow(confine, GROUPS_FOLDER);
	allow_file(confine, config);
	for (size_t i = 0; (path = named_file(settings, i)); i++)
		allow_file(confine, path);
	/* What was read may lie elsewhere than it is named, by links. */
	for (size_t i = 0; i < settings->files.count; i++)
		allow_file(confine, settings->files.items[i].path);
}

static int
shut_in(struct confine *confine, const struct settings *settings)
{
	const char *supervisor = getenv("NOTIFY_SOCKET");
	unsigned flags = supervisor && supervisor[0] == '@' ? SANDBOX_ABSTRACT : 0;
	size_t count = confine->count + 2;
	struct sandbox_rule *rules = must_alloc(count * sizeof *rules);
	char *socket = copy_of(settings->socket);
	int version;

	cut_name(socket);
	rules[0] = (struct sandbox_rule){settings->root, SANDBOX_OWN};
	rules[1] = (struct sandbox_rule){socket, SANDBOX_REMOVE};
	for (size_t i = 0; i < confine->count; i++)
		rules[i + 2] = (struct sandbox_rule){confine->folders[i].path, SANDBOX_READ};
	version = sandbox_enter(rules, count, flags, &confine->lacks);
	free(socket);
	free(rules);
	return version;
}

int
confine_enter(struct confine *confine, const char *config, const struct settings *settings,
    struct why *error)
{
	int version;

	*confine = (struct confine){0};
	if (settings->sandbox == CONFINE_OFF) {
		why_say(&confine->lacks, "[receiver] sandbox = off");
		return 0;
	}
	find_folders(confine, config, settings);
	version = shut_in(confine, settings);
	if (version > 0) {
		confine->version = version;
		log_event(LOG_NOTICE, "sandbox", "landlock=%d folders=%zu", version,
		    confine->count);
		return 0;
	}
	confine_free(confine);
	if (settings->sandbox == CONFINE_REQUIRE) {
		why_say(error, "[receiver] sandbox = require: %s", confine->lacks.text);
		return EX_CONFIG;
	}
	log_event(LOG_NOTICE, "no_sandbox", "note=\"%s\"", confine->lacks.text);
	return 0;
}

/* "A, B and C". */
static void
list_folders(const struct confine *confine, struct why *list)
{
	*list = (struct why){""};
	for (size_t i = 0; i < confine->count; i++)
		why_say(list, "%s%s%s", list->text,
		    i == 0 ? "" : i + 1 < confine->count ? ", " : " and ",
		    confine->folders[i].path);
}

int
confine_allows_file(const struct confine *confine, const char *path, struct why *error)
{
	char *real = confine->version ? real_place(path) : NULL;
	int may = !real || is_allowed(confine, real);
	struct why list;

	free(real);
	if (may)
		return 0;
	list_folders(confine, &list);
	return why_say(error, "%s: needs a restart: the sandbox lets files be read in %s only, as "
	    "that was at the start", path, list.text);
}

int
confine_allows(const struct confine *confine, const struct settings *settings,
    struct why *error)
{
	const char *path;

	for (size_t i = 0; (path = named_file(settings, i)); i++)
		if (confine_allows_file(confine, path, error) < 0)
			return -1;
	return 0;
}

void
confine_free(struct confine *confine)
{
	for (size_t i = 0; i < confine->count; i++)
		free(confine->folders[i].path);
	free(confine->folders);
	confine->folders = NULL;
	confine->count = 0;
	confine->version = 0;
}
