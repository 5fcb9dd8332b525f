/* SPDX-License-Identifier: ISC */
/* Whose item is next at the commit thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "inboxd/commit/strands.h"

#define MOST 8 /* sessions */

struct room {
	unsigned all;   /* items that may go, */
	unsigned spare; /* so many of them for those that are alone */
};

struct world {
	struct strands strands;
	struct strand sessions[MOST];
	struct room room;
};

static int
has_room(const void *ctx, const struct item *item, int is_alone)
{
	const struct room *room = ctx;

	assert_true(!is_alone || !item->next);
	return room->all > (is_alone ? 0 : room->spare);
}

static void
send(struct world *w, unsigned session, uint64_t number)
{
	struct item *item = calloc(1, sizeof *item);

	assert_non_null(item);
	item->strand = &w->sessions[session];
	item->number = number;
	strands_add(&w->strands, item);
}

/* The session of the next item, and its number; -1: none has room. */
static int
next(struct world *w, uint64_t *number)
{
	struct item *item;
	int session;

	/* Asking changes nothing. */
	if (!strands_find(&w->strands, has_room, &w->room))
		return -1;
	assert_true(strands_find(&w->strands, has_room, &w->room));
	item = strands_pop(&w->strands);
	session = (int)(item->strand - w->sessions);
	*number = item->number;
	w->room.all--;
	free(item);
	return session;
}

static void
sessions_are_served_in_turn_and_each_in_order(void **state)
{
	struct world w = {.room = {100, 0}};
	uint64_t number;

	(void)state;
	for (uint64_t n = 1; n <= 3; n++)
		send(&w, 0, n);
	for (unsigned session = 1; session < 4; session++)
		send(&w, session, 1);
	for (int session = 0; session < 4; session++) {
		assert_int_equal(next(&w, &number), session);
		assert_int_equal(number, 1);
	}
	for (uint64_t n = 2; n <= 3; n++) {
		assert_int_equal(next(&w, &number), 0);
		assert_int_equal(number, n);
	}
	assert_int_equal(next(&w, &number), -1);
	assert_true(strands_are_empty(&w.strands));
}

static void
what_is_left_is_for_those_that_are_alone(void **state)
{
	struct world w = {.room = {2, 2}};
	uint64_t number;

	(void)state;
	send(&w, 0, 1);
	send(&w, 0, 2);
	send(&w, 1, 1);
	send(&w, 2, 1);
	assert_int_equal(next(&w, &number), 1);
	assert_int_equal(next(&w, &number), 2);
	assert_int_equal(next(&w, &number), -1);
	assert_false(strands_are_empty(&w.strands));
	w.room.all = 4;
	for (uint64_t n = 1; n <= 2; n++) {
		assert_int_equal(next(&w, &number), 0);
		assert_int_equal(number, n);
	}
	assert_true(strands_are_empty(&w.strands));
}

/* The next item comes when the one before is gone. */
static void
who_sends_one_by_one_is_alone_once_a_round(void **state)
{
	struct world w = {.room = {3, 3}};
	uint64_t number;

	(void)state;
	send(&w, 0, 1);
	assert_int_equal(next(&w, &number), 0);
	send(&w, 0, 2);
	assert_int_equal(next(&w, &number), -1);
	send(&w, 1, 1);
	assert_int_equal(next(&w, &number), 1);
	strands_begin_round(&w.strands);
	assert_int_equal(next(&w, &number), 0);
	assert_int_equal(number, 2);
	assert_true(strands_are_empty(&w.strands));
}

/* Each of many sends the next item when it has the answer, and there is never room for all. */
static void
who_sends_much_is_not_kept_out_by_many_that_send_one(void **state)
{
	struct world w = {.room = {0, 2}};
	unsigned served[MOST] = {0};
	uint64_t number;
	int session;

	(void)state;
	for (unsigned i = 2; i < MOST; i++)
		send(&w, i, 1);
	for (uint64_t n = 1; n <= 100; n++) {
		send(&w, 0, n);
		send(&w, 1, n);
	}
	for (unsigned round = 0; round < 30; round++) {
		uint64_t again[MOST] = {0};

		w.room.all += 4;
		strands_begin_round(&w.strands);
		while ((session = next(&w, &number)) >= 0) {
			served[session]++;
			again[session] = number + 1;
		}
		for (unsigned i = 2; i < MOST; i++) {
			if (again[i])
				send(&w, i, again[i]);
		}
	}
	/* 120 for eight of them. */
	for (unsigned i = 0; i < MOST; i++)
		assert_in_range(served[i], 10, 20);
	w.room.all = 1000;
	while (next(&w, &number) >= 0)
		continue;
	assert_true(strands_are_empty(&w.strands));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sessions_are_served_in_turn_and_each_in_order),
	    cmocka_unit_test(what_is_left_is_for_those_that_are_alone),
	    cmocka_unit_test(who_sends_one_by_one_is_alone_once_a_round),
	    cmocka_unit_test(who_sends_much_is_not_kept_out_by_many_that_send_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
