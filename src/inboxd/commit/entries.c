/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/entries.h"

#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "lib/record.h"

/* A skip stands before the items of its number. */
struct key {
	uint64_t number;
	int is_item;
	const unsigned char *sha256;
	const char *inbox;
	uint64_t seq;
};

static int
order_of(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
compare(const void *of, const struct node *node)
{
	const struct key *key = of;
	const struct known *known = tree_entry(node, const struct known, node);
	const struct known_item *item = known->item;
	int order = order_of(key->number, known->number);

	if (order != 0)
		return order;
	if (!key->is_item || known->is_skip)
		return key->is_item - !known->is_skip;
	order = memcmp(key->sha256, item->sha256, DIGEST_SIZE);
	if (order == 0)
		order = strcmp(key->inbox, item->inbox);
	return order ? order : order_of(key->seq, item->seq);
}

static struct key
key_of(const struct known *known)
{
	struct key key = {.number = known->number};

	if (!known->is_skip) {
		key.is_item = 1;
		key.sha256 = known->item->sha256;
		key.inbox = known->item->inbox;
		key.seq = known->item->seq;
	}
	return key;
}

static struct known *
known_of(struct node *node)
{
	return node ? tree_entry(node, struct known, node) : NULL;
}

/* ---- finding */

struct known *
entries_find(const struct entries *entries, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE])
{
	const struct key key = {number, 1, sha256, inbox, 0};
	struct known *known = known_of(tree_from(&entries->tree, &key, compare));

	if (!known || known->is_skip || known->number != number ||
	    memcmp(known->item->sha256, sha256, DIGEST_SIZE) != 0 ||
	    strcmp(known->item->inbox, inbox) != 0)
		return NULL;
	return known;
}

struct known *
entries_find_accept(const struct entries *entries, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE], uint64_t seq)
{
	const struct key key = {number, 1, sha256, inbox, seq};

	return known_of(tree_find(&entries->tree, &key, compare));
}

/* Behind where a skip of the number stands, or would. */
int
entries_have_item(const struct entries *entries, uint64_t number)
{
	const struct key skip = {.number = number};
	const struct known *known = known_of(tree_behind(&entries->tree, &skip, compare));

	return known && known->number == number;
}

struct known *
entries_next(const struct entries *entries, const struct known *known)
{
	struct key key;

	if (!known)
		return known_of(tree_first(&entries->tree));
	key = key_of(known);
	return known_of(tree_behind(&entries->tree, &key, compare));
}

/* ---- changing */

struct known *
entries_add_item(struct entries *entries, const struct record *accept)
{
	size_t inbox = strlen(accept->inbox) + 1, name = strlen(accept->name) + 1;
	struct known *known = entries_find_accept(
	    entries, accept->n, accept->inbox, accept->sha256, accept->seq);
	struct known_item *item;
	struct key key;
	char *texts;

	if (known)
		return known;
	known = must_alloc(sizeof *known + sizeof *item + inbox + name);
	known->number = accept->n;
	item = known->item;
	item->seq = accept->seq;
	item->size = accept->size;
	item->time = accept->time;
	memcpy(item->sha256, accept->sha256, DIGEST_SIZE);
	texts = (char *)(item + 1);
	item->inbox = memcpy(texts, accept->inbox, inbox);
	item->name = memcpy(texts + inbox, accept->name, name);
	key = key_of(known);
	tree_add(&entries->tree, &known->node, &key, compare);
	entries->items++;
	return known;
}

int
entries_add_skip(struct entries *entries, uint64_t number)
{
	const struct key key = {.number = number};
	struct known *known = known_of(tree_from(&entries->tree, &key, compare));

	if (known && known->number == number)
		return 0;
	known = must_alloc(sizeof *known);
	known->number = number;
	known->is_skip = 1;
	tree_add(&entries->tree, &known->node, &key, compare);
	entries->skips++;
	return 1;
}

void
entries_remove(struct entries *entries, struct known *known)
{
	const struct key key = key_of(known);

	tree_remove(&entries->tree, &known->node, &key, compare);
	if (known->is_skip)
		entries->skips--;
	else
		entries->items--;
	free(known);
}

void
entries_clear(struct entries *entries)
{
	struct known *known;

	while ((known = entries_next(entries, NULL)))
		entries_remove(entries, known);
}
