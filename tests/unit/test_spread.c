/* SPDX-License-Identifier: ISC */
/* Waits by lot: within their bounds, and not all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "inboxq/queue/backoff.h"
#include "inboxq/queue/phase.h"
#include "lib/spread.h"

#define DRAWS 10000
#define SECOND UINT64_C(1000000)

/* What was drawn: how much, and how often in each tenth of the range. */
struct lots {
	uint64_t low, high, least, most;
	unsigned tenths[10];
};

static void
note(struct lots *lots, uint64_t drawn)
{
	assert_in_range(drawn, lots->low, lots->high);
	if (lots->least == 0 || drawn < lots->least)
		lots->least = drawn;
	if (drawn > lots->most)
		lots->most = drawn;
	lots->tenths[(drawn - lots->low) * 10 / (lots->high - lots->low + 1)]++;
}

/* Each tenth of the range has its share. */
static void
assert_even(const struct lots *lots)
{
	for (int i = 0; i < 10; i++)
		assert_in_range(lots->tenths[i], DRAWS / 10 * 8 / 10, DRAWS / 10 * 12 / 10);
}

static void
draws_each_as_often(void **state)
{
	struct spread spread = {.state = 1};
	struct lots lots = {.low = 1000, .high = 1999};

	(void)state;
	for (int i = 0; i < DRAWS; i++)
		note(&lots, spread_draw(&spread, 1000, 1999));
	assert_even(&lots);
	assert_int_equal(spread_draw(&spread, 7, 7), 7);
}

static void
spreads_a_wait_by_a_quarter(void **state)
{
	struct spread spread = {.state = 2};
	struct lots lots = {.low = 60, .high = 75};

	(void)state;
	for (int i = 0; i < DRAWS; i++)
		note(&lots, spread_wait(&spread, 60));
	assert_int_equal(lots.least, 60);
	assert_int_equal(lots.most, 75);
	assert_int_equal(spread_wait(&spread, 0), 0);
	assert_int_equal(spread_wait(&spread, 3), 3);
}

static void
spreads_a_crowd_and_lets_few_come_at_once(void **state)
{
	struct spread spread = {.state = 3};
	struct lots lots = {.low = 0, .high = 39};

	(void)state;
	for (int i = 0; i < DRAWS; i++)
		assert_int_equal(spread_crowd(&spread, 249), 0);
	for (int i = 0; i < DRAWS; i++)
		note(&lots, spread_crowd(&spread, 39 * 250));
	assert_even(&lots);
}

static void
begins_each_time_elsewhere(void **state)
{
	struct spread one, other;

	(void)state;
	spread_begin(&one);
	spread_begin(&other);
	assert_true(one.state != other.state);
}

/* ---- between two copy cycles */

static void
doubles_up_to_its_most(void **state)
{
	static const struct {
		uint64_t wait, high;
	} rows[] = {{5, 15}, {10, 30}, {20, 60}, {40, 90}, {80, 90}, {90, 90}, {90, 90}};
	struct spread spread = {.state = 5};
	struct backoff backoff = {.wait = 5};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_int_equal(backoff.wait, rows[i].wait);
		assert_in_range(backoff_next(&backoff, &spread, 5, 90), 5 * SECOND,
		    rows[i].high * SECOND);
	}
}

static void
draws_from_all_of_the_range(void **state)
{
	struct spread spread = {.state = 6};
	struct backoff backoff;
	struct lots first = {.low = 5 * SECOND, .high = 15 * SECOND};
	struct lots most = {.low = 5 * SECOND, .high = 900 * SECOND};

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		backoff.wait = 5;
		note(&first, backoff_next(&backoff, &spread, 5, 900));
	}
	assert_even(&first);
	backoff.wait = 900;
	for (int i = 0; i < DRAWS; i++)
		note(&most, backoff_next(&backoff, &spread, 5, 900));
	assert_even(&most);
	backoff.wait = 1;
	assert_int_equal(backoff_next(&backoff, &spread, 1, 1), SECOND);
}

/* ---- who has nothing to send */

static void
gives_each_client_a_time_of_its_own_in_each_period(void **state)
{
	const int64_t day = 86400 * (int64_t)SECOND;
	struct lots lots = {.low = 0, .high = (uint64_t)day};
	char queue[8];

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		uint64_t phase;
		int64_t wait;

		snprintf(queue, sizeof queue, "%d", i);
		phase = phase_own("pc1.example.org", queue);
		wait = phase_wait(phase, 20000 * day + 7, (uint64_t)day);
		note(&lots, (uint64_t)wait);
		/* on the same moment of the next day, and behind it a whole day later */
		assert_int_equal(phase_wait(phase, 20001 * day + 7, (uint64_t)day), wait);
		assert_int_equal(
		    phase_wait(phase, 20000 * day + 7 + wait + 1, (uint64_t)day), day - 1);
	}
	assert_even(&lots);
	assert_true(phase_own("a", "1") != phase_own("b", "1"));
	assert_true(phase_own("a", "1") != phase_own("a", "2"));
	assert_in_range(phase_wait(7, -5, 100), 0, 99);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(draws_each_as_often),
	    cmocka_unit_test(spreads_a_wait_by_a_quarter),
	    cmocka_unit_test(spreads_a_crowd_and_lets_few_come_at_once),
	    cmocka_unit_test(begins_each_time_elsewhere),
	    cmocka_unit_test(doubles_up_to_its_most),
	    cmocka_unit_test(draws_from_all_of_the_range),
	    cmocka_unit_test(gives_each_client_a_time_of_its_own_in_each_period),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
