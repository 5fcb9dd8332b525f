/* SPDX-License-Identifier: ISC */
/* Things in order, against a model that looks at all of them; and what a look-up costs. */
#include "inboxd/commit/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define THINGS 8192
#define STEPS 200000

static struct thing {
	struct node node;
	uint32_t key;
	int is_in;
} things[THINGS]; /* by key: its place times two */

static struct tree tree;
static uint64_t compared;
static uint32_t dice;

static uint32_t
roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static int
compare(const void *key, const struct node *node)
{
	const uint32_t *a = key;
	const struct thing *b = tree_entry(node, const struct thing, node);

	compared++;
	return (*a > b->key) - (*a < b->key);
}

static int
setup(void **state)
{
	(void)state;
	tree.root = NULL;
	dice = 7;
	for (uint32_t i = 0; i < THINGS; i++)
		things[i] = (struct thing){.key = 2 * i};
	return 0;
}

static void
add(uint32_t i)
{
	things[i].is_in = 1;
	tree_add(&tree, &things[i].node, &things[i].key, compare);
}

static void
take_out(uint32_t i)
{
	things[i].is_in = 0;
	tree_remove(&tree, &things[i].node, &things[i].key, compare);
}

/* The first one in it from there on. */
static struct node *
model_from(uint32_t i)
{
	while (i < THINGS && !things[i].is_in)
		i++;
	return i < THINGS ? &things[i].node : NULL;
}

static void
finds_what_is_in_it_and_what_comes_next(void **state)
{
	(void)state;
	assert_null(tree_first(&tree));
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = roll(step % 2 ? THINGS : 64), key = 2 * i, between = 2 * i + 1;

		assert_ptr_equal(tree_find(&tree, &key, compare),
		    things[i].is_in ? &things[i].node : NULL);
		if (things[i].is_in)
			take_out(i);
		else
			add(i);
		assert_null(tree_find(&tree, &between, compare));
		assert_ptr_equal(tree_from(&tree, &between, compare), model_from(i + 1));
		assert_ptr_equal(tree_from(&tree, &key, compare), model_from(i));
		assert_ptr_equal(tree_behind(&tree, &key, compare), model_from(i + 1));
		assert_ptr_equal(tree_first(&tree), model_from(0));
	}
}

/* A flat tree of 8,192 asks thirteen times; this one about twice as often, and by chance more. */
#define MOST_COMPARED 60

static void
assert_flat(void)
{
	uint64_t looked = 0;

	compared = 0;
	for (uint32_t i = 0; i < THINGS; i++) {
		looked += (uint64_t)things[i].is_in;
		if (things[i].is_in)
			assert_non_null(tree_find(&tree, &things[i].key, compare));
	}
	assert_true(looked > 0);
	assert_in_range(compared / looked, 1, MOST_COMPARED);
}

static void
is_flat_whatever_order_they_come_in(void **state)
{
	(void)state;
	compared = 0;
	for (uint32_t i = 0; i < THINGS; i++)
		add(i);
	assert_in_range(compared / THINGS, 1, MOST_COMPARED);
	assert_flat();
	for (uint32_t i = 0; i < THINGS; i++)
		take_out(i);
	for (uint32_t i = THINGS; i-- > 0;)
		add(i);
	assert_flat();
}

static void
stays_flat_as_things_go(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < THINGS; i++)
		add(i);
	for (int step = 0; step < STEPS; step++) {
		uint32_t i = roll(THINGS);
		if (things[i].is_in)
			take_out(i);
		else
			add(i);
	}
	assert_flat();
	/* What stood above is gone: who comes up must not all come from one side. */
	for (uint32_t i = 0; i < THINGS; i++) {
		if (!things[i].is_in)
			add(i);
	}
	for (uint32_t i = 0; i < THINGS; i++) {
		if (i % 4)
			take_out(i);
	}
	assert_flat();
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(finds_what_is_in_it_and_what_comes_next),
	    TEST(is_flat_whatever_order_they_come_in),
	    TEST(stays_flat_as_things_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
