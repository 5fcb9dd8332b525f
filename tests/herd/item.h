/* SPDX-License-Identifier: ISC */
/*
 * What item `n` of a virtual client is: its size and bytes follow from the seed alone, so nothing
 * is kept of an item that may have to be sent again, and a run can be repeated.  The bytes are a
 * stretch of one random pattern, behind a head that no other item has.
 */
#ifndef HERD_ITEM_H
#define HERD_ITEM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/digest.h"
#include "sizes.h"

#define ITEM_CHUNK ((size_t)256 * 1024) /* bytes that are had at once, at most */
#define ITEM_HEAD 16                    /* bytes of an item that are its own */

struct items {
	const struct sizes *sizes;
	uint64_t seed;
	unsigned char *pattern;
};

/* Which one: a client's origin is what its items are made of (all alike: --identical). */
struct item {
	uint64_t origin, n;
	uint64_t size;
};

/* 0, or -1: out of memory. */
MUST_CHECK int items_make(struct items *items, const struct sizes *sizes, uint64_t seed);
void items_free(struct items *items);

struct item items_get(const struct items *items, uint64_t origin, uint64_t n);
/* `len` bytes of it from `offset` on, ITEM_CHUNK at most, which begin at a multiple of that. */
void items_copy(const struct items *items, const struct item *item, uint64_t offset,
    unsigned char *dst, size_t len);
/* `room`: ITEM_CHUNK bytes to work in. */
MUST_CHECK int items_digest(const struct items *items, const struct item *item,
    struct digest *digest, unsigned char *room, unsigned char out[DIGEST_SIZE]);

#endif
