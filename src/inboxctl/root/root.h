/* SPDX-License-Identifier: ISC */
/* The receiver's root folder (inbox-spool(5)), to be read only. */
#ifndef INBOXCTL_ROOT_ROOT_H
#define INBOXCTL_ROOT_ROOT_H

#include "lib/attr.h"
#include "lib/id.h"

struct root {
	const char *path; /* borrowed */
	int fd, ledger;   /* directories */
	char id[ID_ROOM]; /* "": it has none */
};

/* 0, or -1, and it has been told why. */
MUST_CHECK int root_open(struct root *root, const char *path);
/* Of one without an id, as a copy of a ledger may be: the id that the newest segment names, if it
 * does. */
void root_learn_id(struct root *root);
void root_close(struct root *root);

#endif
