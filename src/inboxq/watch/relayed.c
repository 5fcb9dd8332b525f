/* SPDX-License-Identifier: ISC */
#include "inboxq/watch/relayed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/id.h"

#define BUCKETS 16384 /* a power of two: keys are spread evenly, being digests */

struct copy_there {
	struct copy_there *next;
	uint64_t size;
	int is_aside;
	char key[ID_ROOM];
};

struct relayed {
	size_t items;
	uint64_t bytes;
	struct copy_there *buckets[BUCKETS];
};

struct relayed *
relayed_new(void)
{
	return calloc(1, sizeof(struct relayed));
}

void
relayed_free(struct relayed *relayed)
{
	struct copy_there *next;

	if (!relayed)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct copy_there *one = relayed->buckets[i]; one; one = next) {
			next = one->next;
			free(one);
		}
	}
	free(relayed);
}

static size_t
bucket_of(const char *key)
{
	char head[5] = "";

	snprintf(head, sizeof head, "%.4s", key);
	return (size_t)strtoul(head, NULL, 16) & (BUCKETS - 1);
}

static struct copy_there *
find(const struct relayed *relayed, const char *key)
{
	struct copy_there *one = relayed->buckets[bucket_of(key)];

	while (one && strcmp(one->key, key) != 0)
		one = one->next;
	return one;
}

static void
uncount(struct relayed *relayed, const struct copy_there *one)
{
	if (one->is_aside)
		return;
	relayed->items--;
	relayed->bytes -= one->size;
}

int
relayed_add(struct relayed *relayed, const char *key, uint64_t size, int is_aside)
{
	struct copy_there *one = find(relayed, key), **bucket = &relayed->buckets[bucket_of(key)];

	if (one) {
		uncount(relayed, one);
	} else {
		one = calloc(1, sizeof *one);
		if (!one)
			return -1;
		snprintf(one->key, sizeof one->key, "%s", key);
		one->next = *bucket;
		*bucket = one;
	}
	one->size = size;
	one->is_aside = is_aside;
	if (!is_aside) {
		relayed->items++;
		relayed->bytes += size;
	}
	return 0;
}

int
relayed_has(const struct relayed *relayed, const char *key)
{
	return find(relayed, key) != NULL;
}

void
relayed_set_aside(struct relayed *relayed, const char *key)
{
	struct copy_there *one = find(relayed, key);

	if (!one)
		return;
	uncount(relayed, one);
	one->is_aside = 1;
}

void
relayed_drop(struct relayed *relayed, const char *key)
{
	struct copy_there *one = find(relayed, key), **at = &relayed->buckets[bucket_of(key)];

	if (!one)
		return;
	while (*at != one)
		at = &(*at)->next;
	*at = one->next;
	uncount(relayed, one);
	free(one);
}

size_t
relayed_items(const struct relayed *relayed)
{
	return relayed->items;
}

uint64_t
relayed_bytes(const struct relayed *relayed)
{
	return relayed->bytes;
}
