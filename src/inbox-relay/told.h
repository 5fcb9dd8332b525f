/* SPDX-License-Identifier: ISC */
/*
 * What is told of an item beside it ([inbox NAME] meta of inboxd.conf): inbox-spool(5), Metadata.
 * Every text is UTF-8 without control bytes, whatever the client called its file: what would not be
 * stands escaped, as in the ledger.
 */
#ifndef INBOX_RELAY_TOLD_H
#define INBOX_RELAY_TOLD_H

#include "lib/attr.h"

enum told_key { TOLD_CLIENT, TOLD_QUEUE, TOLD_NUMBER, TOLD_NAME, TOLD_SHA256, TOLD_RECEIVED,
	TOLD_KEYS };

/* The words of inbox-spool(5), by enum told_key. */
extern const char *const told_names[TOLD_KEYS];

struct told {
	char *values[TOLD_KEYS]; /* owned; NULL: not known */
};

/* Reads what is told of item `name`, which is open as `fd`, from its attributes or from its file in
 * folder `meta` (-1: there is none) into a zeroed struct.  What is not told is no error.  0, or -1
 * with errno: it cannot be read now. */
MUST_CHECK int told_read(struct told *told, int fd, int meta, const char *name);
void told_free(struct told *told);

#endif
