/* SPDX-License-Identifier: ISC */
/* What flows into an inbox: never is less thought to wait than does, and bounds hold by that. */
#include "config.h"

#include "inboxd/base/inflow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct inflow *inflow;

static int
set_up(void **state)
{
	(void)state;
	inflow = inflow_new();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	inflow_unref(inflow);
	return 0;
}

/* As many as are taken, of `size` bytes each, go on to new/. */
static unsigned
take(const struct inflow_bounds *most, uint64_t size, unsigned tries)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < tries; i++) {
		if (!inflow_has_room(inflow, most, size, "status"))
			continue;
		inflow_take(inflow, size);
		inflow_store(inflow, size, 1);
		taken++;
	}
	return taken;
}

static void
publish(unsigned count, uint64_t size)
{
	while (count-- > 0)
		inflow_publish(inflow, size);
}

/* A count that begins and ends now, where so much lies. */
static void
count(const struct inflow_bounds *most, uint64_t items, uint64_t bytes)
{
	struct inflow_mark before = inflow_mark(inflow);

	inflow_counted(inflow, most, &before, items, bytes, "status");
}

static void
what_was_stored_since_the_count_counts(void **state)
{
	const struct inflow_bounds most = {.items = 100};

	(void)state;
	assert_int_equal(take(&most, 10, 40), 40);
	publish(40, 10);
	assert_false(inflow_is_over(inflow));
	count(&most, 40, 400);
	assert_int_equal(take(&most, 10, 100), 60);
	assert_true(inflow_is_over(inflow));
	assert_int_equal(inflow->stored.items, 100);
	assert_int_equal(inflow->stored.bytes, 1000);
}

/* What is published while it is counted may be in the count or not: it is held to be beside it. */
static void
what_was_under_way_when_a_count_began_counts(void **state)
{
	const struct inflow_bounds most = {.items = 100};
	struct inflow_mark before;

	(void)state;
	assert_int_equal(take(&most, 10, 50), 50);
	publish(20, 10);
	before = inflow_mark(inflow);
	publish(30, 10);
	inflow_counted(inflow, &most, &before, 20, 200, "status");
	assert_int_equal(take(&most, 10, 100), 50);
	count(&most, 100, 1000);
	assert_true(inflow_is_over(inflow));
}

static void
consumers_make_room_and_a_count_says_so(void **state)
{
	const struct inflow_bounds most = {.items = 100};

	(void)state;
	assert_int_equal(take(&most, 1, 101), 100);
	publish(100, 1);
	count(&most, 95, 95);
	assert_true(inflow_is_over(inflow));
	assert_int_equal(take(&most, 1, 1), 0);
	count(&most, 94, 94);
	assert_false(inflow_is_over(inflow));
	assert_int_equal(take(&most, 1, 100), 6);
	assert_true(inflow_is_over(inflow));
}

static void
what_was_there_before_the_start_counts_once_it_is_known(void **state)
{
	const struct inflow_bounds most = {.items = 100};

	(void)state;
	assert_int_equal(take(&most, 1, 10), 10);
	publish(10, 1);
	count(&most, 110, 110);
	assert_int_equal(take(&most, 1, 10), 0);
	assert_true(inflow_is_over(inflow));
}

static void
a_large_item_is_put_off_alone(void **state)
{
	const struct inflow_bounds most = {.bytes = 1000};

	(void)state;
	assert_int_equal(take(&most, 5000, 2), 1); /* where nothing waits one of any size may */
	count(&most, 1, 500);
	publish(1, 5000);
	count(&most, 1, 500);
	assert_false(inflow_is_over(inflow));
	assert_int_equal(take(&most, 501, 3), 0);
	assert_false(inflow_is_over(inflow));
	assert_int_equal(take(&most, 50, 100), 10);
	assert_true(inflow_is_over(inflow));
	publish(10, 50);
	count(&most, 11, 950);
	assert_true(inflow_is_over(inflow));
	count(&most, 11, 949);
	assert_false(inflow_is_over(inflow));
}

static void
what_was_not_promised_after_all_does_not_count(void **state)
{
	const struct inflow_bounds most = {.items = 2, .bytes = 100};

	(void)state;
	inflow_take(inflow, 50);
	inflow_take(inflow, 50);
	inflow_untake(inflow, 50);
	assert_true(inflow_has_room(inflow, &most, 50, "status"));
	assert_int_equal(inflow->stored.items, 0);
	assert_false(inflow_is_over(inflow));
}

static void
without_bounds_nothing_is_over(void **state)
{
	const struct inflow_bounds none = {0, 0}, most = {.items = 10, .bytes = 1000};

	(void)state;
	assert_int_equal(take(&none, UINT32_MAX, 1000), 1000);
	assert_false(inflow_wants_count(inflow, &none));
	assert_true(inflow_wants_count(inflow, &most));
	assert_int_equal(take(&most, 1, 1), 0);
	assert_true(inflow_is_over(inflow));
	assert_true(inflow_wants_count(inflow, &none));
	publish(1000, UINT32_MAX);
	count(&none, 1000, 1000);
	assert_false(inflow_is_over(inflow));
}

static void
half_of_a_bound_is_worth_a_count(void **state)
{
	const struct inflow_bounds items = {.items = 10}, bytes = {.bytes = 100};

	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_false(inflow_wants_count(inflow, &items));
		assert_false(inflow_wants_count(inflow, &bytes));
		inflow_take(inflow, 10);
	}
	assert_true(inflow_wants_count(inflow, &items));
	assert_true(inflow_wants_count(inflow, &bytes));
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(what_was_stored_since_the_count_counts),
	    T(what_was_under_way_when_a_count_began_counts),
	    T(consumers_make_room_and_a_count_says_so),
	    T(what_was_there_before_the_start_counts_once_it_is_known),
	    T(a_large_item_is_put_off_alone),
	    T(what_was_not_promised_after_all_does_not_count),
	    T(without_bounds_nothing_is_over),
	    T(half_of_a_bound_is_worth_a_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
