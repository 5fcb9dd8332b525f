/* SPDX-License-Identifier: ISC */
/* An item that was claimed, with its bytes, on its way into an engine. */
#ifndef INBOX_RELAY_ITEM_H
#define INBOX_RELAY_ITEM_H

#include <stddef.h>

#include "inbox-relay/told.h"
#include "lib/digest.h"
#include "lib/name.h"
#include "lib/why.h"

struct folder;

enum item_end {
	ITEM_WAITS,
	ITEM_STORED, /* the engine has it for good */
	ITEM_UNFIT,  /* it will never have it; `why` */
};

struct item {
	struct folder *folder;
	const char *root, *inbox; /* borrowed; the key is root and name */
	char name[NAME_ROOM];
	int fd; /* in cur/, with the lock that says that somebody is at work on it */
	unsigned char *bytes;
	size_t size;
	char sha256[DIGEST_TEXT_ROOM]; /* of these bytes */
	struct told told;
	enum item_end end;
	int row; /* the engine's own note, while it is given */
	struct why why;
};

#endif
