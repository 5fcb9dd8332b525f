/* SPDX-License-Identifier: ISC */
/* The fair share of the way to the commit thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxd/serve/share.h"

#define SHARERS 5

/* Takes while it may, at most `most` times. */
static uint64_t
take_all(struct share *share, struct sharer *sharer, uint64_t most)
{
	uint64_t taken = 0;

	while (taken < most && share_has_room(share, sharer)) {
		share_take(share, sharer);
		taken++;
	}
	return taken;
}

static void
one_alone_has_all_the_room(void **state)
{
	struct share share = {.room = 8};
	struct sharer one = {0};

	(void)state;
	assert_int_equal(take_all(&share, &one, 100), 8);
	share_give_back(&share, &one);
	assert_int_equal(take_all(&share, &one, 100), 1);
}

static void
the_first_of_each_may_always_go(void **state)
{
	struct share share = {.room = 2};
	struct sharer sharers[SHARERS] = {{0}};

	(void)state;
	for (size_t i = 0; i < SHARERS; i++)
		assert_int_equal(take_all(&share, &sharers[i], 1), 1);
	assert_false(share_has_room(&share, &sharers[0]));
}

static void
who_waits_gets_an_even_part_of_what_others_leave(void **state)
{
	struct share share = {.room = 12};
	struct sharer greedy = {0}, others[2] = {{0}};

	(void)state;
	assert_int_equal(take_all(&share, &greedy, 100), 12);
	share_wait(&share, &greedy, 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(take_all(&share, &others[i], 100), 1);
		share_wait(&share, &others[i], 1);
	}
	/* As the greedy one's come back, the others take them, up to a third each. */
	while (greedy.held > 4)
		share_give_back(&share, &greedy);
	assert_false(share_has_room(&share, &greedy));
	assert_int_equal(take_all(&share, &others[0], 100), 3);
	assert_int_equal(take_all(&share, &others[1], 100), 3);
	assert_int_equal(share.held, 12);
}

static void
nothing_is_left_when_all_have_gone(void **state)
{
	struct share share = {.room = 3};
	struct sharer sharers[SHARERS] = {{0}};
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct sharer *s = &sharers[(seed = seed * 1103515245 + 12345) / 65536 % SHARERS];
		if (seed / 7 % 2 && share_has_room(&share, s))
			share_take(&share, s);
		else if (s->held)
			share_give_back(&share, s);
		share_wait(&share, s, !share_has_room(&share, s));
		assert_true(share.held <= share.room + SHARERS);
	}
	for (size_t i = 0; i < SHARERS; i++) {
		share_wait(&share, &sharers[i], 0);
		while (sharers[i].held)
			share_give_back(&share, &sharers[i]);
	}
	assert_int_equal(share.held, 0);
	assert_int_equal(share.waiting, 0);
	assert_int_equal(share.waiting_held, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_alone_has_all_the_room),
	    cmocka_unit_test(the_first_of_each_may_always_go),
	    cmocka_unit_test(who_waits_gets_an_even_part_of_what_others_leave),
	    cmocka_unit_test(nothing_is_left_when_all_have_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
