/* SPDX-License-Identifier: ISC */
/*
 * The inboxes below a root, and what lay in new/ of each when they were opened:
 * a name costs its length and nine bytes.
 */
#ifndef INBOXCTL_ROOT_FOLDERS_H
#define INBOXCTL_ROOT_FOLDERS_H

#include <stddef.h>

#include "lib/attr.h"
#include "lib/proto.h"

struct folder {
	char name[PROTO_INBOX_MAX + 1];
	int new, cur, tmp; /* directories; cur and tmp may be -1 */
	char *names;       /* of the files in new/, each with a NUL */
	size_t *files;     /* where each begins in `names`; sorted by name */
	unsigned char *known;
	size_t count;
};

struct folders {
	struct folder *all; /* sorted by name */
	size_t count;
};

/* Each folder of the root that holds a folder new/; only the one called `only`
 * if that is not NULL, which must be there.  0, or -1, and it has been told why:
 * then, too, folders_close() is due. */
MUST_CHECK int folders_open(struct folders *folders, int root, const char *only);
void folders_close(struct folders *folders);

/* NULL: there is no such inbox. */
struct folder *folders_find(const struct folders *folders, const char *name);

/* The folder new/, cur/ or tmp/ of the inbox `name`, for nothing but its names.  -1 with errno. */
MUST_CHECK int folder_open_part(int root, const char *name, const char *part);

const char *folder_file(const struct folder *folder, size_t i);
/* The ledger knows this file; it need not be there. */
void folder_know(struct folder *folder, const char *name);

/* How many files in tmp/ have not been written to for `seconds`. */
size_t folder_count_drafts(const struct folder *folder, long long seconds);

#endif
