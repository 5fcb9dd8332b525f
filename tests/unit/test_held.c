/* SPDX-License-Identifier: ISC */
/* The note of items that a receiver may have: read back as it was written, or not at all; and what
 * the next program makes of it. */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "inboxq/doubt_note.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/held.h"
#include "inboxq/spool/mark.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "scratch.h"

#define CAP1 "cap1/0123456789abcdef0123456789abcdef"
#define CAP2 "cap2/fedcba9876543210fedcba9876543210"
#define PATIENCE 60

static struct spool *spool;

static int
set_up(void **state)
{
	struct why why;

	(void)state;
	if (scratch_make("test_held") < 0)
		return -1;
	spool = spool_open(below("spool"), 1, &why);
	return spool ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	spool_close(spool);
	return scratch_delete();
}

static void
is_read_back(void **state)
{
	struct held held = {.low = UINT64_C(18), .high = INT64_MAX, .until = INT64_MAX}, read;

	(void)state;
	assert_int_equal(held_read(spool, &read), -1);
	assert_int_equal(errno, ENOENT);
	held_set_holder(&held, CAP1);
	assert_int_equal(held_write(spool, &held), 0);
	assert_int_equal(held_read(spool, &read), 0);
	assert_memory_equal(&held, &read, sizeof held);
	held = (struct held){0};
	assert_int_equal(held_write(spool, &held), 0);
	assert_int_equal(held_read(spool, &read), 0);
	assert_int_equal(read.low, 0);
}

static void
what_is_none_is_not_believed(void **state)
{
	static const char *const texts[] = {"", "1", "1 2", "1 2 3", "a 2 3 cap", "1 2 -3 cap",
	    "1  2 3 cap", "99999999999999999999 2 3 cap"};
	struct held read;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_int_equal(
		    mark_write(spool_folder(spool, SPOOL_TOP), HELD_NAME, texts[i]), 0);
		assert_int_equal(held_read(spool, &read), -1);
		assert_int_equal(read.low, 0);
	}
}

static void
long_host_is_cut_and_its_id_is_not(void **state)
{
	struct held held = {.low = 1, .high = 2, .until = 3}, read;
	char name[300];

	(void)state;
	memset(name, 'x', sizeof name);
	strcpy(name + 250, strchr(CAP1, '/'));
	held_set_holder(&held, name);
	assert_int_equal(held_write(spool, &held), 0);
	assert_int_equal(held_read(spool, &read), 0);
	assert_string_equal(strchr(read.holder, '/'), strchr(CAP1, '/'));
	/* An address that is not whole is another one. */
	memset(name, 'x', 250);
	name[250] = '\0';
	held_set_holder(&held, name);
	assert_int_equal(held.low, 0);
}

/* Items 1 to 3 in a schedule that is told of the note. */
static struct schedule *
begin(struct doubt_note *note, int once)
{
	struct schedule *schedule = schedule_new();
	struct schedule_facts facts = {SCHEDULE_NORMAL, "status", 1};

	assert_non_null(schedule);
	schedule_set_patience(schedule, once ? SCHEDULE_HELD : PATIENCE);
	doubt_note_begin(note, spool, schedule, PATIENCE, once);
	for (uint64_t n = 1; n <= 3; n++) {
		assert_int_equal(schedule_add(schedule, n), 0);
		schedule_learn(schedule, n, &facts);
	}
	return schedule;
}

static uint64_t
count_for(struct schedule *schedule, const char *root, int64_t *until)
{
	schedule_begin(schedule, 0);
	schedule_dialled(schedule, "a:1");
	schedule_met(schedule, root);
	return schedule_count_held(schedule, clock_seconds(), until);
}

static void
next_program_goes_on(void **state)
{
	struct doubt_note note;
	struct schedule *schedule = begin(&note, 0);
	int64_t until, first;
	struct held held;

	(void)state;
	assert_int_equal(count_for(schedule, CAP1, &until), 0);
	(void)schedule_next(schedule, SCHEDULE_SMALL, clock_seconds());
	schedule_mark_sent(schedule, 2, 1);
	/* Killed now, it leaves this. */
	doubt_note_tick(&note, PATIENCE);
	assert_int_equal(held_read(spool, &held), 0);
	assert_int_equal(held.low, 2);
	assert_int_equal(held.until, 0);
	schedule_free(schedule);
	schedule = begin(&note, 0);
	assert_int_equal(count_for(schedule, CAP2, &until), 1);
	assert_in_range(until, clock_seconds() + PATIENCE - 2, clock_seconds() + PATIENCE);
	assert_int_equal(count_for(schedule, CAP1, &first), 0);
	/* It is the same end in the one after that. */
	doubt_note_tick(&note, PATIENCE);
	assert_int_equal(held_read(spool, &held), 0);
	held.until -= 30;
	assert_int_equal(held_write(spool, &held), 0);
	schedule_free(schedule);
	schedule = begin(&note, 0);
	assert_int_equal(count_for(schedule, CAP2, &until), 1);
	assert_in_range(until, clock_seconds() + PATIENCE - 33, clock_seconds() + PATIENCE - 29);
	schedule_forget(schedule, 2);
	doubt_note_tick(&note, PATIENCE);
	assert_int_equal(held_read(spool, &held), 0);
	assert_int_equal(held.low, 0);
	schedule_free(schedule);
}

static void
date_that_was_wrong_keeps_nothing_for_long(void **state)
{
	struct held held = {.low = 1, .high = 3, .until = (uint64_t)time(NULL) + 1000000};
	struct doubt_note note;
	struct schedule *schedule;
	int64_t until;

	(void)state;
	held_set_holder(&held, CAP1);
	assert_int_equal(held_write(spool, &held), 0);
	schedule = begin(&note, 0);
	assert_int_equal(count_for(schedule, CAP2, &until), 3);
	assert_in_range(until, clock_seconds() + PATIENCE - 2, clock_seconds() + PATIENCE);
	schedule_free(schedule);
	held.until = (uint64_t)time(NULL) - 1;
	assert_int_equal(held_write(spool, &held), 0);
	schedule = begin(&note, 0);
	assert_int_equal(count_for(schedule, CAP2, &until), 0);
	schedule_free(schedule);
}

static void
one_cycle_leaves_it_to_the_next(void **state)
{
	struct held held = {.low = 1, .high = 3, .until = (uint64_t)time(NULL) + 10}, read;
	struct doubt_note note;
	struct schedule *schedule;
	int64_t until;

	(void)state;
	held_set_holder(&held, CAP1);
	assert_int_equal(held_write(spool, &held), 0);
	schedule = begin(&note, 1);
	assert_int_equal(count_for(schedule, CAP2, &until), 3);
	assert_true(until == SCHEDULE_HELD);
	doubt_note_tick(&note, PATIENCE);
	assert_int_equal(held_read(spool, &read), 0);
	assert_memory_equal(&held, &read, sizeof held);
	schedule_free(schedule);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(is_read_back),
	    TEST(what_is_none_is_not_believed),
	    TEST(long_host_is_cut_and_its_id_is_not),
	    TEST(next_program_goes_on),
	    TEST(date_that_was_wrong_keeps_nothing_for_long),
	    TEST(one_cycle_leaves_it_to_the_next),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
