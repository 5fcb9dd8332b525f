/* SPDX-License-Identifier: ISC */
/*
 * What is remembered above a queue's mark: items stored, or about to be, and numbers skipped.
 * They stand in a tree by number, then digest, then inbox, so that none costs more to find than
 * another: a client says numbers in any order that it likes, and one that says one number for all
 * of its items (a clone, a queue restored again and again) slows down nobody.
 */
#ifndef INBOXD_COMMIT_ENTRIES_H
#define INBOXD_COMMIT_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/tree.h"
#include "lib/attr.h"
#include "lib/digest.h"

struct record;

/* The fields of an accept record. */
struct known_item {
	uint64_t seq, size;
	int64_t time; /* UTC microseconds */
	unsigned char sha256[DIGEST_SIZE];
	const char *inbox, *name; /* in the same block of memory */
};

struct known {
	struct node node;
	uint64_t number;
	int is_skip;
	struct known_item item[]; /* one; of a skip there is none, and no memory for it */
};

/* All zero: none. */
struct entries {
	struct tree tree;
	size_t items, skips;
};

/* The item of this number, inbox and digest, the first one accepted; or NULL. */
struct known *entries_find(const struct entries *entries, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE]);
/* The one of the accept `seq` among such; or NULL. */
struct known *entries_find_accept(const struct entries *entries, uint64_t number,
    const char *inbox, const unsigned char sha256[DIGEST_SIZE], uint64_t seq);
/* Is there an item with the number? */
int entries_have_item(const struct entries *entries, uint64_t number);
/* In order of their numbers: the one after `known`, or the first one after NULL; or NULL. */
struct known *entries_next(const struct entries *entries, const struct known *known);

/* Both end the program when memory runs out.  An accept that is there already is not added
 * again. */
struct known *entries_add_item(struct entries *entries, const struct record *accept);
/* 0 if there is a skip, or an item, with the number already. */
int entries_add_skip(struct entries *entries, uint64_t number);
/* Frees it. */
void entries_remove(struct entries *entries, struct known *known);
void entries_clear(struct entries *entries);

#endif
