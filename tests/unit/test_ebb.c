/* SPDX-License-Identifier: ISC */
/* When a flood of connections is over. */
#include "inboxd/ebb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct sight {
	uint64_t connections, came; /* since the look before */
};

/* Looks, once for each; the number of the look that said yes, -1: none.  It may be one. */
static int
look(struct ebb *ebb, const struct sight *sights, int count)
{
	uint64_t ever = ebb->ever;
	int found = -1;

	for (int i = 0; i < count; i++) {
		ever += sights[i].came;
		if (!ebb_look(ebb, sights[i].connections, ever))
			continue;
		assert_int_equal(found, -1);
		found = i;
	}
	return found;
}

#define LOOK(...) look(&ebb, (const struct sight[]){__VA_ARGS__}, \
	(int)(sizeof((const struct sight[]){__VA_ARGS__}) / sizeof(struct sight)))

static void
it_is_over_when_more_than_half_are_gone_and_the_rest_stay(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({0, 0}, {1000, 1000}, {10000, 9000}, {10000, 0}), -1);
	assert_int_equal(LOOK({5001, 0}, {5001, 0}, {5001, 0}), -1);
	assert_int_equal(LOOK({5000, 0}), 0);
	assert_int_equal(LOOK({5000, 0}, {4990, 0}, {5000, 10}), -1);
	assert_int_equal(LOOK({0, 0}, {0, 0}, {0, 0}, {0, 0}), 1);
}

static void
memory_is_not_given_back_while_it_falls(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({10000, 10000}, {8000, 0}, {4000, 0}, {3000, 0}, {2000, 0}, {1300, 0},
	    {700, 0}, {80, 0}), 6);
}

static void
nor_while_the_next_one_rises(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({10000, 10000}, {0, 0}, {1000, 1000}, {2000, 1000}), -1);
	assert_int_equal(LOOK({2000, 0}), 0);
}

static void
a_flood_between_two_looks_is_one(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({0, 0}, {0, 300}, {0, 0}, {0, 0}), 2);
	assert_int_equal(LOOK({10, 300}, {10, 0}, {10, 0}), 1);
}

/* Each with a connection of its own: there is no quiet moment, and little to give back. */
static void
many_short_ones_are_left_alone_until_they_end(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({9, 1000}, {12, 1000}, {7, 900}, {11, 1100}, {3, 200}), -1);
	assert_int_equal(LOOK({0, 0}, {0, 0}), 0);
}

static void
a_few_are_no_flood(void **state)
{
	struct ebb ebb = {0};

	(void)state;
	assert_int_equal(LOOK({0, 0}, {255, 255}, {0, 0}, {0, 0}, {3, 250}, {3, 0}, {0, 0}), -1);
	assert_int_equal(LOOK({256, 256}, {0, 0}, {0, 0}), 2);
	/* It was told; a new one must have grown again. */
	assert_int_equal(LOOK({0, 0}, {100, 100}, {0, 0}, {0, 0}), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_is_over_when_more_than_half_are_gone_and_the_rest_stay),
	    cmocka_unit_test(memory_is_not_given_back_while_it_falls),
	    cmocka_unit_test(nor_while_the_next_one_rises),
	    cmocka_unit_test(a_flood_between_two_looks_is_one),
	    cmocka_unit_test(many_short_ones_are_left_alone_until_they_end),
	    cmocka_unit_test(a_few_are_no_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
