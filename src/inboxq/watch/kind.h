/* SPDX-License-Identifier: ISC */
/*
 * What a loop (watch.h) serves: hot folders, or the folders of inboxes, from which items go on to a
 * receiver further up.
 */
#ifndef INBOXQ_WATCH_KIND_H
#define INBOXQ_WATCH_KIND_H

#include "inboxq/watch/folder.h"
#include "inboxq/watch/notice.h"

struct settings;

/* A row of functions; each does, of its kind, what folder.h says of the one that is named so. */
struct watch_kind {
	/* Its sections, and how many there are. */
	const struct settings_watch *(*sections)(const struct settings *settings, size_t *count);
	void *(*new)(const struct folder_setup *setup, const struct settings_watch *settings);
	void (*free)(void *folder);
	void (*configure)(void *folder, const struct settings_watch *settings);
	const char *(*path)(const void *folder);
	void (*count)(const void *folder, struct folder_counts *counts);
	void (*tick)(void *folder);
	void (*notice)(void *folder, enum notice_kind kind, int number, const char *name);
	int (*take)(void *folder);
};

extern const struct watch_kind watch_hot, watch_relays;

#endif
