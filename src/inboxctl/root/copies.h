/* SPDX-License-Identifier: ISC */
/*
 * Items that were stored more than once, among millions that were not.  The ledgers are read twice.
 * The first time a number of 64 bits is kept of each item, made of all that tells it from others;
 * sorted, they show which may be there more than once.  The second time those are kept whole, and
 * compared.  So the memory is 8 bytes for each item that was stored, twice that while they are
 * sorted, and some 400 for each copy of those that are told.
 *
 * (Rejected: a tree of keys, at some 100 bytes an item; files of our own to sort, which root would
 * have to have room for.)  Two items that share a number cost a moment, and are told apart.
 */
#ifndef INBOXCTL_ROOT_COPIES_H
#define INBOXCTL_ROOT_COPIES_H

#include <stddef.h>
#include <stdint.h>

#include "inboxctl/root/history.h"
#include "lib/attr.h"

/* One of the files that an item has become. */
struct copy {
	uint64_t number;
	int64_t time, latest; /* of it, and of the last copy of its item: UTC microseconds */
	size_t at;            /* which root */
	enum outcome outcome;
	uint64_t n, size;
	unsigned char sha256[DIGEST_SIZE];
	/* `name` is the one in new/; `hint` is escaped, or "". */
	const char *identity, *queue, *inbox, *name, *hint;
};

struct copies {
	uint64_t *numbers; /* of all; then of those that are there twice, in order */
	size_t number_count, number_room;
	uint64_t of_number; /* which bits of a number count: all, but for tests */
	struct copy **all;  /* once finished: an item's copies in turn, the first stored first */
	size_t count, room;
};

/* An item that is acknowledged: the first time.  0, or -1: memory is out. */
MUST_CHECK int copies_note(struct copies *copies, const struct record *accept);
/* Between the two. */
void copies_narrow(struct copies *copies);
/* The second time; `at` says of which root. */
MUST_CHECK int copies_take(struct copies *copies, const struct entry *accept, size_t at);
/* Leaves those of which there are several, and a copy not older than `since`; items in the order of
 * their last copies. */
void copies_finish(struct copies *copies, int64_t since);
void copies_free(struct copies *copies);

/* Of one item?  By all that makes its key. */
int copies_are_one(const struct copy *a, const struct copy *b);

#endif
