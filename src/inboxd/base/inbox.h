/* SPDX-License-Identifier: ISC */
/*
 * One inbox: the folder <root>/<name>/ with tmp/ (drafts), new/ (items) and
 * cur/ (what consumers have claimed, if they use it), and its rules.
 * inbox-spool(5) is its contract with consumers.
 */
#ifndef INBOXD_BASE_INBOX_H
#define INBOXD_BASE_INBOX_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/proto.h"

struct conf_list;

#define INBOX_PARTS 3
extern const char *const inbox_parts[INBOX_PARTS];

struct inbox {
	char name[PROTO_INBOX_MAX + 1];
	char *folder;  /* its path, for people */
	uint64_t size; /* largest item, bytes */
	const char *suffix;
	const struct conf_list *clients;
	int tmp, new; /* directories, for *at() calls and syncs */
};

#define INBOX_ERROR_ROOM 640

/* Opens tmp/ and new/ of <root>/<name>; folder, tmp/, new/ and cur/ must be
 * ours, on the root's file system and behind one mount.  Sets name, tmp and new.  0; or -1 with
 * which folder it is, what is wrong, and what would be right. */
MUST_CHECK int inbox_open(struct inbox *inbox, int root, const char *name,
    char error[INBOX_ERROR_ROOM]);
void inbox_close(struct inbox *inbox);
/* Can an item be published there?  By doing it, with an empty file.  0, or -1 with the reason. */
MUST_CHECK int inbox_try(const struct inbox *inbox, char error[INBOX_ERROR_ROOM]);

/* May this client use it?  fnmatch(3) on each pattern. */
int inbox_allows(const struct inbox *inbox, const char *identity);

/* What waits for its consumers. */
struct inbox_view {
	char name[PROTO_INBOX_MAX + 1];
	const char *folder, *suffix; /* borrowed until the call returns */
	uint64_t size;               /* largest item */
	uint64_t waiting;            /* files in new/, 0 if not known */
	int64_t oldest;              /* modification time of the oldest in new/, UTC
	                                microseconds; 0: none */
	char error[160];             /* why the folder could not be read; "": fine */
};

/* Looks what waits in new/. */
void inbox_look(const struct inbox *inbox, struct inbox_view *out);

#endif
