/* SPDX-License-Identifier: ISC */
/*
 * A configuration in force: the settings, their TLS context, their inbox
 * folders opened and checked.  Immutable once built; a reload builds another
 * one, whole or not at all, and what was begun under the old one ends under
 * it: each worker and each draft holds a counted reference.
 */
#ifndef INBOXD_SITE_H
#define INBOXD_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/settings.h"
#include "lib/attr.h"
#include "lib/proto.h"

struct tls;

struct inbox {
	char name[PROTO_INBOX_MAX + 1];
	char *folder;  /* its path, for people */
	uint64_t size; /* largest item, bytes */
	const char *suffix;
	const struct conf_list *clients;
	int tmp, new; /* directories, for *at() calls and syncs */
};

struct site {
	_Atomic unsigned references;
	struct settings *settings;
	struct tls *tls;
	char host[256];
	uint64_t item; /* the largest item any inbox takes, bytes */
	struct inbox *inboxes;
	size_t inbox_count;
};

#define SITE_ERROR_ROOM 640

/*
 * Takes `settings` (also on failure).  `root` is the open root directory, on
 * whose file system every folder must lie.  NULL, with the reason: which
 * folder or file, what is wrong, what would be right.
 */
MUST_CHECK struct site *site_new(struct settings *settings, int root, char error[SITE_ERROR_ROOM]);
/* Any thread. */
struct site *site_ref(struct site *site);
void site_unref(struct site *site);

struct inbox *site_find_inbox(struct site *site, const char *name, size_t len);

/* May this client use it?  fnmatch(3) on each pattern. */
int inbox_allows(const struct inbox *inbox, const char *identity);

/* Opens tmp/ and new/ of <root>/<name> and checks folder, tmp/, new/, cur/. */
MUST_CHECK int inbox_open(struct inbox *inbox, int root, const char *name,
    char error[SITE_ERROR_ROOM]);
void inbox_close(struct inbox *inbox);

/* Opens and checks the root. -1, with the reason. */
MUST_CHECK int site_open_root(const char *path, char error[SITE_ERROR_ROOM]);

/* Makes what is missing of root, ledger/ and the inbox folders, mode 0700,
 * and syncs what it made; says what it makes on standard output. */
MUST_CHECK int site_make_folders(const struct settings *settings, char error[SITE_ERROR_ROOM]);

#endif
