/* SPDX-License-Identifier: ISC */
/* What is remembered of clients: nothing too much, nothing forgotten. */
#include "inboxd/commit/clients.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"

#define OTHER_QUEUE "00000000000000000000000000000001"

static struct clients *clients;
static struct queue *queue;

static struct {
	uint64_t first[8], last[8];
	size_t count;
} gaps;

static int
setup(void **state)
{
	(void)state;
	clients = clients_new();
	queue = clients_add(clients, SAMPLE_CLIENT, SAMPLE_QUEUE, 1);
	gaps.count = 0;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	return 0;
}

static void
on_gap(void *ctx, struct queue *of, uint64_t first, uint64_t last)
{
	assert_ptr_equal(ctx, &gaps);
	assert_ptr_equal(of, queue);
	assert_true(gaps.count < 8);
	gaps.first[gaps.count] = first;
	gaps.last[gaps.count++] = last;
}

static void
ignore_gap(void *ctx, struct queue *of, uint64_t first, uint64_t last)
{
	(void)ctx, (void)of, (void)first, (void)last;
}

static uint64_t
settle(uint64_t number)
{
	gaps.count = 0;
	return queue_settle(queue, number, on_gap, &gaps);
}

static void
assert_gap(size_t i, uint64_t first, uint64_t last)
{
	assert_true(i < gaps.count);
	assert_true(gaps.first[i] == first);
	assert_true(gaps.last[i] == last);
}

static struct known *
add(uint64_t n, const char *inbox, const char *bytes)
{
	struct record record = {.type = RECORD_ACCEPT, .seq = n + 1000, .n = n};

	record.size = strlen(bytes);
	sample_digest(bytes, record.sha256);
	snprintf(record.inbox, sizeof record.inbox, "%s", inbox);
	snprintf(record.name, sizeof record.name, "name-%s-%s", inbox, bytes);
	return queue_add_item(queue, &record);
}

static struct known *
find(uint64_t n, const char *inbox, const char *bytes)
{
	unsigned char sha256[DIGEST_SIZE];

	sample_digest(bytes, sha256);
	return queue_find(queue, n, inbox, sha256);
}

static void
void_item(uint64_t n, const char *inbox, const char *bytes, uint64_t seq, int wanted)
{
	unsigned char sha256[DIGEST_SIZE];

	sample_digest(bytes, sha256);
	assert_int_equal(queue_void(queue, n, inbox, sha256, seq), wanted);
}

static size_t
count_entries(void)
{
	return queue->entries.items + queue->entries.skips;
}

static void
assert_sorted(void)
{
	const struct known *known = NULL;
	uint64_t number = 0;
	size_t items = 0;

	while ((known = entries_next(&queue->entries, known))) {
		assert_true(known->number >= number);
		number = known->number;
		items += !known->is_skip;
	}
	assert_int_equal(items, queue->entries.items);
}

static void
keeps_entries_sorted_whatever_their_order(void **state)
{
	struct known *known = NULL;
	uint64_t n = 1;
	char bytes[16];

	(void)state;
	/* 7 is a primitive root of 101: each number from 1 to 100 once, in disorder. */
	for (int i = 0; i < 100; i++, n = n * 7 % 101) {
		snprintf(bytes, sizeof bytes, "%u", (unsigned)n);
		(void)add(n, "status", bytes);
		assert_sorted();
	}
	assert_int_equal(count_entries(), 100);
	for (n = 1; n <= 100; n++) {
		snprintf(bytes, sizeof bytes, "%u", (unsigned)n);
		known = entries_next(&queue->entries, known);
		assert_ptr_equal(find(n, "status", bytes), known);
		assert_int_equal(known->number, n);
	}
}

static void
knows_an_item_by_number_inbox_and_digest(void **state)
{
	struct known *one, *other, *elsewhere;

	(void)state;
	one = add(5, "status", "one");
	other = add(5, "status", "other");
	elsewhere = add(5, "dumps", "one");
	(void)add(4, "status", "below");
	(void)add(6, "status", "above");
	assert_ptr_equal(find(5, "status", "one"), one);
	assert_ptr_equal(find(5, "status", "other"), other);
	assert_ptr_equal(find(5, "dumps", "one"), elsewhere);
	assert_string_equal(one->item->name, "name-status-one");
	assert_null(find(5, "dumps", "other"));
	assert_null(find(6, "status", "one"));
	assert_null(find(5, "statu", "one"));
	assert_null(find(7, "status", "one"));
	void_item(5, "status", "one", 1004, 0);
	void_item(5, "status", "other", 1005, 1);
	void_item(5, "status", "other", 1005, 0);
	assert_null(find(5, "status", "other"));
	assert_ptr_equal(find(5, "status", "one"), one);
	assert_ptr_equal(find(5, "dumps", "one"), elsewhere);
	assert_int_equal(queue->entries.items, 4);
	assert_sorted();
}

static void
takes_no_skip_for_an_item(void **state)
{
	unsigned char zero[DIGEST_SIZE] = {0};

	(void)state;
	assert_int_equal(queue_add_skip(queue, 3), 1);
	assert_null(queue_find(queue, 3, "", zero));
	assert_int_equal(queue_has_used(queue, 3), 0);
	assert_int_equal(queue->entries.items, 0);
	assert_int_equal(queue_add_skip(queue, 3), 0);
	(void)add(4, "status", "x");
	assert_int_equal(queue_has_used(queue, 4), 1);
	assert_int_equal(queue_add_skip(queue, 4), 0);
	(void)add(3, "status", "came after all");
	assert_int_equal(queue_has_used(queue, 3), 1);
	assert_non_null(find(3, "status", "came after all"));
	assert_int_equal(queue_has_used(queue, 2), 0);
	assert_int_equal(settle(3), 2);
	assert_int_equal(queue_has_used(queue, 2), 1);
	assert_int_equal(queue_add_skip(queue, 2), 0);
	assert_int_equal(queue_add_skip(queue, 9), 1);
	assert_sorted();
	assert_int_equal(queue->entries.items, 2);
	assert_int_equal(queue_add_skip(queue, 9), 0);
}

static void
settles_without_a_gap_what_came_or_was_skipped(void **state)
{
	(void)state;
	(void)add(1, "status", "a");
	(void)add(2, "status", "b");
	(void)add(2, "status", "b of a clone");
	assert_int_equal(queue_add_skip(queue, 3), 1);
	(void)add(4, "status", "d");
	(void)add(9, "status", "not settled");
	assert_int_equal(settle(5), 0);
	assert_int_equal(gaps.count, 0);
	assert_int_equal(queue->settled, 5);
	assert_int_equal(count_entries(), 1);
	assert_int_equal(queue->entries.items, 1);
	assert_null(find(4, "status", "d"));
	assert_non_null(find(9, "status", "not settled"));
	assert_int_equal(settle(5), 0);
	assert_int_equal(queue->settled, 5);
}

static void
counts_one_gap_exactly(void **state)
{
	(void)state;
	(void)add(1, "status", "a");
	(void)add(3, "status", "c");
	assert_int_equal(settle(4), 1);
	assert_int_equal(gaps.count, 1);
	assert_gap(0, 2, 2);
}

static void
counts_several_gaps_from_the_mark_to_the_number(void **state)
{
	(void)state;
	(void)add(4, "status", "a");
	assert_int_equal(queue_add_skip(queue, 5), 1);
	(void)add(10, "status", "b");
	(void)add(10, "status", "b again");
	(void)add(12, "status", "c");
	(void)add(20, "status", "stays");
	assert_int_equal(settle(15), 3 + 4 + 1 + 2);
	assert_int_equal(gaps.count, 4);
	assert_gap(0, 1, 3);
	assert_gap(1, 6, 9);
	assert_gap(2, 11, 11);
	assert_gap(3, 13, 14);
	/* On from there, and each number is missed once only. */
	assert_int_equal(settle(21), 5);
	assert_int_equal(gaps.count, 1);
	assert_gap(0, 15, 19);
	assert_int_equal(count_entries(), 0);
}

static void
counts_a_gap_where_nothing_came_at_all(void **state)
{
	(void)state;
	assert_int_equal(settle(2), 1);
	assert_gap(0, 1, 1);
	assert_int_equal(queue->settled, 2);
}

static void
never_moves_the_mark_down(void **state)
{
	(void)state;
	assert_int_equal(settle(10), 9);
	(void)add(3, "status", "late");
	(void)add(7, "status", "later");
	assert_int_equal(settle(5), 0);
	assert_int_equal(gaps.count, 0);
	assert_int_equal(queue->settled, 10);
	assert_int_equal(queue->entries.items, 1);
	assert_non_null(find(7, "status", "later"));
	/* What came below the mark is no gap's end. */
	assert_int_equal(settle(12), 2);
	assert_int_equal(gaps.count, 1);
	assert_gap(0, 10, 11);
	assert_int_equal(count_entries(), 0);
}

/* A gap that no loss explains spoils the sum of no others. */
static void
counts_a_jump_as_one(void **state)
{
	(void)state;
	assert_int_equal(settle(CLIENTS_JUMP), CLIENTS_JUMP - 1);
	assert_int_equal(settle(2 * CLIENTS_JUMP + 1), 1);
	assert_gap(0, CLIENTS_JUMP, 2 * CLIENTS_JUMP);
	assert_int_equal(settle(2 * CLIENTS_JUMP + 6), 5);
}

static void
counts_gaps_up_to_the_highest_number(void **state)
{
	const uint64_t top = PROTO_NUMBER_MAX;

	(void)state;
	(void)add(top, "status", "the last");
	(void)add(top - 2, "status", "near it");
	assert_true(settle(top) == 2); /* a jump, and a number */
	assert_int_equal(gaps.count, 2);
	assert_gap(0, 1, top - 3);
	assert_gap(1, top - 1, top - 1);
	assert_true(queue->settled == top);
	assert_int_equal(queue->entries.items, 1);
	assert_int_equal(settle(top), 0);
	assert_int_equal(queue_add_skip(queue, top), 0);
	assert_int_equal(queue_add_skip(queue, top - 1), 0);
}

static void
finds_a_queue_by_identity_and_id(void **state)
{
	struct queue *last = queue;
	char identity[32];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(identity, sizeof identity, "pc%d.example.org", i * 37 % 200);
		assert_null(clients_find(clients, identity, OTHER_QUEUE));
		(void)clients_add(clients, identity, OTHER_QUEUE, 7);
	}
	assert_int_equal(clients_count(clients), 201);
	assert_null(clients_from(clients, 201));
	assert_ptr_equal(clients_next(clients, NULL), queue);
	assert_ptr_equal(clients_find(clients, SAMPLE_CLIENT, SAMPLE_QUEUE), queue);
	assert_ptr_not_equal(clients_find(clients, SAMPLE_CLIENT, OTHER_QUEUE), queue);
	assert_null(clients_find(clients, "pc1.example.org", SAMPLE_QUEUE));
	assert_null(clients_find(clients, "pc1.example.or", OTHER_QUEUE));
	for (int i = 0; i < 200; i++) {
		struct queue *found, *next = clients_next(clients, last);
		snprintf(identity, sizeof identity, "pc%d.example.org", i * 37 % 200);
		found = clients_find(clients, identity, OTHER_QUEUE);
		assert_ptr_equal(found, next);
		last = found;
		assert_string_equal(found->identity, identity);
		assert_int_equal(found->settled, 7);
	}
}

/* ---- what happens to queues, against a model of it that only counts */

#define MODELS 40
#define STEPS 20000

static struct {
	struct queue *queue; /* NULL: not known */
	uint64_t arrival;
	int64_t seen;
	uint64_t age;
	int holds, items, skips;
} models[MODELS];
static uint64_t arrivals;
static uint32_t dice;

static uint32_t
roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static void
name_model(size_t i, char identity[32])
{
	snprintf(identity, 32, "pc%zu.example.org", i / 2);
}

static const char *
model_id(size_t i)
{
	return i % 2 ? OTHER_QUEUE : SAMPLE_QUEUE;
}

static const char *
number_text(int number)
{
	static char text[16];

	snprintf(text, sizeof text, "%d", number);
	return text;
}

static void
change_model(size_t i)
{
	char identity[32];

	name_model(i, identity);
	if (!models[i].queue) {
		models[i].queue = clients_add(clients, identity, model_id(i), 1);
		models[i].arrival = arrivals++;
		models[i].seen = 0;
		models[i].age = 0;
		return;
	}
	queue = models[i].queue;
	switch (roll(7)) {
	case 0:
		queue_hold(queue);
		models[i].holds++;
		break;
	case 1:
		if (models[i].holds > 0) {
			queue_release(queue);
			models[i].holds--;
		}
		break;
	case 2:
		models[i].seen = roll(20);
		models[i].age = roll(5);
		queue_see(queue, models[i].seen, models[i].age);
		break;
	case 3:
		models[i].skips += queue_add_skip(queue, queue->settled + roll(3));
		break;
	case 6:
		(void)add(queue->settled + 3 + roll(3), "status", number_text(models[i].items++));
		break;
	case 4:
		queue_settle(queue, queue->settled + 6, ignore_gap, NULL);
		models[i].items = models[i].skips = 0;
		break;
	case 5:
		if (models[i].holds == 0) {
			clients_remove(clients, queue);
			models[i].queue = NULL;
			models[i].items = models[i].skips = 0;
		}
		break;
	}
}

/* Is the one unseen for longer, by the ledger's age, then by date; or, of two as long, has it come
 * before? */
static int
is_before(size_t i, size_t j)
{
	if (models[i].age != models[j].age)
		return models[i].age < models[j].age;
	return models[i].seen != models[j].seen ? models[i].seen < models[j].seen
	                                        : models[i].arrival < models[j].arrival;
}

/* Two queues are one client's. */
static void
assert_clients_as_models(void)
{
	size_t items = 0, skips = 0;
	char identity[32];

	for (size_t i = 0; i < MODELS; i += 2) {
		int queues = (models[i].queue != NULL) + (models[i + 1].queue != NULL);
		struct client *client;
		name_model(i, identity);
		client = clients_find_client(clients, identity);
		assert_int_equal(client != NULL, queues > 0);
		items += (size_t)(models[i].items + models[i + 1].items);
		skips += (size_t)(models[i].skips + models[i + 1].skips);
		if (!client)
			continue;
		assert_string_equal(client->identity, identity);
		assert_int_equal(client->count, queues);
		assert_int_equal(client->items, models[i].items + models[i + 1].items);
		assert_int_equal(client->skips, models[i].skips + models[i + 1].skips);
	}
	assert_int_equal(clients_items(clients), items);
	assert_int_equal(clients_skips(clients), skips);
}

/* One after the other, and none is left out. */
static void
assert_all_that_rest(size_t from)
{
	const struct queue *at = from < MODELS ? models[from].queue : NULL;

	while (at) {
		size_t next = MODELS;
		at = clients_longest_unseen(clients, at);
		for (size_t i = 0; i < MODELS; i++)
			if (models[i].queue && models[i].holds == 0 &&
			    models[i].items + models[i].skips == 0 && is_before(from, i) &&
			    (next == MODELS || is_before(i, next)))
				next = i;
		assert_ptr_equal(at, next < MODELS ? models[next].queue : NULL);
		from = next;
	}
}

static void
assert_as_models(void)
{
	size_t count = 0, longest = MODELS;
	uint64_t before = 0;
	char identity[32];

	for (size_t i = 0; i < MODELS; i++) {
		name_model(i, identity);
		assert_ptr_equal(clients_find(clients, identity, model_id(i)), models[i].queue);
		count += models[i].queue != NULL;
		if (models[i].queue && models[i].holds == 0 &&
		    models[i].items + models[i].skips == 0 &&
		    (longest == MODELS || is_before(i, longest)))
			longest = i;
	}
	assert_int_equal(clients_count(clients), count);
	assert_ptr_equal(clients_longest_unseen(clients, NULL),
	    longest < MODELS ? models[longest].queue : NULL);
	assert_all_that_rest(longest);
	for (queue = NULL; (queue = clients_next(clients, queue)); count--) {
		assert_true(before <= queue->arrival);
		before = queue->arrival + 1;
	}
	assert_int_equal(count, 0);
	assert_clients_as_models();
}

static void
knows_who_rests_and_is_unseen_for_longest(void **state)
{
	(void)state;
	clients_remove(clients, queue);
	memset(models, 0, sizeof models);
	arrivals = 1;
	dice = 10;
	for (int i = 0; i < STEPS; i++) {
		change_model(roll(MODELS));
		assert_as_models();
	}
}

/* By way of its line: what has no place there would be gone after a restart. */
static void
tells_a_queue_in_a_record_and_back(void **state)
{
	struct record record = {0}, back;
	char line[RECORD_LINE_MAX + 1];
	struct figures figures, again;
	struct queue *copy;

	(void)state;
	queue->settled = 12;
	sample_set_figures(queue, 7);
	queue->age = 99;
	queue_record(queue, &record);
	assert_int_equal(record.type, RECORD_QUEUE);
	assert_int_equal(record_parse(line, record_format(&record, line) - 1, &back), 0);
	copy = clients_add(clients, back.identity, OTHER_QUEUE, 1);
	queue_restore(copy, &back);
	assert_string_equal(copy->identity, queue->identity);
	assert_int_equal(copy->settled, 12);
	assert_int_equal(copy->age, 99);
	queue_figures(queue, &figures);
	queue_figures(copy, &again);
	assert_memory_equal(&again, &figures, sizeof figures);
	assert_string_equal(again.hello.agent, record.figures.hello.agent);
	/* By another agent; by one that does not say. */
	queue_set_hello(copy, &(struct hello){.agent = "curl/8"});
	queue_figures(copy, &again);
	assert_string_equal(again.hello.agent, "curl/8");
	queue_set_hello(copy, &(struct hello){.agent = ""});
	queue_figures(copy, &again);
	assert_string_equal(again.hello.agent, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        keeps_entries_sorted_whatever_their_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        knows_an_item_by_number_inbox_and_digest, setup, teardown),
	    cmocka_unit_test_setup_teardown(takes_no_skip_for_an_item, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        settles_without_a_gap_what_came_or_was_skipped, setup, teardown),
	    cmocka_unit_test_setup_teardown(counts_one_gap_exactly, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        counts_several_gaps_from_the_mark_to_the_number, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        counts_a_gap_where_nothing_came_at_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(never_moves_the_mark_down, setup, teardown),
	    cmocka_unit_test_setup_teardown(counts_a_jump_as_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        counts_gaps_up_to_the_highest_number, setup, teardown),
	    cmocka_unit_test_setup_teardown(finds_a_queue_by_identity_and_id, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        knows_who_rests_and_is_unseen_for_longest, setup, teardown),
	    cmocka_unit_test_setup_teardown(tells_a_queue_in_a_record_and_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
