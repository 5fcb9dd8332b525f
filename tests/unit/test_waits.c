/* SPDX-License-Identifier: ISC */
/* What the end of a session means for the next one, by a clock that is only a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxq/queue/servers.h"
#include "inboxq/waits.h"
#include "lib/clock.h"

#define DAY (86400 * CLOCK_SECOND)
#define MIN 5
#define MAX 900

static int64_t now, utc;

int64_t
clock_monotonic(void)
{
	return now;
}

int64_t
clock_seconds(void)
{
	return now / CLOCK_SECOND;
}

int64_t
clock_utc(void)
{
	return utc;
}

void
clock_count_sleep(void)
{
}

static char *const names[] = {"a:1", "b:2"};

static struct waits
make(void)
{
	struct waits waits = {.servers = servers_new(names, 2, MIN, MAX),
	    .phase = (uint64_t)(3600 * CLOCK_SECOND), .report = (uint64_t)DAY};

	assert_non_null(waits.servers);
	servers_seed(waits.servers, 1);
	now = 10 * DAY;
	utc = 20000 * DAY;
	return waits;
}

/* From now on, seconds. */
static double
wait_of(struct waits *waits, int has_work)
{
	int is_over = waits_is_over(waits, has_work);

	assert_int_equal(is_over, waits->due <= now);
	return 1e-6 * (double)(waits->due - now);
}

static void
begins_by_lot(void **state)
{
	struct waits waits = make();

	(void)state;
	waits_begin(&waits);
	assert_true(wait_of(&waits, 1) > 0 && wait_of(&waits, 1) <= MIN);
	servers_free(waits.servers);
}

static void
begins_at_its_own_time_where_the_power_returns(void **state)
{
	struct waits waits = make();

	(void)state;
	now = 30 * CLOCK_SECOND;
	waits.phase = (uint64_t)(47 * CLOCK_SECOND);
	waits_begin(&waits);
	assert_true(wait_of(&waits, 1) == 47);
	servers_free(waits.servers);
}

/* Neither reaching it nor READY shows that a server does. */
static void
waits_longer_each_time_whether_the_session_had_begun_or_not(void **state)
{
	(void)state;
	for (int was_open = 0; was_open <= 1; was_open++) {
		struct waits waits = make();
		int64_t most = 0;

		for (int i = 0; i < 50; i++) {
			int64_t begin = now;

			waits_end(&waits, 0, WAITS_LOST, 0, was_open);
			waits_end(&waits, 1, WAITS_LOST, 0, was_open);
			assert_true(wait_of(&waits, 1) >= MIN);
			now = waits.due;
			most = now - begin > most ? now - begin : most;
		}
		assert_true(most > MAX / 4 * CLOCK_SECOND);
		servers_free(waits.servers);
	}
}

/* All who lost the first one would come to the second in that moment. */
static void
goes_to_the_next_server_by_lot_where_a_session_had_begun(void **state)
{
	struct waits waits = make();
	double wait;

	(void)state;
	waits_end(&waits, 0, WAITS_LOST, 0, 0);
	assert_true(wait_of(&waits, 1) <= 0);
	waits_end(&waits, 0, WAITS_LOST, 0, 1);
	wait = wait_of(&waits, 1);
	assert_true(wait > 0 && wait <= MIN);
	servers_free(waits.servers);
}

static void
rests_until_its_time_or_until_there_is_work(void **state)
{
	struct waits waits = make();

	(void)state;
	utc += 1800 * CLOCK_SECOND;
	waits_end(&waits, 0, WAITS_IDLE, 0, 1);
	assert_true(wait_of(&waits, 0) == 1800);
	servers_failed(waits.servers, 1, now);
	assert_true(wait_of(&waits, 1) == 1e-6 * (double)SERVERS_FLOOR);
	now += 1800 * CLOCK_SECOND;
	assert_true(waits_is_over(&waits, 0));
	servers_free(waits.servers);
}

static void
takes_its_own_sleep_for_no_failure(void **state)
{
	struct waits waits = make();

	(void)state;
	for (int i = 0; i < 50; i++) {
		servers_failed(waits.servers, 1, now);
		waits_end(&waits, 0, WAITS_OVERSLEPT, 0, 1);
		assert_true(wait_of(&waits, 1) <= MIN + 1);
		now = waits.due + CLOCK_SECOND;
	}
	waits_end(&waits, 0, WAITS_LOST, 0, 0);
	servers_failed(waits.servers, 1, now);
	assert_true(wait_of(&waits, 1) <= 3 * MIN);
	servers_free(waits.servers);
}

static void
stays_away_as_long_as_it_is_asked_to(void **state)
{
	struct waits waits = make();

	(void)state;
	waits_end(&waits, 0, WAITS_AWAY, 3600, 1);
	waits_end(&waits, 1, WAITS_SUPERSEDED, 7200, 1);
	assert_true(wait_of(&waits, 1) >= 3600 && wait_of(&waits, 1) <= 4500);
	waits_end(&waits, 1, WAITS_ASKED, 0, 1);
	assert_true(wait_of(&waits, 1) <= MIN);
	servers_free(waits.servers);
}

static void
waits_for_its_own_disk_whoever_the_servers_are(void **state)
{
	struct waits waits = make();

	(void)state;
	waits_end(&waits, 0, WAITS_OURS, 0, 0);
	assert_true(wait_of(&waits, 1) >= MIN && wait_of(&waits, 1) <= 3 * MIN);
	servers_free(waits.servers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(begins_by_lot),
	    cmocka_unit_test(begins_at_its_own_time_where_the_power_returns),
	    cmocka_unit_test(waits_longer_each_time_whether_the_session_had_begun_or_not),
	    cmocka_unit_test(goes_to_the_next_server_by_lot_where_a_session_had_begun),
	    cmocka_unit_test(rests_until_its_time_or_until_there_is_work),
	    cmocka_unit_test(takes_its_own_sleep_for_no_failure),
	    cmocka_unit_test(stays_away_as_long_as_it_is_asked_to),
	    cmocka_unit_test(waits_for_its_own_disk_whoever_the_servers_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
