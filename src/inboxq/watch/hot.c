/* SPDX-License-Identifier: ISC */
/* Hot folders, as a kind of what a loop serves. */
#include "config.h"

#include "inboxq/watch/kind.h"

#include "inboxq/base/settings.h"

static const struct settings_watch *
sections(const struct settings *settings, size_t *count)
{
	*count = settings->watch_count;
	return settings->watches;
}

static void *
new(const struct folder_setup *setup, const struct settings_watch *settings)
{
	return folder_new(setup, settings);
}

static void
free_one(void *folder)
{
	folder_free(folder);
}

static void
configure(void *folder, const struct settings_watch *settings)
{
	folder_configure(folder, settings);
}

static const char *
path(const void *folder)
{
	return folder_path(folder);
}

static void
count(const void *folder, struct folder_counts *counts)
{
	folder_count(folder, counts);
}

static void
tick(void *folder)
{
	folder_tick(folder);
}

static void
notice(void *folder, enum notice_kind kind, int number, const char *name)
{
	folder_notice(folder, kind, number, name);
}

static int
take(void *folder)
{
	return folder_take(folder);
}

const struct watch_kind watch_hot = {sections, new, free_one, configure, path, count, tick, notice,
    take};
