/* SPDX-License-Identifier: ISC */
/*
 * Which queues are forgotten, and when: never one that has something left to say, or that anything
 * can name.
 */
#include "config.h"

#include "inboxd/commit/forgetting.h"

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

#include "inboxd/base/mailbox.h"
#include "inboxd/commit/books.h"
#include "lib/log.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define AGE 1000 /* seconds */

static char folder[64];
static int dir;
static struct clients *clients;
static struct ledger *ledger;
static struct books *books;
static struct stats stats;
static struct mailbox *mailbox;
static struct books_setup books_setup;
static uint64_t came; /* which connection is heard, and whether it was late */
static int is_late;

/* How many seconds have gone by, on the clock that nobody sets. */
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
static time_t ran;

int
__wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = __real_clock_gettime(id, now);

	if (id == CLOCK_MONOTONIC)
		now->tv_sec += ran;
	return rc;
}

static void
start(uint64_t queues, uint64_t forget)
{
	const struct ledger_origin origin = {.root = ROOT, .seq = 1, .age = 5};

	books_setup = (struct books_setup){.ledger_size = 1 << 30, .ledger_days = 1};
	for (int i = 0; i < LIMIT_COUNT; i++)
		books_setup.limits.most[i] = 1000;
	books_setup.limits.most[LIMIT_QUEUES] = queues;
	books_setup.limits.forget = forget;
	ledger = ledger_start(dir, clients, &origin);
	assert_non_null(ledger);
	books = books_open(clients, ledger, &books_setup, &stats);
	assert_non_null(books);
}

static int
setup(void **state)
{
	(void)state;
	dir = sample_make_folder(folder);
	clients = clients_new();
	mailbox = mailbox_new();
	memset(&stats, 0, sizeof stats);
	ran = 0;
	came = 0;
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	return mailbox ? 0 : -1;
}

static int
teardown(void **state)
{
	struct message *message, *next;

	(void)state;
	books_close(books);
	books = NULL;
	for (message = mailbox_take(mailbox); message; message = next) {
		next = message->next;
		free(message);
	}
	mailbox_free(mailbox);
	close(dir);
	sample_remove_folder(folder);
	return 0;
}

/* ---- sessions */

struct guest {
	struct queue *queue;
	uint64_t generation, mark;
};

/* A HELLO of client number `i`, on connection `came`. */
static struct guest
join(unsigned i, uint64_t settled)
{
	struct join join = {.came = came, .settled = settled,
	    .superseded = calloc(1, sizeof *join.superseded)};

	assert_non_null(join.superseded);
	join.superseded->reply = mailbox;
	snprintf(join.identity, sizeof join.identity, "pc%u", i);
	snprintf(join.queue_id, sizeof join.queue_id, "%032x", i);
	books_join(books, &join);
	free(join.superseded);
	is_late = join.is_late;
	return (struct guest){join.queue, join.generation, join.mark};
}

/* A second queue of client 1, whose identifier ends with `end`. */
static struct guest
join_again(char end)
{
	struct join join = {.identity = "pc1", .settled = 1,
	    .superseded = calloc(1, sizeof *join.superseded)};

	assert_non_null(join.superseded);
	join.superseded->reply = mailbox;
	memset(join.queue_id, '0', PROTO_QUEUE_LEN - 1);
	join.queue_id[PROTO_QUEUE_LEN - 1] = end;
	books_join(books, &join);
	return (struct guest){join.queue, join.generation, join.mark};
}

static void
leave(struct guest guest)
{
	struct notice notice = {.queue = guest.queue, .generation = guest.generation};

	books_leave(books, &notice);
}

static void
visit(unsigned i)
{
	struct guest guest = join(i, 1);

	assert_non_null(guest.queue);
	leave(guest);
}

/* An item, accepted; its seq. */
static uint64_t
accept_item(struct guest guest, uint64_t n)
{
	static struct inflow inflow;
	static struct inbox inbox = {.name = "status", .inflow = &inflow};
	struct item item = {.queue = guest.queue, .generation = guest.generation, .number = n,
	    .size = 3, .inbox = "status", .draft.inbox = &inbox};
	size_t size;

	snprintf(item.draft.name, sizeof item.draft.name, "name-%u", (unsigned)n);
	assert_non_null(books_accept(books, &item, &size));
	return item.seq;
}

static void
settle(struct guest guest, uint64_t n)
{
	struct notice notice = {
	    .queue = guest.queue, .generation = guest.generation, .number = n};

	books_settle(books, &notice);
}

static void
say_skip(struct guest guest, uint64_t n)
{
	struct notice notice = {
	    .queue = guest.queue, .generation = guest.generation, .number = n};

	books_skip(books, &notice);
}

static int
is_known(unsigned i)
{
	char identity[16], id[PROTO_QUEUE_LEN + 1];

	snprintf(identity, sizeof identity, "pc%u", i);
	snprintf(id, sizeof id, "%032x", i);
	return clients_find(clients, identity, id) != NULL;
}

static uint64_t
forgotten(enum counter counter)
{
	return stats_get(&stats, counter);
}

/* A start would know the same queues, with the same marks and items, `tail` of them under way. */
static void
assert_recorded(uint64_t next_seq, size_t tail)
{
	struct queue *queue = NULL, *found;
	struct replay replay;
	struct clients *replayed;

	assert_int_equal(books_flush(books), 0);
	replayed = sample_replay(dir, NULL, &replay);
	assert_int_equal(replay.next_seq, next_seq);
	assert_int_equal(sample_unfinished(&replay), tail);
	assert_int_equal(clients_count(replayed), clients_count(clients));
	while ((queue = clients_next(clients, queue))) {
		found = clients_find(replayed, queue->identity, queue->id);
		assert_non_null(found);
		assert_int_equal(found->settled, queue->settled);
		assert_int_equal(found->entries.items, queue->entries.items);
		assert_int_equal(found->entries.skips, queue->entries.skips);
	}
	replay_free(&replay);
	clients_free(replayed);
}

/* ---- by room */

static void
makes_room_with_the_one_unseen_for_longest(void **state)
{
	(void)state;
	start(3, 0);
	visit(1);
	ran += 10;
	visit(2);
	visit(3);
	ran += 10;
	visit(1); /* so 2 is the one */
	visit(4);
	assert_true(is_known(1) && !is_known(2) && is_known(3) && is_known(4));
	assert_int_equal(forgotten(STAT_FORGOTTEN_ROOM), 1);
	assert_int_equal(forgotten(STAT_FORGOTTEN_AGE), 0);
	assert_int_equal(clients_count(clients), 3);
	assert_int_equal(stats_get(&stats, STAT_NOW_QUEUES), 3);
	assert_recorded(1, 0);
	/* Known ones need no room. */
	visit(3);
	assert_int_equal(forgotten(STAT_FORGOTTEN_ROOM), 1);
}

/* Where its own are too many, none of others goes; it is known by its last one alone. */
static void
makes_room_among_a_clients_own(void **state)
{
	(void)state;
	start(1000, 0);
	books_setup.limits.most[LIMIT_CLIENT_QUEUES] = 2;
	books_set_limits(books, &books_setup.limits);
	visit(2);
	visit(1);
	leave(join_again('a'));
	ran++;
	visit(1); /* so a is the one */
	leave(join_again('b'));
	assert_true(is_known(1) && is_known(2));
	assert_null(clients_find(clients, "pc1", "0000000000000000000000000000000a"));
	assert_int_equal(clients_count(clients), 3);
	books_setup.limits.most[LIMIT_CLIENT_QUEUES] = 1;
	books_set_limits(books, &books_setup.limits);
	visit(2);
	assert_int_equal(clients_count(clients), 3);
	leave(join_again('c'));
	assert_int_equal(clients_count(clients), 2);
	assert_true(is_known(2));
	assert_int_equal(forgotten(STAT_FORGOTTEN_ROOM), 3);
	assert_recorded(1, 0);
}

/* One that is connected, one with an item that may be sent again, one with a number skipped. */
static void
keeps_what_a_promise_stands_on(void **state)
{
	struct guest busy, unsettled, skipped;
	struct notice skip;

	(void)state;
	start(3, 1);
	busy = join(1, 1);
	unsettled = join(2, 1);
	books_mark(books, 1, accept_item(unsettled, 1));
	leave(unsettled);
	skipped = join(3, 1);
	skip = (struct notice){
	    .queue = skipped.queue, .generation = skipped.generation, .number = 4};
	books_skip(books, &skip);
	leave(skipped);
	ran += AGE;
	forgetting_in_steps(books_forgetting(books));
	assert_null(join(4, 1).queue);
	assert_true(is_known(1) && is_known(2) && is_known(3));
	assert_int_equal(forgetting_wait(books_forgetting(books)), -1);
	leave(busy);
	assert_int_equal(forgetting_wait(books_forgetting(books)), 1000);
	visit(4);
	assert_true(!is_known(1) && is_known(2) && is_known(3));
	/* Settled at last. */
	unsettled = join(2, 1);
	settle(unsettled, 2);
	leave(unsettled);
	assert_recorded(2, 0);
}

/* A session of before the last can name its queue until its end is heard of. */
static void
keeps_a_queue_that_an_older_session_can_name(void **state)
{
	struct guest older, newer;

	(void)state;
	start(1, 1);
	older = join(1, 1);
	newer = join(1, 1);
	assert_ptr_equal(older.queue, newer.queue);
	leave(newer);
	ran += AGE;
	forgetting_in_steps(books_forgetting(books));
	assert_null(join(2, 1).queue);
	assert_true(is_known(1));
	leave(older);
	visit(2);
	assert_false(is_known(1));
}

/* Until the ledger says that its last item is stored, a start may find a frame of it. */
static void
keeps_a_queue_until_its_last_item_is_stored(void **state)
{
	struct guest guest;
	uint64_t first, last;

	(void)state;
	start(1, 1);
	guest = join(1, 1);
	first = accept_item(guest, 1);
	last = accept_item(guest, 2);
	settle(guest, 3);
	leave(guest);
	ran += AGE;
	books_mark(books, last, first);
	forgetting_in_steps(books_forgetting(books));
	assert_null(join(2, 1).queue);
	assert_recorded(3, 1);
	books_mark(books, last, last);
	visit(2);
	assert_false(is_known(1));
	assert_recorded(3, 0);
}

/* A client cut a connection and came back, and what it had sent on the first is read last. */
static void
begins_no_queue_for_a_connection_older_than_the_last_of_a_forgotten_one(void **state)
{
	(void)state;
	start(1, 0);
	came = 7;
	visit(1);
	came = 8;
	visit(2); /* makes 1 be forgotten */
	came = 6;
	assert_null(join(1, 1).queue);
	assert_true(is_late);
	assert_null(join(3, 1).queue); /* nobody knows that it is another one */
	assert_true(is_known(2) && is_late);
	came = 9;
	visit(1);
	assert_false(is_late);
}

/* But it keeps no room from others behind it. */
static void
passes_over_what_is_under_way(void **state)
{
	struct guest guest;

	(void)state;
	start(2, 0);
	guest = join(1, 1);
	accept_item(guest, 1);
	settle(guest, 2);
	leave(guest);
	ran += 10;
	visit(2);
	visit(3);
	assert_true(is_known(1) && !is_known(2) && is_known(3));
}

/* ---- by age */

static void
forgets_what_was_unseen_for_long(void **state)
{
	(void)state;
	start(10, AGE);
	assert_int_equal(forgetting_wait(books_forgetting(books)), -1);
	visit(1);
	ran += 400;
	visit(2);
	forgetting_in_steps(books_forgetting(books));
	assert_in_range(forgetting_wait(books_forgetting(books)), 599000, 600000);
	ran += 599;
	forgetting_in_steps(books_forgetting(books));
	assert_true(is_known(1));
	ran += 2;
	forgetting_in_steps(books_forgetting(books));
	assert_true(!is_known(1) && is_known(2));
	assert_int_equal(forgotten(STAT_FORGOTTEN_AGE), 1);
	assert_recorded(1, 0);
	/* Seen again, it begins anew. */
	ran += 300;
	visit(2);
	ran += 800;
	forgetting_in_steps(books_forgetting(books));
	assert_true(is_known(2));
	ran += 201;
	forgetting_in_steps(books_forgetting(books));
	assert_false(is_known(2));
	assert_recorded(1, 0);
}

static void
forgets_nothing_for_its_age_where_that_is_off(void **state)
{
	(void)state;
	start(10, 0);
	visit(1);
	ran += 1000000000;
	forgetting_in_steps(books_forgetting(books));
	assert_true(is_known(1));
	assert_int_equal(forgetting_wait(books_forgetting(books)), -1);
}

/* It is seen all the time. */
static void
counts_from_the_end_of_a_long_session(void **state)
{
	struct guest guest;

	(void)state;
	start(10, AGE);
	guest = join(1, 1);
	ran += AGE - 1;
	leave(guest);
	ran += AGE - 1;
	forgetting_in_steps(books_forgetting(books));
	assert_true(is_known(1));
	ran += 2;
	forgetting_in_steps(books_forgetting(books));
	assert_false(is_known(1));
}

static void
forgets_a_fleet_in_steps(void **state)
{
	size_t before, steps = 0;

	(void)state;
	start(1000, AGE);
	for (unsigned i = 1; i <= 250; i++)
		visit(i);
	ran += AGE;
	while ((before = clients_count(clients)) > 0) {
		forgetting_in_steps(books_forgetting(books));
		assert_true(before - clients_count(clients) <= 100);
		forgetting_in_steps(books_forgetting(books)); /* too early */
		assert_true(before - clients_count(clients) <= 100);
		assert_int_equal(forgetting_wait(books_forgetting(books)),
		    clients_count(clients) > 0 ? 1000 : -1);
		ran += 1;
		steps++;
	}
	assert_int_equal(steps, 3);
	assert_int_equal(forgotten(STAT_FORGOTTEN_AGE), 250);
	assert_recorded(1, 0);
}

/* A reload, or a start. */
static void
comes_down_to_a_lower_limit(void **state)
{
	(void)state;
	start(1000, 0);
	for (unsigned i = 1; i <= 150; i++)
		visit(i);
	assert_int_equal(books_flush(books), 0);
	books_setup.limits.most[LIMIT_QUEUES] = 120;
	books_set_limits(books, &books_setup.limits);
	visit(151); /* at once */
	assert_int_equal(clients_count(clients), 120);
	books_setup.limits.most[LIMIT_QUEUES] = 2;
	books_set_limits(books, &books_setup.limits);
	assert_null(join(152, 1).queue); /* not for all at once */
	assert_int_equal(clients_count(clients), 20);
	books_setup.limits.most[LIMIT_QUEUES] = 3;
	books_set_limits(books, &books_setup.limits);
	assert_int_equal(forgetting_wait(books_forgetting(books)), 1000);
	for (int i = 0; i < 2; i++, ran++)
		forgetting_in_steps(books_forgetting(books));
	assert_int_equal(clients_count(clients), 3);
	assert_true(is_known(151) && is_known(150) && is_known(149));
	assert_int_equal(forgetting_wait(books_forgetting(books)), -1);
	assert_recorded(1, 0);
}

/* ---- by hand */

static struct forget_answer
wish(const char *identity, const char *queue, int force)
{
	struct forget forget = {.wish.force = force};

	snprintf(forget.wish.identity, sizeof forget.wish.identity, "%s", identity);
	snprintf(forget.wish.queue, sizeof forget.wish.queue, "%s", queue);
	forgetting_by_wish(books_forgetting(books), &forget);
	return forget.answer;
}

static void
forgets_by_hand_what_rests(void **state)
{
	struct forget_answer answer;

	(void)state;
	start(10, 0);
	visit(1);
	visit(2);
	visit(12);
	assert_int_equal(wish("pc", "", 0).outcome, FORGET_UNKNOWN);
	assert_int_equal(wish("pc3", "", 1).outcome, FORGET_UNKNOWN);
	assert_int_equal(wish("pc1", "1", 1).outcome, FORGET_UNKNOWN);
	assert_true(is_known(1));
	answer = wish("pc1", "00000000", 0);
	assert_int_equal(answer.outcome, FORGET_DONE);
	assert_int_equal(answer.queues, 1);
	assert_int_equal(answer.unsettled, 0);
	assert_true(!is_known(1) && is_known(2) && is_known(12));
	assert_int_equal(forgotten(STAT_FORGOTTEN_COMMAND), 1);
	assert_int_equal(wish("pc1", "", 0).outcome, FORGET_UNKNOWN);
	assert_recorded(1, 0);
}

static void
forgets_all_queues_of_a_client_or_none(void **state)
{
	struct forget_answer answer;
	struct guest guest;

	(void)state;
	start(10, 0);
	visit(1);
	visit(2);
	guest = join_again('a');
	answer = wish("pc1", "", 1);
	assert_int_equal(answer.outcome, FORGET_CONNECTED);
	assert_string_equal(answer.queue, guest.queue->id);
	answer = wish("pc1", "00", 0);
	assert_int_equal(answer.outcome, FORGET_AMBIGUOUS);
	assert_int_equal(answer.queues, 2);
	assert_int_equal(clients_count(clients), 3);
	leave(guest);
	answer = wish("pc1", "", 0);
	assert_int_equal(answer.outcome, FORGET_DONE);
	assert_int_equal(answer.queues, 2);
	assert_int_equal(clients_count(clients), 1);
	assert_true(is_known(2));
}

static void
forgets_items_by_force_alone(void **state)
{
	struct forget_answer answer;
	struct guest guest;
	uint64_t seq;

	(void)state;
	start(10, 0);
	guest = join(1, 1);
	accept_item(guest, 1);
	accept_item(guest, 2);
	seq = accept_item(guest, 3);
	say_skip(guest, 4);
	leave(guest);
	assert_int_equal(wish("pc1", "", 1).outcome, FORGET_UNDER_WAY);
	books_mark(books, seq, seq);
	answer = wish("pc1", "", 0);
	assert_int_equal(answer.outcome, FORGET_UNSETTLED);
	assert_int_equal(answer.unsettled, 3);
	assert_true(is_known(1));
	assert_int_equal(stats_get(&stats, STAT_NOW_UNSETTLED), 3);
	assert_int_equal(stats_get(&stats, STAT_NOW_SKIPS), 1);
	answer = wish("pc1", "", 1);
	assert_int_equal(answer.outcome, FORGET_DONE);
	assert_int_equal(answer.unsettled, 3);
	assert_false(is_known(1));
	assert_int_equal(stats_get(&stats, STAT_NOW_UNSETTLED), 0);
	assert_int_equal(stats_get(&stats, STAT_NOW_SKIPS), 0);
	assert_recorded(4, 0);
}

/* Force would be of no use there. */
static void
tells_first_of_a_queue_that_is_connected(void **state)
{
	struct forget_answer answer;
	struct guest guest, other;
	uint64_t seq;

	(void)state;
	start(10, 0);
	guest = join_again('a');
	other = join_again('b');
	seq = accept_item(other, 1);
	books_mark(books, seq, seq);
	leave(other);
	answer = wish("pc1", "", 0);
	assert_int_equal(answer.outcome, FORGET_CONNECTED);
	assert_string_equal(answer.queue, guest.queue->id);
	assert_int_equal(answer.unsettled, 1);
	leave(guest);
	assert_int_equal(wish("pc1", "", 0).outcome, FORGET_UNSETTLED);
}

/* ---- and back */

static void
a_queue_that_comes_back_begins_at_its_own_mark(void **state)
{
	struct guest guest;
	uint64_t seq;

	(void)state;
	start(10, AGE);
	guest = join(1, 1);
	seq = accept_item(guest, 1);
	books_mark(books, seq, seq);
	settle(guest, 2);
	leave(guest);
	ran += AGE;
	forgetting_in_steps(books_forgetting(books));
	assert_false(is_known(1));
	guest = join(1, 2);
	assert_int_equal(guest.mark, 2);
	accept_item(guest, 2);
	settle(guest, 3);
	assert_int_equal(guest.queue->figures.tally.missing, 0);
	assert_int_equal(stats_get(&stats, STAT_GAPS), 0);
	assert_int_equal(guest.queue->settled, 3);
	leave(guest);
	assert_recorded(3, 1);
	books_rotate(books);
	assert_recorded(3, 0);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(makes_room_with_the_one_unseen_for_longest),
	    T(makes_room_among_a_clients_own),
	    T(keeps_what_a_promise_stands_on),
	    T(keeps_a_queue_that_an_older_session_can_name),
	    T(keeps_a_queue_until_its_last_item_is_stored),
	    T(begins_no_queue_for_a_connection_older_than_the_last_of_a_forgotten_one),
	    T(passes_over_what_is_under_way),
	    T(forgets_what_was_unseen_for_long),
	    T(forgets_nothing_for_its_age_where_that_is_off),
	    T(counts_from_the_end_of_a_long_session),
	    T(forgets_a_fleet_in_steps),
	    T(comes_down_to_a_lower_limit),
	    T(forgets_by_hand_what_rests),
	    T(forgets_all_queues_of_a_client_or_none),
	    T(forgets_items_by_force_alone),
	    T(tells_first_of_a_queue_that_is_connected),
	    T(a_queue_that_comes_back_begins_at_its_own_mark),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
