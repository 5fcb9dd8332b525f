/* SPDX-License-Identifier: ISC */
/*
 * What a queue is missing, against a model that has a flag a number.  Where gaps were made one,
 * what it tells must still be true of the model: no number that is missing, and that nobody has
 * confirmed, lies outside of what is told, and as many as are told are missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inboxd/commit/clients.h"
#include "inboxd/commit/missing.h"
#include "inboxd/commit/view.h"
#include "sample.h"

#define NUMBERS 400

static struct clients *clients;
static struct queue *queue;
static char is_missing[NUMBERS], is_known[NUMBERS];

static int
setup(void **state)
{
	(void)state;
	clients = clients_new();
	queue = clients_add(clients, SAMPLE_CLIENT, SAMPLE_QUEUE, NUMBERS);
	memset(is_missing, 0, sizeof is_missing);
	memset(is_known, 0, sizeof is_known);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	return 0;
}

/* "2-4 7(known) 9-20:6*3": 6 of them, made of 3 gaps. */
static void
assert_gaps(const char *wanted)
{
	char text[2048] = "";
	size_t at = 0;

	for (size_t i = 0; i < gaps_count(&queue->gaps); i++) {
		const struct gap *gap = gaps_at(&queue->gaps, i);
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", i ? " " : "",
		    (int)gap->first);
		if (gap->last != gap->first)
			at += (size_t)snprintf(text + at, sizeof text - at, "-%d", (int)gap->last);
		if (gap->missing != gap->last - gap->first + 1 || gap->count != 1)
			at += (size_t)snprintf(text + at, sizeof text - at, ":%d*%d",
			    (int)gap->missing, (int)gap->count);
		if (gap->known)
			at += (size_t)snprintf(text + at, sizeof text - at, "(known)");
	}
	assert_string_equal(text, wanted);
	assert_int_equal(clients_gaps_unknown(clients), gaps_unknown(&queue->gaps));
}

static int
end(uint64_t number)
{
	struct gap was;

	return missing_end(queue, number, &was);
}

static void
confirm(uint64_t first, uint64_t last, enum gaps_confirmed wanted, uint64_t wanted_count)
{
	uint64_t count;

	assert_int_equal(missing_confirm(queue, first, last, &count), wanted);
	if (wanted == GAPS_CONFIRMED)
		assert_int_equal(count, wanted_count);
}

/* ---- by example */

static void
costs_a_queue_without_gaps_a_pointer(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct gaps), sizeof(void *));
	assert_null(queue->gaps.list);
	missing_add(queue, 2, 4, 17);
	for (uint64_t n = 2; n <= 4; n++)
		assert_true(end(n));
	assert_null(queue->gaps.list);
}

static void
keeps_gaps_by_number_with_since(void **state)
{
	(void)state;
	missing_add(queue, 20, 21, 7);
	missing_add(queue, 2, 4, 5);
	missing_add(queue, 9, 9, 6);
	assert_gaps("2-4 9 20-21");
	assert_int_equal(gaps_at(&queue->gaps, 0)->since, 5);
	assert_int_equal(gaps_at(&queue->gaps, 1)->since, 6);
	assert_int_equal(gaps_at(&queue->gaps, 2)->since, 7);
	missing_add(queue, 3, 3, 1); /* it is there */
	assert_gaps("2-4 9 20-21");
	assert_int_equal(gaps_total(&queue->gaps), 3);
	assert_int_equal(gaps_unknown(&queue->gaps), 3);
}

static void
ends_what_comes_after_all(void **state)
{
	(void)state;
	queue->figures.tally.missing = 6;
	missing_add(queue, 2, 6, 5);
	missing_add(queue, 9, 9, 6);
	assert_false(queue_has_used(queue, 4));
	assert_true(end(4));
	assert_true(queue_has_used(queue, 4));
	assert_false(end(4));
	assert_gaps("2-3 5-6 9");
	assert_int_equal(gaps_at(&queue->gaps, 1)->since, 5);
	assert_true(end(2));
	assert_true(end(6));
	assert_true(end(9));
	assert_false(end(1));
	assert_false(end(10));
	assert_gaps("3 5");
	assert_int_equal(queue->figures.tally.missing, 2);
}

static void
takes_the_end_of_one_back(void **state)
{
	struct gap was;
	uint64_t count;

	(void)state;
	queue->figures.tally.missing = 5;
	missing_add(queue, 2, 6, 5);
	assert_int_equal(missing_confirm(queue, 2, 6, &count), GAPS_CONFIRMED);
	assert_true(missing_end(queue, 4, &was));
	assert_int_equal(queue->figures.tally.missing, 4);
	missing_undo(queue, &was);
	assert_gaps("2-3(known) 4(known) 5-6(known)");
	assert_int_equal(gaps_at(&queue->gaps, 1)->since, 5);
	assert_int_equal(queue->figures.tally.missing, 5);
}

/* That counts as one number missing, and 0 would say that none is. */
static void
takes_no_number_of_a_jump_for_all_of_it(void **state)
{
	struct gap was;

	(void)state;
	queue->settled = 5 * CLIENTS_JUMP;
	queue->figures.tally.missing = 1;
	missing_add(queue, 2, 4 * CLIENTS_JUMP, 5);
	assert_true(missing_end(queue, 2 * CLIENTS_JUMP, &was));
	assert_int_equal(gaps_count(&queue->gaps), 2);
	assert_int_equal(queue->figures.tally.missing, 1);
	missing_undo(queue, &was);
	assert_int_equal(gaps_count(&queue->gaps), 3);
	assert_int_equal(queue->figures.tally.missing, 1);
}

/* What is left of it on both sides may be no jump any more. */
static void
takes_no_part_of_a_jump_for_all_that_is_missing(void **state)
{
	struct gap was;

	(void)state;
	queue->settled = 5 * CLIENTS_JUMP;
	queue->figures.tally.missing = 3; /* the jump, and two that are lost */
	missing_add(queue, 2, CLIENTS_JUMP + 2, 5);
	missing_add(queue, CLIENTS_JUMP + 4, CLIENTS_JUMP + 5, 5);
	for (uint64_t n = 0; n < 10; n++) {
		assert_true(missing_end(queue, CLIENTS_JUMP / 2 + n, &was));
		assert_true(queue->figures.tally.missing >= gaps_count(&queue->gaps));
	}
	assert_gaps("2-499999 500010-1000002 1000004-1000005");
	assert_int_equal(queue->figures.tally.missing, 3);
}

static void
confirms_what_is_missing_in_a_range(void **state)
{
	(void)state;
	missing_add(queue, 2, 6, 5);
	missing_add(queue, 9, 9, 6);
	missing_add(queue, 12, 20, 7);
	confirm(7, 8, GAPS_NONE, 0);
	confirm(21, 300, GAPS_NONE, 0);
	confirm(1, 1, GAPS_NONE, 0);
	confirm(3, 4, GAPS_CONFIRMED, 1);
	assert_gaps("2 3-4(known) 5-6 9 12-20");
	confirm(3, 4, GAPS_CONFIRMED, 0);
	confirm(4, 4, GAPS_CONFIRMED, 0);
	confirm(6, 13, GAPS_CONFIRMED, 3);
	assert_gaps("2 3-4(known) 5 6(known) 9(known) 12-13(known) 14-20");
	assert_int_equal(gaps_at(&queue->gaps, 5)->since, 7);
	assert_int_equal(gaps_unknown(&queue->gaps), 3);
	confirm(1, 100, GAPS_CONFIRMED, 3);
	assert_int_equal(gaps_unknown(&queue->gaps), 0);
	assert_int_equal(gaps_total(&queue->gaps), 7);
}

static void
makes_the_two_oldest_one_where_there_are_too_many(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < GAPS_MAX + 2; i++)
		missing_add(queue, 10 * i + 2, 10 * i + 4, (int64_t)i + 1);
	assert_int_equal(gaps_count(&queue->gaps), GAPS_MAX);
	assert_int_equal(gaps_at(&queue->gaps, 0)->first, 2);
	assert_int_equal(gaps_at(&queue->gaps, 0)->last, 24);
	assert_int_equal(gaps_at(&queue->gaps, 0)->missing, 9);
	assert_int_equal(gaps_at(&queue->gaps, 0)->count, 3);
	assert_int_equal(gaps_at(&queue->gaps, 0)->since, 1);
	assert_int_equal(gaps_total(&queue->gaps), GAPS_MAX + 2);
	/* What in it is missing nobody knows. */
	assert_false(end(3));
	confirm(3, 3, GAPS_MERGED, 0);
	confirm(23, 33, GAPS_MERGED, 0);
	assert_int_equal(gaps_unknown(&queue->gaps), GAPS_MAX + 2);
	confirm(1, 30, GAPS_CONFIRMED, 3);
	assert_int_equal(gaps_unknown(&queue->gaps), GAPS_MAX - 1);
}

static void
lets_the_oldest_known_one_go_first(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < GAPS_MAX; i++)
		missing_add(queue, 10 * i + 2, 10 * i + 4, 1);
	confirm(22, 34, GAPS_CONFIRMED, 2);
	missing_add(queue, 390, 390, 2);
	assert_int_equal(gaps_count(&queue->gaps), GAPS_MAX);
	assert_int_equal(gaps_at(&queue->gaps, 1)->first, 12);
	assert_int_equal(gaps_at(&queue->gaps, 2)->first, 32);
	assert_int_equal(gaps_unknown(&queue->gaps), GAPS_MAX - 1);
}

static void
survives_its_records(void **state)
{
	struct record records[GAPS_MAX], read;
	char line[RECORD_LINE_MAX + 1];
	size_t count, len;

	(void)state;
	for (uint64_t i = 0; i < GAPS_MAX + 1; i++)
		missing_add(queue, 10 * i + 2, 10 * i + 4, (int64_t)i * 1000000);
	confirm(102, 103, GAPS_CONFIRMED, 1);
	count = gaps_count(&queue->gaps);
	for (size_t i = 0; i < count; i++)
		missing_record(queue, gaps_at(&queue->gaps, i), &records[i]);
	teardown(NULL);
	setup(NULL);
	for (size_t i = 0; i < count; i++) {
		len = record_format(&records[i], line);
		assert_int_equal(record_parse(line, len - 1, &read), 0);
		assert_int_equal(read.kept, 1);
		missing_restore(queue, &read);
	}
	assert_int_equal(gaps_count(&queue->gaps), count);
	for (size_t i = 0; i < count; i++) {
		struct record again;
		missing_record(queue, gaps_at(&queue->gaps, i), &again);
		assert_memory_equal(&again, &records[i], sizeof again);
	}
}

static void
believes_no_record_that_cannot_be(void **state)
{
	struct record record = {.type = RECORD_GAP, .n = 11, .to = 12, .kept = 1, .missing = 9,
	    .gaps = INT64_MAX};

	(void)state;
	missing_restore(queue, &record);
	record = (struct record){.type = RECORD_GAP, .n = 12, .to = 14, .kept = 1};
	missing_restore(queue, &record);
	/* Above the mark nothing is missing yet. */
	record = (struct record){.type = RECORD_GAP, .n = NUMBERS - 1, .to = NUMBERS, .kept = 1};
	missing_restore(queue, &record);
	assert_gaps("11-12");
}

static void
goes_with_its_queue(void **state)
{
	(void)state;
	missing_add(queue, 2, 6, 5);
	clients_add(clients, SAMPLE_CLIENT, "00000000000000000000000000000001", 1);
	clients_remove(clients, queue);
	assert_int_equal(clients_gaps_unknown(clients), 0);
}

static void
shows_all_that_is_kept(void **state)
{
	static struct client_view view;

	(void)state;
	missing_add(queue, 2, 6, 5);
	missing_add(queue, 9, 9, 6);
	confirm(9, 9, GAPS_CONFIRMED, 1);
	missing_show(queue, &view);
	assert_int_equal(view.gap_count, 2);
	assert_int_equal(view.gaps_total, 2);
	assert_int_equal(view.gaps_unknown, 1);
	assert_int_equal(view.gaps[1].first, 9);
	assert_int_equal(view.gaps[1].known, 1);
}

/* ---- by chance */

static uint32_t seed;

static uint32_t
draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void
model_add(void)
{
	uint64_t first = 1 + draw(NUMBERS - 2), last = first + draw(5);

	if (last >= NUMBERS)
		return;
	for (uint64_t n = first; n <= last; n++) {
		for (size_t i = 0; i < gaps_count(&queue->gaps); i++) {
			if (gaps_at(&queue->gaps, i)->first <= n &&
			    n <= gaps_at(&queue->gaps, i)->last)
				return;
		}
	}
	for (uint64_t n = first; n <= last; n++) {
		is_missing[n] = 1;
		is_known[n] = 0;
	}
	missing_add(queue, first, last, 1);
}

static void
model_end(void)
{
	uint64_t n = 1 + draw(NUMBERS - 1);

	if (end(n)) {
		assert_true(is_missing[n]);
		is_missing[n] = 0;
	}
}

static void
model_confirm(void)
{
	uint64_t first = 1 + draw(NUMBERS - 2), last = first + draw(20), count;

	if (missing_confirm(queue, first, last, &count) != GAPS_CONFIRMED)
		return;
	for (uint64_t n = first; n <= last && n < NUMBERS; n++)
		is_known[n] = 1;
}

static void
check_model(void)
{
	size_t at = 0, count = gaps_count(&queue->gaps);
	uint64_t told = 0, behind = 0;

	for (size_t i = 0; i < count; i++) {
		const struct gap *gap = gaps_at(&queue->gaps, i);
		assert_true(gap->first > behind && gap->first <= gap->last);
		behind = gap->last;
		told = 0;
		/* Where known ones were dropped others may have become one over them. */
		for (uint64_t n = gap->first; n <= gap->last; n++)
			told += (uint64_t)(is_missing[n] && is_known[n] == (char)gap->known);
		assert_int_equal(told, gap->missing);
	}
	for (uint64_t n = 1; n < NUMBERS; n++) {
		while (at < count && gaps_at(&queue->gaps, at)->last < n)
			at++;
		if (is_missing[n] && !is_known[n])
			assert_true(at < count && gaps_at(&queue->gaps, at)->first <= n);
	}
	assert_true(count <= GAPS_MAX);
	assert_int_equal(clients_gaps_unknown(clients), gaps_unknown(&queue->gaps));
}

static void
tells_the_truth_whatever_comes(void **state)
{
	for (seed = 1; seed < 200 * 7919; seed += 7919) {
		const uint32_t began = seed;
		for (int i = 0; i < 300; i++) {
			uint32_t what = draw(10);
			if (what < 6)
				model_add();
			else if (what < 9)
				model_end();
			else
				model_confirm();
			check_model();
		}
		teardown(state);
		setup(state);
		seed = began;
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(costs_a_queue_without_gaps_a_pointer),
	    TEST(keeps_gaps_by_number_with_since),
	    TEST(ends_what_comes_after_all),
	    TEST(takes_the_end_of_one_back),
	    TEST(takes_no_number_of_a_jump_for_all_of_it),
	    TEST(takes_no_part_of_a_jump_for_all_that_is_missing),
	    TEST(confirms_what_is_missing_in_a_range),
	    TEST(makes_the_two_oldest_one_where_there_are_too_many),
	    TEST(lets_the_oldest_known_one_go_first),
	    TEST(survives_its_records),
	    TEST(believes_no_record_that_cannot_be),
	    TEST(goes_with_its_queue),
	    TEST(shows_all_that_is_kept),
	    TEST(tells_the_truth_whatever_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
