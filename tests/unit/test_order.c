/* SPDX-License-Identifier: ISC */
/* The order of a client's servers: by their places, and within a group by weight. */
#include "inboxq/base/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/conf.h"

#define CLIENTS 10000
#define MANY 100000
#define MOST 8

/* What a fleet's clients have as their first, second, ... choice. */
struct fleet {
	struct server servers[MOST];
	size_t count;
	size_t order[CLIENTS][MOST];
};

static struct fleet before, after;

static void
name_client(char name[32], unsigned i)
{
	snprintf(name, 32, "pc%u.example.org", i);
}

static void
draw(struct fleet *fleet, size_t count, const char *const words[])
{
	char name[32];
	struct why want;

	fleet->count = count;
	for (size_t i = 0; i < count; i++)
		assert_int_equal(server_parse(words[i], &fleet->servers[i], &want), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		unsigned seen = 0;

		name_client(name, i);
		order_servers(fleet->servers, count, name, fleet->order[i]);
		for (size_t k = 0; k < count; k++)
			seen |= 1u << fleet->order[i][k];
		assert_int_equal(seen, (1u << count) - 1);
	}
}

static unsigned
count_place(const struct fleet *fleet, size_t place, size_t server)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CLIENTS; i++)
		count += fleet->order[i][place] == server;
	return count;
}

/* Within five deviations of the binomial distribution, sqrt(n p (1 - p)) each. */
static void
assert_share(unsigned count, double share)
{
	double off = count - CLIENTS * share;

	if (off * off > 25 * CLIENTS * share * (1 - share))
		fail_msg("%u of %d, want %.0f", count, CLIENTS, CLIENTS * share);
}

static void
without_weights_the_order_is_as_written(void **state)
{
	static const char *const words[] = {"c", "a", "b", "srv:x"};

	(void)state;
	draw(&before, 4, words);
	for (size_t k = 0; k < 4; k++)
		assert_int_equal(count_place(&before, k, k), CLIENTS);
}

static void
first_choices_are_shared_by_weight(void **state)
{
	static const char *const words[] = {"a*1", "b*2", "c*3", "d*10"};

	(void)state;
	draw(&before, 4, words);
	assert_share(count_place(&before, 0, 0), 1 / 16.0);
	assert_share(count_place(&before, 0, 1), 2 / 16.0);
	assert_share(count_place(&before, 0, 2), 3 / 16.0);
	assert_share(count_place(&before, 0, 3), 10 / 16.0);
}

/* Whose first choice is away goes to the others by their weights, too: no one server gets all. */
static void
second_choices_are_shared_by_weight(void **state)
{
	static const char *const words[] = {"a*1", "b*1", "c*2"};
	unsigned first = 0, second = 0;

	(void)state;
	draw(&before, 3, words);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (before.order[i][0] != 0)
			continue;
		first++;
		second += before.order[i][1] == 2;
	}
	assert_in_range(second, first * 60 / 100, first * 73 / 100);
}

static void
server_added_moves_its_own_share_only(void **state)
{
	static const char *const three[] = {"a*2", "b*2", "c*2"};
	static const char *const four[] = {"a*2", "b*2", "new*2", "c*2"};
	static const size_t same[] = {0, 1, 3};
	unsigned moved = 0;

	(void)state;
	draw(&before, 3, three);
	draw(&after, 4, four);
	for (unsigned i = 0; i < CLIENTS; i++) {
		size_t was = same[before.order[i][0]], is = after.order[i][0];

		assert_true(is == was || is == 2);
		moved += is == 2;
	}
	assert_share(moved, 1 / 4.0);
}

/* Not so for what is but another way to write it, nor where a neighbour's weight changes. */
static void
own_weight_moves_nobody_between_others(void **state)
{
	static const char *const low[] = {"a*2", "b*2", "c*2"};
	static const char *const high[] = {"A.:7117*2", "b*9", "c*2"};

	(void)state;
	draw(&before, 3, low);
	draw(&after, 3, high);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_true(after.order[i][0] == before.order[i][0] || after.order[i][0] == 1);
}

static void
groups_keep_their_places(void **state)
{
	static const char *const words[] = {"a*1", "b*1", "last", "c*3", "d*1", "e"};

	(void)state;
	draw(&before, 6, words);
	assert_share(count_place(&before, 0, 0), 1 / 2.0);
	assert_share(count_place(&before, 0, 1), 1 / 2.0);
	assert_int_equal(count_place(&before, 2, 2), CLIENTS);
	assert_share(count_place(&before, 3, 3), 3 / 4.0);
	assert_share(count_place(&before, 4, 3), 1 / 4.0);
	assert_int_equal(count_place(&before, 5, 5), CLIENTS);
}

/* By degrees of freedom: chance alone is above it once in 100,000 times. */
static const double chi_square_most[MOST] = {0, 20, 24, 26, 29, 31, 34, 36};

static void
assert_even(const unsigned counts[], size_t count, double all)
{
	double sum = 0, want = all / (double)count;

	for (size_t i = 0; i < count; i++)
		sum += (counts[i] - want) * (counts[i] - want) / want;
	if (sum > chi_square_most[count - 1])
		fail_msg("chi-square of %zu servers: %f", count, sum);
}

static size_t
index_of(const struct conf_list *words, const char *word)
{
	for (size_t i = 0; i < words->count; i++)
		if (words->items[i] == word)
			return i;
	fail();
	return 0;
}

/* The first choices, and of those whose first is away the second ones. */
static void
spread_is_even(void **state)
{
	static char *items[MOST] = {"cap1", "cap2", "cap3.example.org", "192.0.2.1",
	    "[2001:db8::1]", "cap1:7118", "srv:example.org", "cap8"};
	char name[32];

	(void)state;
	for (size_t count = 2; count <= MOST; count++) {
		const struct conf_list words = {items, count};
		unsigned first[MOST] = {0}, second[MOST] = {0}, left = 0;

		for (unsigned i = 0; i < MANY; i++) {
			char **order;

			name_client(name, i);
			order = order_words(&words, ORDER_SPREAD, name);
			assert_non_null(order);
			first[index_of(&words, order[0])]++;
			if (order[0] == items[0]) {
				second[index_of(&words, order[1]) - 1]++;
				left++;
			}
			free(order);
		}
		assert_even(first, count, MANY);
		assert_even(second, count - 1, left);
	}
}

/* Wherever in the list it stands; and the other way round for one that goes. */
static void
spread_moves_only_to_a_server_that_is_added(void **state)
{
	static char *old[] = {"a", "b", "c"}, *new[] = {"a", "d", "b", "c"};
	const struct conf_list three = {old, 3}, four = {new, 4};
	unsigned moved = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		char **was, **is;
		size_t k = 0;

		name_client(name, i);
		was = order_words(&three, ORDER_SPREAD, name);
		is = order_words(&four, ORDER_SPREAD, name);
		assert_non_null(was);
		assert_non_null(is);
		moved += is[0] == new[1];
		/* Without it the order is as it was, down to the last. */
		for (size_t at = 0; at < 4; at++)
			if (is[at] != new[1])
				assert_string_equal(is[at], was[k++]);
		free(was);
		free(is);
	}
	assert_share(moved, 1 / 4.0);
}

/* Weights count as ever, beside that of 1. */
static void
spread_makes_one_group_of_all(void **state)
{
	static char *items[] = {"a", "b*2", "c"};
	const struct conf_list words = {items, 3};
	unsigned heavy = 0;
	char name[32];

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++) {
		char **order;

		name_client(name, i);
		order = order_words(&words, ORDER_SPREAD, name);
		assert_non_null(order);
		heavy += order[0] == items[1];
		free(order);
	}
	assert_share(heavy, 1 / 2.0);
}

/* What clients of all versions agree on: it may never change. */
static void
order_is_the_same_for_ever(void **state)
{
	static char *items[] = {"a.example*1", "b.example*1", "c.example:7118*4", "[fe80::1%x]*1"};
	const struct conf_list words = {items, 4};
	static const size_t expected[][4] = {{2, 3, 1, 0}, {3, 1, 2, 0}, {1, 2, 3, 0}};
	static const char *const who[] = {"pc1.example.org", "pc2.example.org", ""};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char **order = order_words(&words, ORDER_PREFERRED, who[i]);

		assert_non_null(order);
		for (size_t k = 0; k < 4; k++)
			assert_ptr_equal(order[k], items[expected[i][k]]);
		free(order);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_weights_the_order_is_as_written),
	    cmocka_unit_test(first_choices_are_shared_by_weight),
	    cmocka_unit_test(second_choices_are_shared_by_weight),
	    cmocka_unit_test(server_added_moves_its_own_share_only),
	    cmocka_unit_test(own_weight_moves_nobody_between_others),
	    cmocka_unit_test(groups_keep_their_places),
	    cmocka_unit_test(spread_is_even),
	    cmocka_unit_test(spread_moves_only_to_a_server_that_is_added),
	    cmocka_unit_test(spread_makes_one_group_of_all),
	    cmocka_unit_test(order_is_the_same_for_ever),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
