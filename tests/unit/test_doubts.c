/* SPDX-License-Identifier: ISC */
/* Items whose answer was lost: who may have them at once, who waits, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxq/queue/schedule.h"

#define PATIENCE 60
#define CAP1 "cap1/0123456789abcdef0123456789abcdef"
#define CAP1_MOVED "other/0123456789abcdef0123456789abcdef"
#define CAP2 "cap1/fedcba9876543210fedcba9876543210" /* of one name with it */

static struct schedule *schedule;

static int
set_up(void **state)
{
	struct schedule_facts facts = {SCHEDULE_NORMAL, "status", 1};

	(void)state;
	schedule = schedule_new();
	assert_non_null(schedule);
	schedule_set_patience(schedule, PATIENCE);
	for (uint64_t n = 1; n <= 3; n++) {
		assert_int_equal(schedule_add(schedule, n), 0);
		schedule_learn(schedule, n, &facts);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	schedule_free(schedule);
	return 0;
}

/* A session at `name`, which is the receiver `root`, or says no READY (NULL). */
static void
meet(unsigned server, const char *name, const char *root)
{
	schedule_take_back(schedule);
	schedule_begin(schedule, server);
	schedule_dialled(schedule, name);
	if (root)
		schedule_met(schedule, root);
}

/* Item `n` is sent, and the session lost. */
static int64_t
lose(uint64_t n, int64_t now)
{
	int64_t until;

	(void)schedule_next(schedule, SCHEDULE_SMALL, now);
	schedule_mark_sent(schedule, n, 1);
	until = schedule_doubt(schedule, n, now);
	schedule_take_back(schedule);
	return until;
}

static uint64_t
next(int64_t now)
{
	return schedule_next(schedule, SCHEDULE_SMALL, now);
}

static void
waits_for_others_and_not_for_its_holder(void **state)
{
	int64_t until;

	(void)state;
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 100), 160);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(101), 2);
	assert_int_equal(schedule_count_held(schedule, 101, &until), 1);
	assert_int_equal(until, 160);
	schedule_mark_sent(schedule, 2, 1);
	assert_int_equal(next(101), 3);
	schedule_mark_sent(schedule, 3, 1);
	assert_int_equal(next(159), 0);
	assert_int_equal(schedule_due(schedule), 160);
	meet(0, "a:1", CAP1);
	assert_int_equal(next(101), 1);
	assert_int_equal(schedule_count_held(schedule, 101, &until), 0);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(160), 1);
	assert_int_equal(schedule_count_held(schedule, 160, &until), 0);
}

static void
less_patience_is_less_for_those_that_wait(void **state)
{
	int64_t until;

	(void)state;
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 100), 160);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(101), 2);
	schedule_set_patience(schedule, PATIENCE);
	assert_int_equal(next(101), 2);
	schedule_set_patience(schedule, 20);
	assert_int_equal(schedule_count_held(schedule, 101, &until), 1);
	assert_int_equal(until, 120);
	assert_int_equal(next(119), 2);
	assert_int_equal(next(120), 1);
	/* Who waits is never told to wait for longer. */
	schedule_set_patience(schedule, PATIENCE);
	assert_int_equal(next(121), 1);
}

static void
no_patience_lets_go_of_those_that_wait(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	(void)lose(1, 100);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(101), 2);
	schedule_set_patience(schedule, 0);
	assert_int_equal(next(101), 1);
}

/* The same at another address, under another name. */
static void
root_that_moved_is_its_holder(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	(void)lose(1, 100);
	meet(1, "b:1", CAP1_MOVED);
	assert_int_equal(next(101), 1);
}

/* As behind a proxy: before READY nobody knows which. */
static void
two_roots_at_one_address_are_two(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	(void)lose(1, 100);
	meet(0, "a:1", NULL);
	assert_int_equal(next(101), 2);
	schedule_met(schedule, CAP2);
	assert_int_equal(next(102), 2);
	meet(0, "a:1", NULL);
	assert_int_equal(next(103), 2);
	schedule_met(schedule, CAP1);
	assert_int_equal(next(104), 1);
}

static void
lost_before_ready_goes_by_the_address(void **state)
{
	(void)state;
	meet(0, "a:1", NULL);
	assert_int_equal(lose(1, 100), 160);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(101), 2);
	meet(0, "a:1", NULL);
	assert_int_equal(next(101), 1);
	/* Another port is another. */
	meet(2, "a:2", NULL);
	assert_int_equal(next(101), 2);
}

/* A server that never answers keeps an item from the others once. */
static void
patience_begins_with_the_first_answer_that_was_lost(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 100), 160);
	assert_int_equal(lose(1, 130), 160);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(159), 2);
	assert_int_equal(next(160), 1);
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 200), 0);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(200), 1);
	/* That one, too, loses its answer. */
	assert_int_equal(lose(1, 210), 270);
	meet(0, "a:1", CAP1);
	assert_int_equal(next(269), 2);
	assert_int_equal(next(270), 1);
}

static void
without_patience_it_goes_at_once(void **state)
{
	(void)state;
	schedule_set_patience(schedule, 0);
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 100), 0);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(100), 1);
}

/* LATER does not say that it is not stored: the disk may be full behind it. */
static void
later_of_the_holder_does_not_end_it(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	(void)lose(1, 100);
	assert_int_equal(next(110), 1);
	schedule_mark_sent(schedule, 1, 1);
	schedule_put_off(schedule, 1, 1000);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(159), 2);
	assert_int_equal(next(160), 1);
	meet(0, "a:1", CAP1);
	assert_int_equal(next(999), 2);
	assert_int_equal(next(1000), 1);
}

/* And one that nobody doubts goes to another at once, as ever. */
static void
later_alone_is_the_servers_own(void **state)
{
	(void)state;
	meet(0, "a:1", CAP1);
	(void)next(100);
	schedule_mark_sent(schedule, 1, 1);
	schedule_put_off(schedule, 1, 1000);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(101), 1);
}

static void
it_is_known_which_server_is_waited_for(void **state)
{
	(void)state;
	meet(1, "b:1", CAP2);
	meet(0, "a:1", CAP1);
	(void)lose(1, 100);
	assert_false(schedule_waits_for(schedule, 0, 101));
	schedule_forget(schedule, 2);
	schedule_forget(schedule, 3);
	meet(1, "b:1", CAP2);
	assert_true(schedule_waits_for(schedule, 0, 101));
	assert_false(schedule_waits_for(schedule, 2, 101));
	/* No reason to leave the session, though: who it is has to be looked at first. */
	assert_int_equal(schedule_due_for(schedule, 0, 101), SCHEDULE_NEVER);
	assert_false(schedule_waits_for(schedule, 0, 160));
	assert_int_equal(schedule_due_for(schedule, 0, 160), 0);
}

static void
one_cycle_leaves_it_to_the_next(void **state)
{
	(void)state;
	schedule_set_patience(schedule, SCHEDULE_HELD);
	meet(0, "a:1", CAP1);
	assert_int_equal(lose(1, 100), SCHEDULE_HELD);
	schedule_forget(schedule, 2);
	schedule_forget(schedule, 3);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(100000), 0);
	assert_int_equal(schedule_due(schedule), SCHEDULE_HELD);
	meet(0, "a:1", CAP1);
	assert_int_equal(next(100), 1);
}

static void
note_is_recalled_by_the_next_program(void **state)
{
	struct schedule_note note;
	uint64_t found[] = {1, 2, 3};

	(void)state;
	schedule_note(schedule, 100, &note);
	assert_int_equal(note.low, 0);
	meet(0, "a:1", CAP1);
	(void)next(100);
	schedule_mark_sent(schedule, 2, 1);
	schedule_note(schedule, 100, &note);
	assert_int_equal(note.low, 2);
	assert_int_equal(note.high, 2);
	assert_int_equal(note.until, 0);
	assert_string_equal(note.holder, CAP1);
	(void)schedule_doubt(schedule, 2, 100);
	(void)lose(3, 110);
	schedule_note(schedule, 120, &note);
	assert_int_equal(note.low, 2);
	assert_int_equal(note.high, 3);
	assert_int_equal(note.until, 170);
	schedule_note(schedule, 170, &note);
	assert_int_equal(note.low, 0);

	schedule_free(schedule);
	schedule = schedule_new();
	assert_non_null(schedule);
	note = (struct schedule_note){2, 3, 170, CAP1};
	schedule_recall(schedule, &note);
	assert_int_equal(schedule_merge(schedule, found, 3, 3), 0);
	assert_int_equal(schedule_add(schedule, 4), 0);
	meet(1, "b:1", CAP2);
	assert_int_equal(next(130), 1);
	schedule_forget(schedule, 1);
	assert_int_equal(next(130), 4);
	schedule_forget(schedule, 4);
	assert_int_equal(next(169), 0);
	assert_int_equal(next(170), 2);
	meet(0, "c:1", CAP1);
	assert_int_equal(next(130), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(waits_for_others_and_not_for_its_holder),
	    TEST(less_patience_is_less_for_those_that_wait),
	    TEST(no_patience_lets_go_of_those_that_wait),
	    TEST(root_that_moved_is_its_holder),
	    TEST(two_roots_at_one_address_are_two),
	    TEST(lost_before_ready_goes_by_the_address),
	    TEST(patience_begins_with_the_first_answer_that_was_lost),
	    TEST(without_patience_it_goes_at_once),
	    TEST(later_of_the_holder_does_not_end_it),
	    TEST(later_alone_is_the_servers_own),
	    TEST(it_is_known_which_server_is_waited_for),
	    TEST(one_cycle_leaves_it_to_the_next),
	    TEST(note_is_recalled_by_the_next_program),
	};

	return cmocka_run_group_tests_name("doubts", tests, NULL, NULL);
}
