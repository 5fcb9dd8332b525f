/* SPDX-License-Identifier: ISC */
/* The receiver's root folder (inbox-spool(5)), to be read only. */
#ifndef INBOXCTL_ROOT_H
#define INBOXCTL_ROOT_H

#include "lib/attr.h"

#define ROOT_DEFAULT LOCALSTATEDIR "/lib/inboxd"

struct root {
	const char *path; /* borrowed */
	int fd, ledger;   /* directories */
};

/* `path`: NULL for the default.  0, or -1, and it has been told why. */
MUST_CHECK int root_open(struct root *root, const char *path);
void root_close(struct root *root);

#endif
