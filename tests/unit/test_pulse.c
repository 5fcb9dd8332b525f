/* SPDX-License-Identifier: ISC */
/* What keeps a session, and what does not: with a clock that is only a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxq/uplink/pulse.h"
#include "lib/conn.h"

#define LIMIT 60

static int64_t taken;

int64_t
conn_taken(const struct conn *conn)
{
	(void)conn;
	return taken;
}

static void
is_late_when_nothing_moves(void **state)
{
	struct pulse pulse = {.beat = 1000};

	(void)state;
	assert_false(pulse_is_late(&pulse, 1060, LIMIT));
	assert_true(pulse_is_late(&pulse, 1061, LIMIT));
	pulse_answer(&pulse, 1061);
	assert_false(pulse_is_late(&pulse, 1121, LIMIT));
	taken = 500;
	pulse_look(&pulse, NULL, 1100);
	taken = 499;
	pulse_look(&pulse, NULL, 1122);
	assert_true(pulse_is_late(&pulse, 1161, LIMIT));
	taken = 501;
	pulse_look(&pulse, NULL, 1122);
	assert_false(pulse_is_late(&pulse, 1182, LIMIT));
}

static void
waits_for_a_server_at_work_but_ten_minutes_at_most(void **state)
{
	struct pulse pulse = {.beat = 1000};
	int64_t now = 1000;

	(void)state;
	for (; !pulse_is_late(&pulse, now, LIMIT); now++) {
		assert_true(now < 2000);
		if (now % 5 == 0)
			pulse_wait(&pulse, now, 60);
	}
	assert_in_range(now, 1600, 1600 + LIMIT + 1);
	/* an answer, and it may work for as long again */
	pulse_answer(&pulse, 2000);
	pulse_wait(&pulse, 2001, UINT64_C(4294967295));
	assert_false(pulse_is_late(&pulse, 2600, LIMIT));
	assert_true(pulse_is_late(&pulse, 2602, LIMIT));
}

static void
does_not_count_a_pong_that_nobody_asked_for(void **state)
{
	struct pulse pulse = {.beat = 1000, .idle = 100};

	(void)state;
	pulse_pong(&pulse, 1050);
	assert_true(pulse_is_late(&pulse, 1061, LIMIT));
	assert_false(pulse_wants_ping(&pulse, 1049));
	assert_true(pulse_wants_ping(&pulse, 1061));
	assert_false(pulse_wants_ping(&pulse, 1062));
	pulse_pong(&pulse, 1063);
	assert_false(pulse_is_late(&pulse, 1123, LIMIT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_late_when_nothing_moves),
	    cmocka_unit_test(waits_for_a_server_at_work_but_ten_minutes_at_most),
	    cmocka_unit_test(does_not_count_a_pong_that_nobody_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
