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

static struct pulse
make(void)
{
	struct pulse pulse = {0};

	taken = 0;
	pulse_begin(&pulse, 1000);
	return pulse;
}

static void
is_late_when_nothing_moves(void **state)
{
	struct pulse pulse = make();

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
	struct pulse pulse = make();
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
	struct pulse pulse = make();

	(void)state;
	pulse.idle = 100;
	pulse_pong(&pulse, 1049);
	assert_false(pulse_wants_ping(&pulse, 1049));
	assert_true(pulse_wants_ping(&pulse, 1061));
	assert_false(pulse_wants_ping(&pulse, 1062));
	pulse_pong(&pulse, 1063);
	assert_false(pulse_wants_ping(&pulse, 1112));
	assert_true(pulse_wants_ping(&pulse, 1113));
}

/* Its time begins when there is something to be said, however long the silence before was. */
static void
gives_who_was_silent_in_order_the_whole_time(void **state)
{
	struct pulse pulse = make();
	int64_t now = 1000;

	(void)state;
	pulse.idle = 300;
	for (; !pulse_wants_ping(&pulse, now); now++) {
		assert_true(now < 1200);
		pulse_rest(&pulse, now);
		pulse_owed_none(&pulse, now);
	}
	assert_int_equal(now, 1150);
	assert_false(pulse_is_late(&pulse, now + LIMIT - 1, LIMIT));
	assert_true(pulse_is_late(&pulse, now + LIMIT + 1, LIMIT));
}

static void
counts_nothing_that_is_said_beside_items(void **state)
{
	struct pulse pulse = make();
	int64_t now = 1000;

	(void)state;
	pulse.idle = 10;
	taken = 3000;
	pulse_look(&pulse, NULL, now);
	for (; !pulse_is_late(&pulse, now, LIMIT); now++) {
		assert_true(now < 1100);
		if (pulse_wants_ping(&pulse, now) || now % 7 == 0) {
			pulse_aside(&pulse, 5);
			taken += 5;
		}
		pulse_look(&pulse, NULL, now);
		pulse_pong(&pulse, now);
	}
	assert_int_equal(now, 1000 + LIMIT + 1);
}

/* The system of a server that hangs takes items for a long time. */
static void
is_late_ten_minutes_behind_the_last_answer_whatever_is_taken(void **state)
{
	struct pulse pulse = make();
	int64_t now = 1000;

	(void)state;
	for (; !pulse_is_late(&pulse, now, LIMIT); now++) {
		assert_true(now < 3000);
		taken += 100;
		pulse_look(&pulse, NULL, now);
		if (now < 1300) /* a large item is on its way, and no other */
			pulse_owed_none(&pulse, now);
	}
	assert_in_range(now, 1300 + 600, 1300 + 600 + LIMIT + 1);
}

static void
does_not_count_what_was_slept_through(void **state)
{
	struct pulse pulse = make();

	(void)state;
	pulse_sleep(&pulse, 5000, 3990);
	assert_false(pulse_is_late(&pulse, 5000, LIMIT));
	assert_true(pulse_is_late(&pulse, 5051, LIMIT));
	pulse_sleep(&pulse, 5051, 3990);
	assert_false(pulse_is_late(&pulse, 5051 + LIMIT, LIMIT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_late_when_nothing_moves),
	    cmocka_unit_test(waits_for_a_server_at_work_but_ten_minutes_at_most),
	    cmocka_unit_test(does_not_count_a_pong_that_nobody_asked_for),
	    cmocka_unit_test(gives_who_was_silent_in_order_the_whole_time),
	    cmocka_unit_test(counts_nothing_that_is_said_beside_items),
	    cmocka_unit_test(is_late_ten_minutes_behind_the_last_answer_whatever_is_taken),
	    cmocka_unit_test(does_not_count_what_was_slept_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
