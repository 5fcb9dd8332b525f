/* SPDX-License-Identifier: ISC */
/* inboxd -m: the folders of a root, made where they are missing. */
#ifndef INBOXD_BASE_FOLDERS_H
#define INBOXD_BASE_FOLDERS_H

#include "lib/attr.h"
#include "lib/why.h"

struct settings;

/* Makes what is missing of root, ledger/ and the inbox folders, mode 0700 or as an inbox's group
 * needs it, and syncs what it made; says what it makes on standard output.  As root it goes on as
 * the root folder's owner, for good.  0, or -1 with the reason. */
MUST_CHECK int folders_make(const struct settings *settings, struct why *error);

#endif
