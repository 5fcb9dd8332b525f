/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/tree.h"

#include <assert.h>
#include <stdint.h>

#include "lib/mix.h"

/* The higher one stands above.  What a peer sees tells it no address; mixed, neighbours in memory
 * have nothing in common. */
static uint64_t
height(const struct node *node)
{
	return mix((uint64_t)(uintptr_t)node);
}

/* What hangs at `rest` goes below the node: what is before its key to the left. */
static void
split(struct node *rest, struct node *node, const void *key, tree_compare *compare)
{
	struct node **left = &node->left, **right = &node->right;

	while (rest) {
		if (compare(key, rest) < 0) {
			*right = rest;
			right = &rest->left;
			rest = rest->left;
		} else {
			*left = rest;
			left = &rest->right;
			rest = rest->right;
		}
	}
	*left = *right = NULL;
}

void
tree_add(struct tree *tree, struct node *node, const void *key, tree_compare *compare)
{
	struct node **link = &tree->root;
	uint64_t own = height(node);

	while (*link && height(*link) >= own)
		link = compare(key, *link) < 0 ? &(*link)->left : &(*link)->right;
	split(*link, node, key, compare);
	*link = node;
}

/* What hung below the node takes its place. */
static void
join(struct node **link, struct node *node)
{
	struct node *left = node->left, *right = node->right;

	while (left && right) {
		if (height(left) >= height(right)) {
			*link = left;
			link = &left->right;
			left = left->right;
		} else {
			*link = right;
			link = &right->left;
			right = right->left;
		}
	}
	*link = left ? left : right;
}

void
tree_remove(struct tree *tree, struct node *node, const void *key, tree_compare *compare)
{
	struct node **link = &tree->root;

	while (*link != node) {
		assert(*link);
		link = compare(key, *link) < 0 ? &(*link)->left : &(*link)->right;
	}
	join(link, node);
}

struct node *
tree_first(const struct tree *tree)
{
	struct node *node = tree->root;

	while (node && node->left)
		node = node->left;
	return node;
}

struct node *
tree_find(const struct tree *tree, const void *key, tree_compare *compare)
{
	struct node *node = tree->root;
	int order;

	while (node && (order = compare(key, node)) != 0)
		node = order < 0 ? node->left : node->right;
	return node;
}

/* The first one for which compare() says less than `bound`. */
static struct node *
find_first(const struct tree *tree, const void *key, tree_compare *compare, int bound)
{
	struct node *node = tree->root, *found = NULL;

	while (node) {
		if (compare(key, node) < bound) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct node *
tree_from(const struct tree *tree, const void *key, tree_compare *compare)
{
	return find_first(tree, key, compare, 1);
}

struct node *
tree_behind(const struct tree *tree, const void *key, tree_compare *compare)
{
	return find_first(tree, key, compare, 0);
}
