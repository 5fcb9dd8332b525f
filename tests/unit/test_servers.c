/* SPDX-License-Identifier: ISC */
/* When each server may be tried: with lots from a seed, and a clock that stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "inboxq/queue/servers.h"

#define SECOND INT64_C(1000000)
#define NOW (1000 * SECOND)
#define MIN 5
#define MAX 900
#define DRAWS 2000

static char *const names[] = {"a:1", "b:2", "c:3"};

static struct servers *
make(size_t count)
{
	struct servers *servers = servers_new(names, count, MIN, MAX);

	assert_non_null(servers);
	servers_seed(servers, 42);
	return servers;
}

/* After a failure at NOW: how long server 0 is left alone. */
static int64_t
wait_after_failure(struct servers *servers)
{
	servers_failed(servers, 0, NOW);
	return servers_due(servers) - NOW;
}

static void
begins_with_the_first_and_goes_on_in_order(void **state)
{
	struct servers *servers = make(3);

	(void)state;
	assert_int_equal(servers_count(servers), 3);
	assert_string_equal(servers_name(servers, 1), "b:2");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(servers_next(servers, NOW), i);
		servers_failed(servers, i, NOW);
	}
	assert_int_equal(servers_next(servers, NOW), SERVERS_NONE);
	assert_in_range(servers_due(servers), NOW + MIN * SECOND, NOW + 3 * MIN * SECOND);
	assert_int_equal(servers_next(servers, servers_due(servers) - 1), SERVERS_NONE);
	assert_true(servers_next(servers, servers_due(servers)) < 3);
	assert_int_equal(servers_next(servers, NOW + MAX * SECOND), 0);
	servers_free(servers);
}

static void
doubles_the_wait_of_one_server_alone(void **state)
{
	static const int64_t most[] = {15, 30, 60, 120, 240, 480, 900, 900};
	struct servers *servers = make(2);

	(void)state;
	for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
		servers_failed(servers, 0, NOW);
		servers_failed(servers, 1, NOW);
		servers_stored(servers, 1);
		assert_int_equal(servers_next(servers, NOW + most[i] * SECOND), 0);
		assert_int_equal(
		    servers_better(servers, 1, NOW + MIN * SECOND - 1), SERVERS_NONE);
		/* the other one was never more than two steps up */
		assert_true(servers_due(servers) <= NOW + 15 * SECOND);
	}
	servers_free(servers);
}

/* Of many draws each tenth of the range has its share. */
static void
draws_from_the_floor_to_the_most(void **state)
{
	struct servers *servers = make(1);
	unsigned tenths[10] = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)wait_after_failure(servers);
	for (int i = 0; i < DRAWS; i++) {
		int64_t wait = wait_after_failure(servers);

		assert_in_range(wait, MIN * SECOND, MAX * SECOND);
		tenths[(wait - MIN * SECOND) * 10 / ((MAX - MIN) * SECOND + 1)]++;
	}
	for (int i = 0; i < 10; i++)
		assert_in_range(tenths[i], DRAWS / 10 * 7 / 10, DRAWS / 10 * 13 / 10);
	servers_free(servers);
}

static void
falls_by_a_stored_item_only(void **state)
{
	struct servers *servers = make(1);
	int64_t most = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)wait_after_failure(servers);
	/* neither a word, nor an end in order */
	servers_away(servers, 0, NOW, 0);
	servers_left(servers, 0);
	for (int i = 0; i < 50; i++) {
		int64_t wait = wait_after_failure(servers);

		most = wait > most ? wait : most;
	}
	assert_true(most > 15 * SECOND);
	servers_stored(servers, 0);
	assert_true(wait_after_failure(servers) <= 15 * SECOND);
	servers_free(servers);
}

static void
leaves_a_server_alone_as_long_as_it_asked_and_a_little_longer(void **state)
{
	struct servers *servers = make(2);
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		servers_stored(servers, 0);
		servers_away(servers, 0, NOW, 60);
		servers_away(servers, 1, NOW, 86400);
		least = servers_due(servers) < least ? servers_due(servers) : least;
		most = servers_due(servers) > most ? servers_due(servers) : most;
	}
	assert_in_range(least, NOW + 60 * SECOND, NOW + 61 * SECOND);
	assert_in_range(most, NOW + 74 * SECOND, NOW + 75 * SECOND);
	assert_true(servers_is_away(servers, 0, NOW + 60 * SECOND - 1));
	assert_false(servers_is_away(servers, 0, NOW + 75 * SECOND));
	assert_int_equal(servers_next(servers, NOW + 75 * SECOND), 0);
	servers_free(servers);
}

/* The back-off counts where it is longer than what was asked for. */
static void
comes_back_no_sooner_where_a_server_asks_for_nothing(void **state)
{
	struct servers *servers = make(1);
	int64_t most = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		servers_away(servers, 0, NOW, 0);
		assert_true(servers_due(servers) >= NOW + MIN * SECOND);
		most = servers_due(servers) > most ? servers_due(servers) : most;
	}
	assert_true(most > NOW + MAX / 2 * SECOND);
	servers_free(servers);
}

static void
tells_which_preferred_one_may_be_tried(void **state)
{
	struct servers *servers = make(3);

	(void)state;
	assert_int_equal(servers_better(servers, 0, NOW), SERVERS_NONE);
	servers_failed(servers, 0, NOW);
	servers_failed(servers, 1, NOW);
	assert_int_equal(servers_better(servers, 2, NOW), SERVERS_NONE);
	servers_left(servers, 1);
	assert_int_equal(servers_better(servers, 2, NOW), 1);
	assert_int_equal(servers_better(servers, 1, NOW), SERVERS_NONE);
	assert_int_equal(servers_better(servers, 2, NOW + 15 * SECOND), 0);
	servers_free(servers);
}

static void
pauses_all_by_lot(void **state)
{
	struct servers *servers = make(2);
	int64_t most = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		servers_pause(servers, NOW);
		most = servers_due(servers);
	}
	assert_true(most > NOW + MIN * SECOND / 2);
	assert_in_range(servers_due(servers), NOW, NOW + MIN * SECOND);
	assert_int_equal(servers_next(servers, servers_due(servers) - 1), SERVERS_NONE);
	assert_int_equal(servers_next(servers, servers_due(servers)), 0);
	for (int i = 0; i < 20; i++) {
		servers_hold(servers, NOW);
		assert_true(servers_due(servers) >= NOW + MIN * SECOND);
		most = servers_due(servers);
	}
	assert_in_range(most, NOW + 15 * SECOND, NOW + MAX * SECOND);
	servers_free(servers);
}

/* By a signal: neither the back-off nor a pause counts, but what a server asked for does, and
 * a second since it was last tried. */
static void
hurries_but_not_below_the_floor(void **state)
{
	struct servers *servers = make(2);

	(void)state;
	servers_failed(servers, 0, NOW);
	servers_away(servers, 1, NOW, 60);
	servers_hold(servers, NOW);
	servers_hurry(servers, NOW);
	assert_int_equal(servers_due(servers), NOW + SERVERS_FLOOR);
	assert_int_equal(servers_next(servers, NOW + SERVERS_FLOOR), 0);
	servers_failed(servers, 0, NOW + 5 * SECOND);
	servers_hurry(servers, NOW + 7 * SECOND);
	assert_int_equal(servers_next(servers, NOW + 7 * SECOND), 0);
	servers_failed(servers, 0, NOW + 50 * SECOND);
	assert_int_equal(servers_next(servers, NOW + 54 * SECOND), SERVERS_NONE);
	assert_true(servers_is_away(servers, 1, NOW + 59 * SECOND));
	servers_free(servers);
}

static void
knows_a_server_by_its_name_after_a_reload(void **state)
{
	static char *const other[] = {"d:4", "b:2", "a:1"};
	struct servers *servers = make(2), *next = servers_new(other, 3, MIN, 20);

	(void)state;
	assert_non_null(next);
	for (int i = 0; i < 20; i++)
		servers_failed(servers, 1, NOW);
	servers_take_over(next, servers);
	servers_free(servers);
	assert_int_equal(servers_id(next, 2), 0);
	assert_int_equal(servers_id(next, 1), 1);
	assert_int_equal(servers_id(next, 0), 2);
	assert_int_equal(servers_next(next, NOW), 0);
	servers_left(next, 0);
	assert_int_equal(servers_better(next, 2, NOW + 4 * SECOND), 0);
	servers_failed(next, 0, NOW + MAX * SECOND);
	assert_int_equal(servers_next(next, NOW), 2);
	/* and the new limits hold */
	servers_failed(next, 1, NOW);
	servers_failed(next, 2, NOW);
	assert_true(servers_due(next) <= NOW + 20 * SECOND);
	servers_free(next);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(begins_with_the_first_and_goes_on_in_order),
	    cmocka_unit_test(doubles_the_wait_of_one_server_alone),
	    cmocka_unit_test(draws_from_the_floor_to_the_most),
	    cmocka_unit_test(falls_by_a_stored_item_only),
	    cmocka_unit_test(leaves_a_server_alone_as_long_as_it_asked_and_a_little_longer),
	    cmocka_unit_test(comes_back_no_sooner_where_a_server_asks_for_nothing),
	    cmocka_unit_test(tells_which_preferred_one_may_be_tried),
	    cmocka_unit_test(pauses_all_by_lot),
	    cmocka_unit_test(hurries_but_not_below_the_floor),
	    cmocka_unit_test(knows_a_server_by_its_name_after_a_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
