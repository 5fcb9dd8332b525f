/* SPDX-License-Identifier: ISC */
/*
 * The load's own record of what was acknowledged, kept by what it heard and nothing else; the
 * judge holds the receiver's disk to it.  As a file it has a line an entry:
 *
 *	<identity> <queue> <number> <sha256> <size> <name>
 *
 * with "-" for the name of an item that was sent and never acknowledged: it may be there, once.
 */
#ifndef HERD_BOOK_H
#define HERD_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/proto.h"
#include "lib/why.h"

#define BOOK_IDENTITY_ROOM 32
#define BOOK_UNHEARD "-"

struct entry {
	char identity[BOOK_IDENTITY_ROOM];
	char queue[PROTO_QUEUE_LEN + 1];
	uint64_t n, size;
	unsigned char sha256[DIGEST_SIZE];
	char *name; /* owned */
};

struct book {
	struct entry *entry;
	size_t count, room;
};

/* Ends the program where there is no memory. */
void book_add(struct book *book, const struct entry *entry, const char *name, size_t name_len);
/* Takes all entries of `from`. */
void book_join(struct book *to, struct book *from);
void book_free(struct book *book);

/* 0, or -1 with the reason. */
MUST_CHECK int book_write(const struct book *book, const char *path, struct why *why);
MUST_CHECK int book_read(struct book *book, const char *path, struct why *why);

#endif
