/* SPDX-License-Identifier: ISC */
/*
 * Things kept in order: added, found and taken out in O(log n) steps, whatever order they come
 * in.  A node is a member of the thing itself, so a tree allocates nothing and owns nothing.
 *
 * It is a treap: a search tree by its keys, and a heap by numbers that nobody chooses, which
 * keeps it flat with no word on how flat it is.  Those numbers are made of the nodes' addresses,
 * so a node costs two pointers.
 *
 * A key is whatever `compare` takes it for; a node's own must not change while it is in a tree,
 * and no two of one tree may be equal.
 */
#ifndef INBOXD_COMMIT_TREE_H
#define INBOXD_COMMIT_TREE_H

#include <stddef.h>

struct node {
	struct node *left, *right;
};

/* All zero: empty. */
struct tree {
	struct node *root;
};

/* < 0, 0, > 0: the key stands before the node's, is its own, stands behind it. */
typedef int tree_compare(const void *key, const struct node *node);

/* `key` is the node's. */
void tree_add(struct tree *tree, struct node *node, const void *key, tree_compare *compare);
/* It must be there. */
void tree_remove(struct tree *tree, struct node *node, const void *key, tree_compare *compare);

/* Each: NULL if there is none. */
struct node *tree_first(const struct tree *tree);
struct node *tree_find(const struct tree *tree, const void *key, tree_compare *compare);
/* The first one not before the key. */
struct node *tree_from(const struct tree *tree, const void *key, tree_compare *compare);
/* The first one behind it. */
struct node *tree_behind(const struct tree *tree, const void *key, tree_compare *compare);

/* The struct of this type whose `member` the node is. */
#define tree_entry(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

#endif
