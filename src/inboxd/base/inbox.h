/* SPDX-License-Identifier: ISC */
/*
 * One inbox: the folder <root>/<name>/ with tmp/ (drafts), new/ (items) and
 * cur/ (what consumers have claimed, if they use it), and its rules.
 * inbox-spool(5) is its contract with consumers.
 */
#ifndef INBOXD_BASE_INBOX_H
#define INBOXD_BASE_INBOX_H

#include <stdatomic.h>
#include <stdint.h>

#include "inboxd/base/inflow.h"
#include "lib/attr.h"
#include "lib/proto.h"
#include "lib/why.h"

struct conf_list;
struct shares;

#define INBOX_PARTS 3
extern const char *const inbox_parts[INBOX_PARTS];
#define INBOX_META "meta" /* one more, where `meta` wants it */

struct inbox {
	char name[PROTO_INBOX_MAX + 1];
	char *folder;  /* its path, for people */
	uint64_t size; /* largest item, bytes */
	const char *suffix;
	int meta; /* enum settings_meta: how consumers are told of an item beside it */
	const struct conf_list *clients;
	int tmp, new; /* directories, for *at() calls and syncs */
	int meta_dir; /* likewise meta/, where `meta` wants it; else -1 */
	unsigned file_mode; /* of items: 0640 where a group may take them out, else 0600 */
	struct inflow_bounds most; /* that may wait */
	struct inflow *inflow;   /* a reference */
};

/* Opens tmp/ and new/ of <root>/<name>; folder, tmp/, new/ and cur/ must be
 * ours, on the root's file system and behind one mount; with `shared` the group of new/ and
 * cur/ may write there.  Sets name, tmp, new, file_mode and a new inflow.  0; or -1 with
 * which folder it is, what is wrong, and what would be right. */
MUST_CHECK int inbox_open(struct inbox *inbox, int root, const char *name, int shared,
    struct why *error);
/* Can the group take items out of an open inbox?  0, or -1 with what would be right. */
MUST_CHECK int inbox_check_group(const struct inbox *inbox, const char *name,
    struct why *error);
/* Can what `meta` wants be kept of an open inbox?  Tries its file system, or opens meta/, which is
 * as new/ is.  0, or -1 with what would be right. */
MUST_CHECK int inbox_open_meta(struct inbox *inbox, int shared, struct why *error);
void inbox_close(struct inbox *inbox);

/* May this client use it?  fnmatch(3) on each pattern. */
int inbox_allows(const struct inbox *inbox, const char *identity);

/* What lies in a folder of it. */
struct inbox_pile {
	int known; /* 0: it could not be read, or has not been counted */
	uint64_t files, bytes;
	int64_t oldest; /* modification time of the oldest, UTC microseconds; 0: none */
};

struct inbox_count {
	char name[PROTO_INBOX_MAX + 1];
	int64_t begun; /* when, UTC microseconds; 0: not yet */
	struct inbox_pile waiting, claimed; /* in new/, in cur/ */
	char error[160]; /* why one of them could not be read; "": fine */
};

/* Counts what lies in new/ and cur/: a look at each file, so it takes as long as there are
 * many.  What lies in new/ is added to `shares`, if that is not NULL.  Gives up, with anything in
 * *out, once *stop is set. */
void inbox_count(const struct inbox *inbox, const atomic_int *stop, struct shares *shares,
    struct inbox_count *out);

#endif
