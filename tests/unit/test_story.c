/* SPDX-License-Identifier: ISC */
/* What the ledger knows of one client: by its state, and by what follows. */
#include "inboxctl/root/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
#define OTHER "7d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"

static struct story story;

static void
take(struct record record, const char *client, const char *queue, int in_state)
{
	snprintf(record.identity, sizeof record.identity, "%s", client);
	snprintf(record.queue, sizeof record.queue, "%s", queue);
	assert_int_equal(story_take(&story, &record, in_state), 0);
}

static int
setup(void **state)
{
	(void)state;
	story = (struct story){.client = "pc1"};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	story_free(&story);
	return 0;
}

/* "7-9! 12 ": the first one is not confirmed. */
static const char *
gaps_of(const struct story_queue *queue)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < queue->gap_count; i++) {
		const struct story_gap *gap = &queue->gaps[i];
		size_t len = strlen(text);
		snprintf(text + len, sizeof text - len, "%d-%d%s ", (int)gap->first,
		    (int)gap->last, gap->is_known ? "" : "!");
	}
	return text;
}

static void
counts_what_follows_the_state_and_not_what_is_in_it(void **state)
{
	struct record queue = {.type = RECORD_QUEUE, .settled = 5};

	(void)state;
	queue.figures.tally.stored = 3;
	queue.figures.tally.missing = 1;
	queue.figures.hello.backlog.pending = 7;
	take((struct record){.type = RECORD_BEGIN, .time = 1000}, "", "", 1);
	take(queue, "pc1", QUEUE, 1);
	take(queue, "pc2", OTHER, 1);
	take((struct record){.type = RECORD_GAP, .n = 2, .to = 2, .kept = 1}, "pc1", QUEUE, 1);
	take((struct record){.type = RECORD_ACCEPT, .n = 6, .size = 10}, "pc1", QUEUE, 1);
	take((struct record){.type = RECORD_SKIP, .n = 7}, "pc1", QUEUE, 1);
	take((struct record){.type = RECORD_ACCEPT, .n = 8, .size = 20, .time = 2000}, "pc1", QUEUE,
	    0);
	take((struct record){.type = RECORD_ACCEPT, .n = 8, .size = 20}, "pc2", OTHER, 0);
	take((struct record){.type = RECORD_SKIP, .n = 9}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_GAP, .n = 10, .to = 12}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_SETTLED, .n = 13}, "pc1", QUEUE, 0);
	assert_int_equal(story.count, 1);
	assert_int_equal(story.time, 2000);
	const struct tally *tally = &story.queues[0].figures.tally;
	assert_int_equal(tally->stored, 4);
	assert_int_equal(tally->stored_bytes, 20);
	assert_int_equal(tally->last_stored, 2000);
	assert_int_equal(tally->skipped, 1);
	assert_int_equal(tally->missing, 4);
	assert_int_equal(story.queues[0].settled, 13);
	assert_int_equal(story.queues[0].figures.hello.backlog.pending, 7);
	assert_string_equal(gaps_of(&story.queues[0]), "2-2! 10-12! ");
}

static void
gaps_end_and_are_confirmed(void **state)
{
	(void)state;
	take((struct record){.type = RECORD_GAP, .n = 1, .to = 9}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_GAP, .n = 20, .to = 29, .kept = 1, .missing = 4},
	    "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_SETTLED, .n = 30}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_ACCEPT, .n = 5}, "pc1", QUEUE, 0);
	assert_string_equal(gaps_of(&story.queues[0]), "1-4! 6-9! 20-29! ");
	take((struct record){.type = RECORD_SKIP, .n = 1}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_ACCEPT, .n = 9}, "pc1", QUEUE, 0);
	assert_string_equal(gaps_of(&story.queues[0]), "2-4! 6-8! 20-29! ");
	assert_int_equal(story.queues[0].figures.tally.missing, 6);
	take((struct record){.type = RECORD_GAP, .n = 3, .to = 6, .known = 1}, "pc1", QUEUE, 0);
	assert_string_equal(gaps_of(&story.queues[0]), "2-2! 3-4 6-6 7-8! 20-29! ");
	/* Nobody knows which of its numbers are missing. */
	take((struct record){.type = RECORD_ACCEPT, .n = 25}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_GAP, .n = 1, .to = 40, .known = 1}, "pc1", QUEUE, 0);
	assert_string_equal(gaps_of(&story.queues[0]), "2-2 3-4 6-6 7-8 20-29 ");
}

static void
segment_says_all_anew_but_what_is_forgotten(void **state)
{
	(void)state;
	take((struct record){.type = RECORD_GAP, .n = 1, .to = 9}, "pc1", QUEUE, 0);
	take((struct record){.type = RECORD_QUEUE, .settled = 3, .forgotten = 77}, "pc1", OTHER, 0);
	take((struct record){.type = RECORD_BEGIN, .time = 1000}, "", "", 1);
	assert_int_equal(story.count, 1);
	assert_string_equal(story.queues[0].id, OTHER);
	assert_int_equal(story.queues[0].forgotten, 77);
	take((struct record){.type = RECORD_QUEUE, .settled = 4}, "pc1", OTHER, 0);
	assert_int_equal(story.queues[0].forgotten, 0);
}

static void
jump_is_one_number(void **state)
{
	(void)state;
	take((struct record){.type = RECORD_GAP, .n = 1, .to = INT64_MAX}, "pc1", QUEUE, 0);
	assert_int_equal(story.queues[0].figures.tally.missing, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(counts_what_follows_the_state_and_not_what_is_in_it),
	    TEST(gaps_end_and_are_confirmed),
	    TEST(segment_says_all_anew_but_what_is_forgotten),
	    TEST(jump_is_one_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
