/* SPDX-License-Identifier: ISC */
/* What a start costs: time in proportion to the segment that it reads, and memory to what is to be
 * remembered, however many queues there are and however long the segment is. */
#include "inboxd/recover/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/record.h"

/* The mark of a busy ledger is so many accepts behind. */
#define LAG 50

static FILE *file;

static int
setup(void **state)
{
	(void)state;
	file = tmpfile();
	return file ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return fclose(file);
}

static void
put(const struct record *record)
{
	char line[RECORD_LINE_MAX + 1];
	size_t len = record_format(record, line);

	assert_int_equal(fwrite(line, 1, len, file), len);
}

static void
put_mark(uint64_t synced, uint64_t stored)
{
	const struct record mark = {.type = RECORD_MARK, .synced = synced, .stored = stored};

	put(&mark);
}

/* Queues come in no order, and so do their identities. */
static struct record
record_of(enum record_type type, unsigned queue)
{
	struct record record = {.type = type};
	unsigned mixed = queue * 2654435761u;

	snprintf(record.identity, sizeof record.identity, "pc%08x.example.org", mixed);
	snprintf(record.queue, sizeof record.queue, "%032x", mixed);
	return record;
}

static void
put_queue(unsigned queue, uint64_t settled)
{
	struct record record = record_of(RECORD_QUEUE, queue);

	record.settled = settled;
	record.figures.hello.seen = INT64_C(1795356663000000) + queue * 7919 % 1000;
	snprintf(record.figures.hello.agent, sizeof record.figures.hello.agent, "inboxq/1");
	put(&record);
}

static void
put_accept(unsigned queue, uint64_t seq, uint64_t n)
{
	struct record record = record_of(RECORD_ACCEPT, queue);

	record.seq = seq;
	record.n = n;
	memcpy(record.sha256, &seq, sizeof seq);
	snprintf(record.inbox, sizeof record.inbox, "status");
	snprintf(record.name, sizeof record.name, "20261128T070000.000000Z-%u", (unsigned)seq);
	put(&record);
}

/* A state of so many queues, and then `rounds` in each of which each queue has an item, the last of
 * which is not settled. */
static void
make_segment(unsigned queues, unsigned rounds)
{
	struct record record = {.type = RECORD_BEGIN, .version = RECORD_VERSION, .seq = 1};
	uint64_t seq = 0;

	rewind(file);
	put(&record);
	for (unsigned i = 0; i < queues; i++)
		put_queue(i, 1);
	record.type = RECORD_STATE;
	put(&record);
	put_mark(0, 0);
	for (unsigned round = 1; round <= rounds; round++) {
		for (unsigned i = 0; i < queues; i++) {
			record = record_of(RECORD_SETTLED, i);
			record.n = round;
			put(&record);
			put_accept(i, ++seq, round);
			if (seq > LAG)
				put_mark(seq, seq - LAG);
		}
	}
	assert_int_equal(fflush(file), 0);
	assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
}

static double
processor_time(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds of the processor. */
static double
read_segment(struct clients *clients, struct replay *replay)
{
	double began = processor_time();
	struct why why;

	assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
	if (replay_segment(fileno(file), "costly.log", clients, replay, &why) < 0)
		fail_msg("%s", why.text);
	assert_int_equal(replay->torn_bytes, 0);
	return processor_time() - began;
}

/* The best of three, as others want the processor's caches, too. */
static double
cost_of(unsigned queues)
{
	double best = 0;

	make_segment(queues, 2);
	for (int i = 0; i < 3; i++) {
		struct clients *clients = clients_new();
		struct replay replay;
		double cost = read_segment(clients, &replay);
		assert_int_equal(clients_count(clients), queues);
		assert_int_equal(clients_items(clients), queues);
		if (i == 0 || cost < best)
			best = cost;
		replay_free(&replay);
		clients_free(clients);
	}
	return best;
}

/* Four times as much takes four times as long, and something for memory that is farther away:
 * it would be sixteen times where each queue is looked for among all. */
static void
takes_time_in_proportion(void **state)
{
	double few = cost_of(5000), many = cost_of(20000);

	(void)state;
	if (many > 10 * few)
		fail_msg("5,000 queues: %.3f s; 20,000: %.3f s", few, many);
}

static void
keeps_what_no_mark_covers_and_little_more(void **state)
{
	struct clients *clients = clients_new();
	struct replay replay;

	(void)state;
	make_segment(100, 200);
	(void)read_segment(clients, &replay);
	assert_int_equal(replay.next_seq, 100 * 200 + 1);
	assert_in_range(replay.count - replay.first, LAG, LAG);
	assert_in_range(replay.room, LAG, 4 * LAG);
	assert_int_equal(replay.tail[replay.first].seq, 100 * 200 - LAG + 1);
	assert_non_null(replay_find(&replay, 100 * 200));
	assert_null(replay_find(&replay, 100 * 200 - LAG));
	replay_free(&replay);
	clients_free(clients);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(takes_time_in_proportion),
	    TEST(keeps_what_no_mark_covers_and_little_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
