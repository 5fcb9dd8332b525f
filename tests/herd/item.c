/* SPDX-License-Identifier: ISC */
/* See item.h. */
#include "config.h"

#include "item.h"

#include <stdlib.h>
#include <string.h>

#include "dice.h"
#include "lib/little.h"

#define PATTERN ((size_t)1024 * 1024) /* bytes; a chunk more stands behind it */

int
items_make(struct items *items, const struct sizes *sizes, uint64_t seed)
{
	struct dice dice = {dice_mix(seed)};

	items->sizes = sizes;
	items->seed = seed;
	items->pattern = malloc(PATTERN + ITEM_CHUNK);
	if (!items->pattern)
		return -1;
	for (size_t i = 0; i < PATTERN + ITEM_CHUNK; i += 8)
		little_put64(items->pattern + i, dice_next(&dice));
	return 0;
}

void
items_free(struct items *items)
{
	free(items->pattern);
}

struct item
items_get(const struct items *items, uint64_t origin, uint64_t n)
{
	struct item item = {origin, n, 0};

	item.size = sizes_draw(items->sizes, dice_of(items->seed, origin, n));
	return item;
}

void
items_copy(const struct items *items, const struct item *item, uint64_t offset,
    unsigned char *dst, size_t len)
{
	unsigned char head[ITEM_HEAD];

	memcpy(dst, items->pattern + dice_of(item->origin, item->n, offset) % PATTERN, len);
	if (offset > 0)
		return;
	little_put64(head, item->origin);
	little_put64(head + 8, item->n);
	memcpy(dst, head, len < sizeof head ? len : sizeof head);
}

int
items_digest(const struct items *items, const struct item *item, struct digest *digest,
    unsigned char *room, unsigned char out[DIGEST_SIZE])
{
	if (digest_start(digest) < 0)
		return -1;
	for (uint64_t at = 0; at < item->size; at += ITEM_CHUNK) {
		size_t len = item->size - at < ITEM_CHUNK ? (size_t)(item->size - at) : ITEM_CHUNK;

		items_copy(items, item, at, room, len);
		if (digest_add(digest, room, len) < 0)
			return -1;
	}
	return digest_end(digest, out);
}
