/* SPDX-License-Identifier: ISC */
/*
 * Gaps as the books keep them: after each step a restart, by the ledger alone, must know what was
 * known, whatever was stored, void, skipped, settled or confirmed, and in whatever segment.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/commit/books.h"
#include "inboxd/commit/losses.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/segment.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define OTHER_QUEUE "6d000000000000000000000000000000"

static char folder[64];
static int dir;
static struct clients *clients;
static struct books *books;
static struct stats stats;
static struct join session;
static const struct books_setup books_setup = {
    .ledger_size = 1 << 30, .ledger_days = 1, .limits = SAMPLE_LIMITS(1000, 10)};

/* One that goes on only when it is told to: so a restart has the times that were. */
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
static time_t seconds;

int
__wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	if (id != CLOCK_REALTIME)
		return __real_clock_gettime(id, now);
	*now = (struct timespec){.tv_sec = 1795359600 + seconds};
	return 0;
}

static int
setup(void **state)
{
	struct ledger *ledger;

	(void)state;
	seconds = 0;
	dir = sample_make_folder(folder);
	clients = clients_new();
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	ledger = ledger_start(dir, clients, &(struct ledger_origin){.root = ROOT, .seq = 1});
	assert_non_null(ledger);
	memset(&stats, 0, sizeof stats);
	books = books_open(clients, ledger, &books_setup, &stats);
	assert_non_null(books);
	session = (struct join){
	    .identity = SAMPLE_CLIENT, .queue_id = SAMPLE_QUEUE, .settled = 1};
	books_join(books, &session);
	assert_non_null(session.queue);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	books_close(books);
	close(dir);
	sample_remove_folder(folder);
	return 0;
}

/* ---- what happens */

static void
put(uint64_t n, int is_void)
{
	static struct inflow inflow;
	static struct inbox inbox = {.name = "status", .inflow = &inflow};
	static uint32_t names;
	struct item item = {.number = n, .size = 5, .inbox = "status", .queue = session.queue,
	    .generation = session.generation, .draft = {.inbox = &inbox}};
	size_t size;

	memcpy(item.sha256, &names, sizeof names);
	snprintf(item.draft.name, sizeof item.draft.name, "name-%u", ++names);
	(void)books_accept(books, &item, &size);
	if (is_void) {
		books_void(books, &item);
		return;
	}
	books_mark(books, item.seq, item.seq);
	books_count_stored(books, &item, clock_utc());
}

static void
settle(uint64_t n)
{
	books_settle(books, &(struct notice){
	    .queue = session.queue, .generation = session.generation, .number = n});
}

static void
leave_out(uint64_t n)
{
	books_skip(books, &(struct notice){.queue = session.queue,
	    .generation = session.generation, .number = n, .reason = "removed"});
}

static struct confirm_answer
confirm(const char *identity, const char *queue, uint64_t first, uint64_t last)
{
	struct confirm asked = {.wish = {.first = first, .last = last}};

	snprintf(asked.wish.identity, sizeof asked.wish.identity, "%s", identity);
	snprintf(asked.wish.queue, sizeof asked.wish.queue, "%s", queue);
	losses_confirm(books_losses(books), &asked);
	return asked.answer;
}

/* ---- what a restart knows */

/* Of a void accept a restart cannot know that it was not the last one stored. */
static char *
dump(struct clients *of)
{
	struct queue *queue = NULL;

	while ((queue = clients_next(of, queue)))
		queue->figures.tally.last_stored = 0;
	return sample_dump(of);
}

/* Where the line begins in which they differ. */
static size_t
find_difference(const char *a, const char *b)
{
	size_t at = 0;

	while (a[at] && a[at] == b[at])
		at++;
	while (at > 0 && a[at - 1] != '\n')
		at--;
	return at;
}

static void
assert_restart_knows(void)
{
	struct replay replay;
	struct clients *found = sample_replay(dir, NULL, &replay);
	char *got = dump(found), *wanted = dump(clients);

	if (strcmp(got, wanted) != 0) {
		size_t at = find_difference(got, wanted);
		fail_msg("a restart knows \"...%.200s\" and not \"...%.200s\"", got + at,
		    wanted + at);
	}
	assert_int_equal(clients_gaps_unknown(found), clients_gaps_unknown(clients));
	assert_int_equal(stats_get(&stats, STAT_NOW_GAPS), clients_gaps_unknown(clients));
	replay_free(&replay);
	clients_free(found);
	free(got);
	free(wanted);
}

static void
survives_a_restart_whatever_happened(void **state)
{
	uint32_t seed = 7, mark = 1;
	size_t most = 0;

	(void)state;
	for (int i = 0; i < 600; i++) {
		uint32_t what, n;
		seed = seed * 1664525 + 1013904223;
		what = (seed >> 8) % 100;
		n = mark + (seed >> 16) % 8;
		if (n > 8 && what % 2)
			n -= 8; /* below the mark */
		seconds += 3;
		if (what < 35)
			put(n, 0);
		else if (what < 45)
			put(n, 1);
		else if (what < 55)
			leave_out(n);
		else if (what < 92)
			settle(n);
		else if (what < 97)
			(void)confirm(SAMPLE_CLIENT, "", n > 30 ? n - 30 : n, n + 2);
		assert_int_equal(books_flush(books), 0);
		if (what >= 97)
			books_rotate(books);
		mark = (uint32_t)session.queue->settled;
		if (gaps_count(&session.queue->gaps) > most)
			most = gaps_count(&session.queue->gaps);
		assert_restart_knows();
	}
	/* It was a trial of something. */
	assert_int_equal(most, GAPS_MAX);
	assert_true(session.queue->figures.tally.missing > 0);
}

static void
tells_since_when_and_that_it_is_known(void **state)
{
	const struct gap *gap;

	(void)state;
	seconds = 10;
	settle(5);
	seconds = 20;
	settle(8);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d", 5, 7).outcome, CONFIRM_DONE);
	assert_int_equal(gaps_count(&session.queue->gaps), 2);
	gap = gaps_at(&session.queue->gaps, 0);
	assert_int_equal(gap->since, (INT64_C(1795359600) + 10) * 1000000);
	assert_int_equal(gap->known, 0);
	gap = gaps_at(&session.queue->gaps, 1);
	assert_int_equal(gap->since, (INT64_C(1795359600) + 20) * 1000000);
	assert_int_equal(gap->known, 1);
	assert_int_equal(stats_get(&stats, STAT_NOW_GAPS), 1);
	seconds = 30;
	assert_restart_knows();
	books_rotate(books);
	assert_restart_knows();
}

/* Whoever was told that it is done finds it done, though nothing was flushed behind it. */
static void
has_it_on_the_disk_before_it_says_so(void **state)
{
	struct confirm_answer answer;

	(void)state;
	settle(5);
	answer = confirm(SAMPLE_CLIENT, "", 1, 4);
	assert_int_equal(answer.outcome, CONFIRM_DONE);
	assert_int_equal(answer.gaps, 1);
	assert_string_equal(answer.queue, SAMPLE_QUEUE);
	assert_restart_knows();
	answer = confirm(SAMPLE_CLIENT, "", 1, 4);
	assert_int_equal(answer.outcome, CONFIRM_DONE);
	assert_int_equal(answer.gaps, 0);
	assert_restart_knows();
}

static void
confirms_nothing_that_is_not_clear(void **state)
{
	struct join other = {.identity = SAMPLE_CLIENT, .queue_id = OTHER_QUEUE, .settled = 1};

	(void)state;
	books_join(books, &other);
	settle(5);
	assert_int_equal(confirm("pc1.example.org", "", 1, 4).outcome, CONFIRM_UNKNOWN);
	assert_int_equal(confirm(SAMPLE_CLIENT, "a", 1, 4).outcome, CONFIRM_UNKNOWN);
	assert_int_equal(confirm(SAMPLE_CLIENT, "", 1, 4).outcome, CONFIRM_AMBIGUOUS);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d", 1, 4).queues, 2);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d00", 1, 4).outcome, CONFIRM_NONE);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d0f", 5, 9).outcome, CONFIRM_NONE);
	for (uint64_t n = 5; n <= 5 + 2 * GAPS_MAX; n += 2)
		put(n, 0);
	settle(5 + 2 * GAPS_MAX);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d0f", 2, 2).outcome, CONFIRM_MERGED);
	assert_int_equal(stats_get(&stats, STAT_NOW_GAPS), GAPS_MAX + 1);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d0f", 1, 4).outcome, CONFIRM_MERGED);
	assert_int_equal(confirm(SAMPLE_CLIENT, "6d0f", 1, 6).outcome, CONFIRM_DONE);
	assert_int_equal(stats_get(&stats, STAT_NOW_GAPS), GAPS_MAX - 1);
}

static void
confirms_nothing_where_there_is_no_room_for_the_record(void **state)
{
	struct confirm asked = {.wish = {.identity = SAMPLE_CLIENT, .first = 1, .last = 4}};

	(void)state;
	settle(5);
	losses_confirm(NULL, &asked);
	assert_int_equal(asked.answer.outcome, CONFIRM_FULL);
	assert_int_equal(stats_get(&stats, STAT_NOW_GAPS), 1);
}

/* A receiver from before gaps were kept takes none for a part of the state. */
static void
writes_none_within_the_state(void **state)
{
	char newest[SEGMENT_NAME_ROOM], *text, *end, *gap;
	size_t len;

	(void)state;
	settle(5);
	assert_int_equal(books_flush(books), 0);
	books_rotate(books);
	assert_int_equal(segment_find_newest(dir, newest), 0);
	text = sample_read(dir, newest, &len);
	end = strstr(text, " state\n");
	gap = strstr(text, " gap " SAMPLE_CLIENT " " SAMPLE_QUEUE " 1 4 since=");
	assert_true(end && gap > end);
	assert_non_null(strstr(gap, " kept=1\n"));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(survives_a_restart_whatever_happened),
	    TEST(tells_since_when_and_that_it_is_known),
	    TEST(has_it_on_the_disk_before_it_says_so),
	    TEST(confirms_nothing_that_is_not_clear),
	    TEST(confirms_nothing_where_there_is_no_room_for_the_record),
	    TEST(writes_none_within_the_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
