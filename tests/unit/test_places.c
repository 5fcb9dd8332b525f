/* SPDX-License-Identifier: ISC */
/* Whose place is given to one that comes, among a worker's guests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "inboxd/serve/front.h"
#include "inboxd/serve/shop.h"

#define GUESTS 1000 /* far more than are asked for one */

struct sitter {
	struct guest guest;
	struct shop *shop;
	int is_busy;
	unsigned asked;
};

static int
make_room(struct guest *guest)
{
	struct sitter *sitter = (struct sitter *)guest;

	sitter->asked++;
	if (sitter->is_busy)
		return 0;
	guest_retire(sitter->shop, guest);
	return 1;
}

static const struct front front = {.make_room = make_room};

struct room {
	struct shop shop;
	_Atomic uint64_t staying;
	struct sitter sitters[GUESTS]; /* as they came: the first was useful longest ago */
};

static void
on_empty(struct shop *shop)
{
	(void)shop;
}

static int
set_up(void **state)
{
	struct room *room = calloc(1, sizeof *room);

	assert_non_null(room);
	room->shop.staying = &room->staying;
	room->shop.on_empty = on_empty;
	for (size_t i = 0; i < GUESTS; i++) {
		room->sitters[i].shop = &room->shop;
		guest_enter(&room->shop, &room->sitters[i].guest, &front, NULL);
		room->sitters[i].guest.stays = 1;
		room->staying++;
	}
	*state = room;
	return 0;
}

static int
tear_down(void **state)
{
	struct room *room = *state;

	for (size_t i = 0; i < GUESTS; i++)
		guest_leave(&room->shop, &room->sitters[i].guest);
	assert_null(room->shop.guests);
	assert_null(room->shop.last_guest);
	free(room);
	return 0;
}

static void
who_was_useful_longest_ago_goes_first(void **state)
{
	struct room *room = *state;

	guest_touch(&room->shop, &room->sitters[0].guest);
	for (size_t i = 1; i < 4; i++) {
		assert_true(guest_make_room(&room->shop));
		assert_false(room->sitters[i].guest.stays);
	}
	assert_true(room->sitters[0].guest.stays);
	assert_int_equal(room->staying, GUESTS - 3);
}

/* A peer may take its time to close, and thousands of them together: they are no idle ones. */
static void
those_that_go_already_hide_nobody(void **state)
{
	struct room *room = *state;

	for (size_t i = 0; i < GUESTS; i++)
		assert_true(guest_make_room(&room->shop));
	assert_false(guest_make_room(&room->shop));
	assert_int_equal(room->staying, 0);
	for (size_t i = 0; i < GUESTS; i++)
		assert_int_equal(room->sitters[i].asked, 1);
}

/* Sessions with an item under way for hours, as their clients like it: one newcomer may find
 * nobody behind them, but not one after the other. */
static void
those_that_cannot_go_hide_others_no_longer_than_once(void **state)
{
	struct room *room = *state;
	unsigned tries = 1;

	for (size_t i = 0; i < GUESTS - 1; i++)
		room->sitters[i].is_busy = 1;
	while (!guest_make_room(&room->shop) && tries < GUESTS)
		tries++;
	assert_false(room->sitters[GUESTS - 1].guest.stays);
	assert_in_range(tries, 1, 4);
}

/* However few there are, each is asked once for one. */
static void
each_is_asked_once(void **state)
{
	struct room *room = *state;

	for (size_t i = 0; i < GUESTS; i++) {
		room->sitters[i].is_busy = 1;
		if (i >= 10)
			guest_leave(&room->shop, &room->sitters[i].guest);
	}
	assert_false(guest_make_room(&room->shop));
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(room->sitters[i].asked, 1);
	for (size_t i = 10; i < GUESTS; i++)
		guest_enter(&room->shop, &room->sitters[i].guest, &front, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	    TEST(who_was_useful_longest_ago_goes_first),
	    TEST(those_that_go_already_hide_nobody),
	    TEST(those_that_cannot_go_hide_others_no_longer_than_once),
	    TEST(each_is_asked_once),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
