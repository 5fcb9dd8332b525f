/* SPDX-License-Identifier: ISC */
/* What is remembered above a mark, against a list that is searched from end to end; and that no
 * order in which a client says its numbers costs more than another. */
#include "inboxd/commit/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "inboxd/commit/clients.h"
#include "lib/record.h"

#include "sample.h"

#define STEPS 60000
#define MODELS 512
#define NUMBERS 24 /* few, so that they meet */

static struct clients *clients;
static struct queue *queue;
static uint32_t dice;

/* In the order in which they came. */
static struct model {
	uint64_t number, seq;
	int is_skip, kind; /* of an item: which digest and inbox */
} models[MODELS];
static size_t count;
static uint64_t mark, missing, next_seq;

static uint32_t
roll(uint32_t sides)
{
	dice = dice * 1664525 + 1013904223;
	return (dice >> 8) % sides;
}

static int
setup(void **state)
{
	(void)state;
	clients = clients_new();
	queue = clients_add(clients, SAMPLE_CLIENT, SAMPLE_QUEUE, 1);
	count = 0;
	missing = 0;
	mark = next_seq = 1;
	dice = 3;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	return 0;
}

/* Three digests in two inboxes. */
static struct record
record_of(uint64_t number, int kind, uint64_t seq)
{
	struct record record = {.type = RECORD_ACCEPT, .n = number, .seq = seq, .size = seq * 10};

	memset(record.sha256, 'a' + kind % 3, DIGEST_SIZE);
	snprintf(record.inbox, sizeof record.inbox, "%s", kind < 3 ? "status" : "dumps");
	snprintf(record.name, sizeof record.name, "name-%u", (unsigned)seq);
	return record;
}

/* ---- the model */

static struct model *
model_find(uint64_t number, int kind)
{
	for (size_t i = 0; i < count; i++) {
		if (!models[i].is_skip && models[i].number == number && models[i].kind == kind)
			return &models[i];
	}
	return NULL;
}

static int
model_has(uint64_t number, int only_items)
{
	for (size_t i = 0; i < count; i++) {
		if (models[i].number == number && !(only_items && models[i].is_skip))
			return 1;
	}
	return 0;
}

static void
model_remove(size_t i)
{
	count--;
	memmove(&models[i], &models[i + 1], (count - i) * sizeof models[0]);
}

static void
model_settle(uint64_t number)
{
	missing = 0;
	for (uint64_t n = mark; n < number; n++)
		missing += !model_has(n, 0);
	for (size_t i = count; i-- > 0;) {
		if (models[i].number < number)
			model_remove(i);
	}
	if (number > mark)
		mark = number;
}

/* ---- each step, here and there */

static void
add_item(uint64_t number, int kind)
{
	struct record record = record_of(number, kind, next_seq++);

	if (count == MODELS)
		return;
	assert_int_equal(queue_has_used(queue, number), number < mark || model_has(number, 1));
	assert_int_equal(queue_add_item(queue, &record)->number, number);
	models[count++] = (struct model){number, record.seq, 0, kind};
	if (roll(8) == 0) /* once more is not twice */
		(void)queue_add_item(queue, &record);
}

static void
add_skip(uint64_t number)
{
	int is_new = number >= mark && !model_has(number, 0);

	if (count == MODELS)
		return;
	assert_int_equal(queue_add_skip(queue, number), is_new);
	if (is_new)
		models[count++] = (struct model){.number = number, .is_skip = 1};
}

static void
make_void(size_t i)
{
	struct model model = models[i];
	struct record record = record_of(model.number, model.kind, model.seq);

	if (model.is_skip)
		return;
	assert_int_equal(queue_void(queue, model.number, record.inbox, record.sha256,
	    model.seq + 1000000), 0);
	assert_int_equal(
	    queue_void(queue, model.number, record.inbox, record.sha256, model.seq), 1);
	model_remove(i);
}

static void
count_missing(void *ctx, struct queue *of, uint64_t first, uint64_t last)
{
	uint64_t *found = ctx;

	assert_ptr_equal(of, queue);
	assert_true(first <= last);
	*found += last - first + 1;
}

static void
settle(uint64_t number)
{
	uint64_t found = 0, told = queue_settle(queue, number, count_missing, &found);

	model_settle(number);
	assert_int_equal(told, missing);
	assert_int_equal(found, missing);
	assert_int_equal(queue->settled, mark);
}

static void
assert_as_models(uint64_t around)
{
	const struct known *known = NULL;
	size_t skips = 0, all = 0;
	uint64_t number = 0;

	for (uint64_t n = around; n < around + NUMBERS; n++) {
		for (int kind = 0; kind < 6; kind++) {
			struct record record = record_of(n, kind, 0);
			struct model *model = model_find(n, kind);
			known = queue_find(queue, n, record.inbox, record.sha256);
			assert_int_equal(known != NULL, model != NULL);
			if (known)
				assert_int_equal(known->item->seq, model->seq);
		}
	}
	for (size_t i = 0; i < count; i++)
		skips += (size_t)models[i].is_skip;
	assert_int_equal(queue->entries.skips, skips);
	assert_int_equal(queue->entries.items, count - skips);
	for (known = NULL; (known = entries_next(&queue->entries, known)); all++) {
		assert_true(known->number >= number);
		number = known->number;
	}
	assert_int_equal(all, count);
}

static void
remembers_what_a_list_would(void **state)
{
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		/* Now and then what comes is late. */
		uint64_t number = mark + roll(NUMBERS) - (mark > 5 ? roll(5) : 0);

		switch (roll(8)) {
		case 0:
		case 1:
		case 2:
			add_item(number, (int)roll(6));
			break;
		case 3:
		case 4:
			add_skip(number);
			break;
		case 5:
			if (count > 0)
				make_void(roll((uint32_t)count));
			break;
		default:
			if (roll(8) == 0)
				settle(mark + roll(6) - (mark > 3 ? roll(3) : 0));
			break;
		}
		if (step % 16 == 0 || step < 1000)
			assert_as_models(mark > 4 ? mark - 4 : 1);
	}
	assert_true(mark > 1000);
}

/* ---- what it costs */

#define SKIPS 400000
#define ITEMS 100000
/* Of processor time.  In a sorted array, moved and searched from end to end, either takes more
 * than 20 seconds. */
#define MOST_SECONDS 5.0

static double
processor_time(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
no_gap(void *ctx, struct queue *of, uint64_t first, uint64_t last)
{
	(void)ctx, (void)of, (void)first, (void)last;
	fail();
}

static void
takes_skips_in_any_order(void **state)
{
	/* Down, and up and down by a step that has nothing in common with their count. */
	static const uint64_t steps[] = {SKIPS - 1, 161803, 1};
	double began = processor_time();
	uint64_t n;

	(void)state;
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		uint64_t from = queue->settled, at = 0;
		for (n = 0; n < SKIPS; n++, at = (at + steps[i]) % SKIPS)
			assert_int_equal(queue_add_skip(queue, from + at), 1);
		assert_int_equal(queue->entries.skips, SKIPS);
		assert_int_equal(queue_settle(queue, from + SKIPS / 2, no_gap, NULL), 0);
		assert_int_equal(queue->entries.skips, SKIPS / 2);
		assert_int_equal(queue_settle(queue, from + SKIPS, no_gap, NULL), 0);
		assert_int_equal(queue->entries.skips, 0);
	}
	assert_true(processor_time() - began < MOST_SECONDS);
}

static void
takes_many_items_of_one_number(void **state)
{
	double began = processor_time();

	(void)state;
	for (int rounds = 0; rounds < 2; rounds++) {
		for (uint64_t n = 0; n < ITEMS; n++) {
			struct record record = record_of(7, 0, n);
			memcpy(record.sha256, &n, sizeof n);
			assert_int_equal(queue_has_used(queue, 7), rounds > 0 || n > 0);
			assert_int_equal(queue_find(queue, 7, record.inbox, record.sha256) != NULL,
			    rounds);
			(void)queue_add_item(queue, &record);
		}
	}
	assert_int_equal(queue->entries.items, ITEMS);
	assert_true(processor_time() - began < MOST_SECONDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(remembers_what_a_list_would),
	    TEST(takes_skips_in_any_order),
	    TEST(takes_many_items_of_one_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
