/* SPDX-License-Identifier: ISC */
/* What goes next: whose turn it is, whose LATER counts, and when an item has been tried enough.
 * There is no disk here; test_spool.c has the schedule with its items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxq/queue/schedule.h"
#include "inboxq/queue/turns.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define MANY 100000 /* items */

static uint64_t
next_small(struct schedule *schedule, int64_t now)
{
	return schedule_next(schedule, SCHEDULE_SMALL, now);
}

static void
add(struct schedule *schedule, uint64_t n, enum schedule_priority priority, const char *inbox,
    uint64_t size)
{
	struct schedule_facts facts = {priority, inbox, size};

	assert_int_equal(schedule_add(schedule, n), 0);
	assert_int_equal(schedule_unknown(schedule), n);
	schedule_learn(schedule, n, &facts);
	assert_int_equal(schedule_unknown(schedule), 0);
}

/* Sends the lane's next one. */
static uint64_t
send(struct schedule *schedule, enum schedule_lane lane)
{
	uint64_t n = schedule_next(schedule, lane, 100);

	if (n)
		schedule_mark_sent(schedule, n, 1);
	return n;
}

static void
each_server_has_its_own_later(void **state)
{
	struct schedule *schedule = schedule_new();

	(void)state;
	schedule_begin(schedule, 0);
	for (uint64_t n = 1; n <= 2; n++) {
		add(schedule, n, SCHEDULE_NORMAL, "status", 1);
		assert_int_equal(send(schedule, SCHEDULE_SMALL), n);
		schedule_put_off(schedule, n, 200);
	}
	assert_int_equal(next_small(schedule, 199), 0);
	assert_int_equal(schedule_due(schedule), 200);
	assert_int_equal(schedule_due_for(schedule, 0, 100), 200);
	assert_int_equal(schedule_due_for(schedule, 1, 100), 0);
	/* The second has them at once, and its word does not undo the first's. */
	schedule_take_back(schedule);
	schedule_begin(schedule, 1);
	assert_int_equal(next_small(schedule, 101), 1);
	schedule_mark_sent(schedule, 1, 1);
	schedule_put_off(schedule, 1, 300);
	assert_int_equal(next_small(schedule, 101), 2);
	schedule_begin(schedule, 0);
	assert_int_equal(next_small(schedule, 199), 0);
	assert_int_equal(next_small(schedule, 200), 1);
	schedule_begin(schedule, 1);
	assert_int_equal(next_small(schedule, 200), 2);
	schedule_begin(schedule, 2);
	assert_int_equal(next_small(schedule, 200), 1);
	/* What we hold back ourselves is so for all. */
	schedule_hold(schedule, 1, 400);
	schedule_forget(schedule, 2);
	for (unsigned server = 0; server < 4; server++)
		assert_int_equal(schedule_due_for(schedule, server, 301), 400);
	schedule_free(schedule);
}

/* One that was named by the last of very many reloads is no other than the first. */
static void
no_server_speaks_for_all(void **state)
{
	struct schedule *schedule = schedule_new();

	(void)state;
	for (unsigned server = SCHEDULE_SERVERS - 1; server <= SCHEDULE_SERVERS; server++) {
		schedule_begin(schedule, server);
		add(schedule, server, SCHEDULE_NORMAL, "status", 1);
		assert_int_equal(send(schedule, SCHEDULE_SMALL), server);
		schedule_put_off(schedule, server, 200);
		assert_int_equal(schedule_due_for(schedule, server, 100), 200);
		assert_int_equal(schedule_due_for(schedule, 7, 100), 0);
		schedule_forget(schedule, server);
	}
	schedule_free(schedule);
}

static void
rests_after_ten_tries(void **state)
{
	struct schedule *schedule = schedule_new();
	int64_t due;

	(void)state;
	schedule_set_rest(schedule, 900);
	add(schedule, 1, SCHEDULE_NORMAL, "status", 1);
	for (unsigned i = 1; i <= SCHEDULE_TRIES; i++) {
		assert_int_equal(next_small(schedule, 100), 1);
		schedule_mark_sent(schedule, 1, 1);
		assert_int_equal(schedule_tries(schedule, 1), i);
		if (i % 2)
			schedule_take_back(schedule); /* lost in mid-flight */
		else
			schedule_put_off(schedule, 1, 100);
	}
	/* Whoever the server is. */
	schedule_begin(schedule, 1);
	assert_int_equal(next_small(schedule, 100), 0);
	due = schedule_due(schedule);
	assert_in_range(due, 100 + 450, 100 + 900);
	assert_int_equal(next_small(schedule, due - 1), 0);
	assert_int_equal(next_small(schedule, due), 1);
	schedule_mark_sent(schedule, 1, 1);
	assert_int_equal(schedule_tries(schedule, 1), 1);
	schedule_free(schedule);
}

/* One cycle does not wait for the next one. */
static void
rests_until_the_end_of_one_cycle(void **state)
{
	struct schedule *schedule = schedule_new();

	(void)state;
	schedule_set_rest(schedule, SCHEDULE_NEVER);
	add(schedule, 1, SCHEDULE_NORMAL, "status", 1);
	for (unsigned i = 1; i <= SCHEDULE_TRIES; i++) {
		assert_int_equal(next_small(schedule, 100), 1);
		schedule_mark_sent(schedule, 1, 1);
		schedule_put_off(schedule, 1, 100);
	}
	assert_int_equal(next_small(schedule, 100000), 0);
	assert_int_equal(schedule_due(schedule), SCHEDULE_NEVER);
	schedule_take_back(schedule);
	assert_int_equal(next_small(schedule, 100000), 1);
	schedule_free(schedule);
}

static enum schedule_priority
priority_of(uint64_t n)
{
	return n <= 1000 ? SCHEDULE_LOW : n <= 2000 ? SCHEDULE_NORMAL : SCHEDULE_HIGH;
}

static void
urgent_ones_go_first_and_none_starves(void **state)
{
	struct schedule *schedule = schedule_new();
	unsigned sent[SCHEDULE_PRIORITIES] = {0}, waited[SCHEDULE_PRIORITIES] = {0};

	(void)state;
	for (uint64_t n = 1; n <= 3000; n++)
		add(schedule, n, priority_of(n), "status", 1);
	for (int i = 0; i < 1000; i++) {
		uint64_t n = send(schedule, SCHEDULE_SMALL);
		enum schedule_priority went = priority_of(n);

		for (enum schedule_priority p = 0; p < SCHEDULE_PRIORITIES; p++) {
			waited[p] = p == went ? 0 : waited[p] + 1;
			assert_true(waited[p] <= TURNS_PASSES + SCHEDULE_PRIORITIES - 1);
		}
		sent[went]++;
	}
	assert_in_range(sent[SCHEDULE_LOW], 1000 / 18, 1000 / 15);
	assert_in_range(sent[SCHEDULE_NORMAL], 1000 / 18, 1000 / 15);
	/* Each in the order it came. */
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 2001 + sent[SCHEDULE_HIGH]);
	schedule_free(schedule);
}

/* What lies above the mark is remembered by the receiver. */
static void
old_ones_are_not_left_far_behind(void **state)
{
	struct schedule *schedule = schedule_new();
	uint64_t n = 0, gone = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		add(schedule, ++n, SCHEDULE_LOW, "status", 1);
	for (int i = 0; i < 40000; i++) {
		uint64_t went;

		add(schedule, ++n, SCHEDULE_HIGH, "status", 1);
		went = send(schedule, SCHEDULE_SMALL);
		schedule_mark_answered(schedule, went);
		schedule_forget(schedule, went);
		gone++;
		assert_true(gone + 1 - schedule_settled(schedule) <= RANK_AHEAD);
	}
	/* Where the oldest cannot go, others do. */
	for (uint64_t i = schedule_first(schedule); i < schedule_first(schedule) + 200; i++)
		schedule_put_off(schedule, i, 1000);
	assert_int_not_equal(send(schedule, SCHEDULE_SMALL), 0);
	schedule_free(schedule);
}

static void
inboxes_take_turns_and_small_ones_pass(void **state)
{
	struct schedule *schedule = schedule_new();
	uint64_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		add(schedule, ++n, SCHEDULE_NORMAL, "dumps", 900 * KIB);
	for (int i = 0; i < 3; i++)
		add(schedule, ++n, SCHEDULE_NORMAL, "status", 300);
	add(schedule, ++n, SCHEDULE_NORMAL, "dumps", 300); /* 104 */
	/* The turn is the other's, then the small one passes the big ones of its inbox. */
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 101);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 104);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 102);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 1);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 103);
	for (uint64_t big = 2; big <= 50; big++)
		assert_int_equal(send(schedule, SCHEDULE_SMALL), big);
	/* One that is still smaller each time does not keep big ones for ever. */
	for (int i = 0; i < TURNS_PASSES; i++) {
		add(schedule, ++n, SCHEDULE_NORMAL, "dumps", 300);
		assert_int_equal(send(schedule, SCHEDULE_SMALL), n);
	}
	add(schedule, ++n, SCHEDULE_NORMAL, "dumps", 300);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 51);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), n);
	/* Large ones have their own lane. */
	add(schedule, ++n, SCHEDULE_HIGH, "dumps", 2 * MIB);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 52);
	assert_int_equal(send(schedule, SCHEDULE_LARGE), n);
	schedule_free(schedule);
}

/* More inboxes than have turns of their own. */
static void
any_number_of_inboxes_has_turns(void **state)
{
	struct schedule *schedule = schedule_new();
	char inbox[16] = "i000";

	(void)state;
	for (uint64_t n = 1; n <= 999; n++) {
		inbox[1] = (char)('0' + n / 100);
		inbox[2] = (char)('0' + n / 10 % 10);
		inbox[3] = (char)('0' + n % 10);
		add(schedule, n, SCHEDULE_NORMAL, inbox, 1);
	}
	for (uint64_t n = 1; n <= 999; n++)
		assert_int_not_equal(send(schedule, SCHEDULE_SMALL), 0);
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 0);
	schedule_free(schedule);
}

static void
what_is_unknown_goes_last_but_goes(void **state)
{
	struct schedule *schedule = schedule_new();
	struct schedule_facts facts = {SCHEDULE_HIGH, "status", 2 * MIB};

	(void)state;
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(schedule_add(schedule, n), 0);
	assert_int_equal(schedule_unknown(schedule), 1);
	assert_int_equal(next_small(schedule, 0), 1);
	facts.size = 1;
	schedule_learn(schedule, 3, &facts);
	assert_int_equal(next_small(schedule, 0), 3);
	facts.size = 2 * MIB;
	schedule_learn(schedule, 1, &facts);
	assert_int_equal(schedule_next(schedule, SCHEDULE_LARGE, 0), 1);
	schedule_mark_sent(schedule, 3, 1);
	assert_int_equal(next_small(schedule, 0), 2);
	schedule_remove(schedule, 2);
	schedule_remove(schedule, 3); /* under way: what becomes of it is still to be heard */
	assert_int_equal(schedule_unknown(schedule), 0);
	assert_int_equal(schedule_counts(schedule)->waiting, 1);
	assert_int_equal(schedule_counts(schedule)->sent, 1);
	schedule_put_off(schedule, 3, 1000);
	assert_false(schedule_holds(schedule, 3));
	assert_int_equal(schedule_counts(schedule)->waiting, 1);
	schedule_free(schedule);
}

static void
keeps_count_of_many_that_come_and_go(void **state)
{
	struct schedule *schedule = schedule_new();
	uint64_t seed = 7, highest = 0, live = 0;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		uint64_t n;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		if (seed >> 33 & 1 || live == 0) {
			assert_int_equal(schedule_add(schedule, ++highest), 0);
			live++;
		} else {
			n = send(schedule, SCHEDULE_SMALL);
			assert_true(schedule_holds(schedule, n));
			schedule_mark_answered(schedule, n);
			schedule_forget(schedule, n);
			assert_false(schedule_holds(schedule, n));
			live--;
		}
		assert_int_equal(schedule_counts(schedule)->waiting, live);
		n = schedule_settled(schedule);
		assert_int_equal(n, live ? schedule_first(schedule) : highest + 1);
	}
	/* One below the others, as a clock's or a hand's slip may bring. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(schedule_add(schedule, 1), 0);
		assert_int_equal(schedule_settled(schedule), 1);
		schedule_remove(schedule, 1);
		assert_int_not_equal(schedule_settled(schedule), 1);
	}
	schedule_free(schedule);
}

static void
all_of_many_go_once(void **state)
{
	struct schedule *schedule = schedule_new();
	static uint64_t found[MANY];
	static uint8_t went[MANY + 1];

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		found[i] = i + 1;
	assert_int_equal(schedule_merge(schedule, found, MANY, MANY), 0);
	for (size_t i = 0; i < MANY; i++) {
		uint64_t n = send(schedule, SCHEDULE_SMALL);

		assert_in_range(n, 1, MANY);
		assert_int_equal(went[n]++, 0);
		if (i % 1000 == 999) {
			schedule_take_back(schedule); /* a session is lost now and then */
			for (size_t k = 0; k < MANY; k++)
				if (went[found[k]])
					schedule_forget(schedule, found[k]);
		}
	}
	assert_int_equal(send(schedule, SCHEDULE_SMALL), 0);
	assert_int_equal(schedule_settled(schedule), MANY + 1);
	schedule_free(schedule);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_server_has_its_own_later),
	    cmocka_unit_test(no_server_speaks_for_all),
	    cmocka_unit_test(rests_after_ten_tries),
	    cmocka_unit_test(rests_until_the_end_of_one_cycle),
	    cmocka_unit_test(urgent_ones_go_first_and_none_starves),
	    cmocka_unit_test(old_ones_are_not_left_far_behind),
	    cmocka_unit_test(inboxes_take_turns_and_small_ones_pass),
	    cmocka_unit_test(any_number_of_inboxes_has_turns),
	    cmocka_unit_test(what_is_unknown_goes_last_but_goes),
	    cmocka_unit_test(keeps_count_of_many_that_come_and_go),
	    cmocka_unit_test(all_of_many_go_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
