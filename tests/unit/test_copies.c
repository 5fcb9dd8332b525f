/* SPDX-License-Identifier: ISC */
/* inboxctl/root/copies: what is there more than once, among what is not. */
#include "inboxctl/root/copies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 50000

static struct copies copies;

static int
setup(void **state)
{
	(void)state;
	copies = (struct copies){.of_number = UINT64_MAX};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	copies_free(&copies);
	return 0;
}

struct item {
	const char *client, *queue;
	uint64_t n;
	unsigned char digest;
	int64_t time;
	size_t at;
};

static struct entry
entry_of(const struct item *item)
{
	struct entry entry;

	memset(&entry, 0, sizeof entry);
	entry.outcome = OUTCOME_STORED;
	entry.record.type = RECORD_ACCEPT;
	entry.record.n = item->n;
	entry.record.time = item->time;
	entry.record.sha256[0] = item->digest;
	snprintf(entry.record.identity, sizeof entry.record.identity, "%s", item->client);
	snprintf(entry.record.queue, sizeof entry.record.queue, "%s", item->queue);
	snprintf(entry.record.inbox, sizeof entry.record.inbox, "status");
	snprintf(entry.record.name, sizeof entry.record.name, "%s-%d-%d", item->client,
	    (int)item->n, (int)item->at);
	return entry;
}

static void
read_twice(const struct item *items, size_t count, int64_t since)
{
	for (size_t i = 0; i < count; i++) {
		struct entry entry = entry_of(&items[i]);
		assert_int_equal(copies_note(&copies, &entry.record), 0);
	}
	copies_narrow(&copies);
	for (size_t i = 0; i < count; i++) {
		struct entry entry = entry_of(&items[i]);
		assert_int_equal(copies_take(&copies, &entry, items[i].at), 0);
	}
	copies_finish(&copies, since);
}

/* "pc1/7@0 pc1/7@1 " */
static const char *
told(void)
{
	static char text[512];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < copies.count; i++)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s/%d@%d ",
		    copies.all[i]->identity, (int)copies.all[i]->n, (int)copies.all[i]->at);
	return text;
}

static const struct item items[] = {
    {"pc1", "a", 1, 1, 10, 0}, {"pc1", "a", 2, 2, 20, 0}, {"pc2", "b", 1, 1, 30, 0},
    {"pc1", "a", 2, 2, 15, 1}, /* by the other's clock it was there first */
    {"pc2", "a", 1, 1, 40, 1}, {"pc1", "a", 1, 9, 41, 1}, {"pc1", "a", 3, 1, 42, 1},
    {"pc2", "b", 1, 1, 50, 2}, {"pc2", "b", 1, 1, 60, 1}};
#define ITEMS (sizeof items / sizeof items[0])

static void
what_differs_in_any_part_of_its_key_is_another_item(void **state)
{
	(void)state;
	read_twice(items, ITEMS, INT64_MIN);
	assert_string_equal(told(), "pc1/2@1 pc1/2@0 pc2/1@0 pc2/1@2 pc2/1@1 ");
	assert_true(copies_are_one(copies.all[0], copies.all[1]));
	assert_false(copies_are_one(copies.all[1], copies.all[2]));
}

static void
items_that_share_a_number_are_told_apart(void **state)
{
	(void)state;
	copies.of_number = 0;
	read_twice(items, ITEMS, INT64_MIN);
	assert_string_equal(told(), "pc1/2@1 pc1/2@0 pc2/1@0 pc2/1@2 pc2/1@1 ");
}

static void
since_is_of_the_last_copy(void **state)
{
	(void)state;
	read_twice(items, ITEMS, 60);
	assert_string_equal(told(), "pc2/1@0 pc2/1@2 pc2/1@1 ");
}

static void
none_is_none(void **state)
{
	(void)state;
	read_twice(items, 3, INT64_MIN);
	assert_int_equal(copies.count, 0);
	assert_int_equal(copies.number_count, 0);
	copies_free(&copies);
	read_twice(NULL, 0, INT64_MIN);
	assert_int_equal(copies.count, 0);
}

/* Twice at one is twice, too; and of many that are there once nothing is kept. */
static void
few_are_found_among_many(void **state)
{
	static struct item many[MANY];

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		many[i] = (struct item){"pc1", "a", i < MANY - 1 ? i + 1 : 17, (unsigned char)i,
		    (int64_t)i, 0};
	many[MANY - 1].digest = many[16].digest;
	read_twice(many, MANY, INT64_MIN);
	assert_string_equal(told(), "pc1/17@0 pc1/17@0 ");
	assert_int_equal(copies.number_count, 1);
}

int
main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(what_differs_in_any_part_of_its_key_is_another_item),
	    TEST(items_that_share_a_number_are_told_apart), TEST(since_is_of_the_last_copy),
	    TEST(none_is_none), TEST(few_are_found_among_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
