/* SPDX-License-Identifier: ISC */
/* The ledger as it is written: what it is told it keeps, or says that it cannot. */
#include "config.h"

#include "inboxd/commit/ledger.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/expected.h"
#include "inboxd/base/site.h"
#include "inboxd/base/stats.h"
#include "inboxd/commit/books.h"
#include "inboxd/commit/browse.h"
#include "inboxd/commit/tallies.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/segment.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"

static char folder[64];
static int dir;
static struct clients *clients;

static int
setup(void **state)
{
	(void)state;
	dir = sample_make_folder(folder);
	clients = clients_new();
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	close(dir);
	sample_remove_folder(folder);
	return 0;
}

/* The clock, which each look at sets forward by so many seconds; and the one that nobody sets,
 * by which `ran` seconds have gone by. */
int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);
static time_t step, ahead, ran;

int
__wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	int rc = __real_clock_gettime(id, now);

	if (id == CLOCK_MONOTONIC)
		now->tv_sec += ran;
	else
		now->tv_sec += ahead += step;
	return rc;
}

static struct ledger *
start(uint64_t seq)
{
	struct ledger *ledger = ledger_start(
	    dir, clients, &(struct ledger_origin){.root = ROOT, .seq = seq});

	assert_non_null(ledger);
	return ledger;
}

static void
begins_with_the_whole_state(void **state)
{
	struct ledger *ledger;
	struct stat st;

	(void)state;
	ledger = start(1);
	sample_assert_newest(dir, clients, 1, 0);
	ledger_close(ledger);
	sample_fill(clients, 5, 20);
	ledger = start(78);
	assert_int_equal(fstat(ledger_fd(ledger), &st), 0);
	assert_int_equal(ledger_size(ledger), st.st_size);
	assert_int_equal(st.st_mode & 07777, 0600);
	sample_assert_newest(dir, clients, 78, 0);
	assert_int_equal(sample_count_files(dir), 2);
	ledger_close(ledger);
	ledger_close(NULL);
}

/* More than what is gathered before it is written. */
static void
begins_with_a_large_state(void **state)
{
	(void)state;
	sample_fill(clients, 3, 3000);
	ledger_close(start(10000));
	sample_assert_newest(dir, clients, 10000, 0);
}

static void
appends_what_it_is_told(void **state)
{
	struct queue *queue = clients_add(clients, SAMPLE_CLIENT, SAMPLE_QUEUE, 1);
	struct record record = {.type = RECORD_QUEUE};
	struct ledger *ledger = start(10);
	uint64_t size = ledger_size(ledger);

	(void)state;
	queue_record(queue, &record);
	ledger_append(ledger, &record);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(sample_append(ledger, clients, n, "x"), 9 + n);
	assert_int_equal(ledger_size(ledger), size);
	assert_int_equal(ledger_flush(ledger), 0);
	assert_true(ledger_size(ledger) > size);
	size = ledger_size(ledger);
	assert_int_equal(ledger_flush(ledger), 0);
	assert_int_equal(ledger_size(ledger), size);
	sample_assert_newest(dir, clients, 13, 3);
	record = (struct record){.type = RECORD_MARK, .synced = 12, .stored = 12};
	ledger_append(ledger, &record);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, 13, 0);
	ledger_close(ledger);
}

static void
goes_on_in_a_new_segment(void **state)
{
	char before[SEGMENT_NAME_ROOM], after[SEGMENT_NAME_ROOM];
	struct record record;
	struct ledger *ledger;
	size_t len, len_after;
	char *old, *old_after;

	(void)state;
	sample_fill(clients, 2, 10);
	ledger = start(50);
	assert_int_equal(segment_find_newest(dir, before), 0);
	old = sample_read(dir, before, &len);
	assert_int_equal(ledger_rotate(ledger, clients, 3), 0);
	assert_int_equal(segment_find_newest(dir, after), 0);
	assert_true(strcmp(after, before) > 0);
	sample_assert_newest(dir, clients, 50, 0);
	assert_int_equal(sample_append(ledger, clients, 5000, "behind"), 50);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, 51, 1);
	/* The old one gets a last line, and nothing else. */
	old_after = sample_read(dir, before, &len_after);
	assert_memory_equal(old, old_after, len);
	assert_int_equal(len_after, len + strlen("01234567 end \n") + strlen(after));
	assert_int_equal(record_parse(old_after + len, len_after - len - 1, &record), 0);
	assert_int_equal(record.type, RECORD_END);
	assert_string_equal(record.name, after);
	free(old);
	free(old_after);
	ledger_close(ledger);
}

/* Accepts that are not stored yet are state there, or stand in the old one: how far all is
 * acknowledged and stored says a mark, and which journal has the rest the begin record. */
static void
goes_on_when_not_all_is_stored(void **state)
{
	struct ledger_origin origin = {
	    .root = ROOT, .journal = SAMPLE_JOURNAL, .seq = 50, .synced = 49, .stored = 49};
	struct record mark = {.type = RECORD_MARK, .synced = 51, .stored = 50};
	struct ledger *ledger = ledger_start(dir, clients, &origin);
	struct replay replay;
	struct clients *found;

	(void)state;
	assert_non_null(ledger);
	for (int i = 0; i < 2; i++) {
		found = sample_replay(dir, NULL, &replay);
		assert_int_equal(replay.version, RECORD_VERSION);
		assert_string_equal(replay.journal, SAMPLE_JOURNAL);
		assert_int_equal(replay.synced, i == 0 ? 49 : 51);
		assert_int_equal(replay.stored, i == 0 ? 49 : 50);
		assert_int_equal(replay.first_seq, i == 0 ? 50 : 53);
		replay_free(&replay);
		clients_free(found);
		for (uint64_t n = 1; i == 0 && n <= 3; n++)
			(void)sample_append(ledger, clients, n, "x");
		ledger_append(ledger, &mark);
		assert_int_equal(ledger_flush(ledger), 0);
		assert_int_equal(ledger_rotate(ledger, clients, 3), 0);
	}
	ledger_close(ledger);
}

static void
sorts_newest_though_the_clock_was_set_back(void **state)
{
	static const char future[] = "20991231T235959.999999Z.log";
	char name[SEGMENT_NAME_ROOM], last[SEGMENT_NAME_ROOM];
	struct ledger *ledger;

	(void)state;
	sample_write(dir, future, "", 0);
	sample_fill(clients, 1, 1);
	ledger = start(50);
	assert_int_equal(segment_find_newest(dir, name), 0);
	assert_string_equal(name, "21000101T000000.999999Z.log");
	sample_assert_newest(dir, clients, 50, 0);
	for (int i = 0; i < 3; i++) {
		memcpy(last, name, sizeof last);
		assert_int_equal(ledger_rotate(ledger, clients, 0), 0);
		assert_int_equal(segment_find_newest(dir, name), 0);
		assert_true(strcmp(name, last) > 0);
		sample_assert_newest(dir, clients, 50, 0);
	}
	ledger_close(ledger);
}

/* Segments that begin within one microsecond, too. */
static void
never_gives_a_name_twice(void **state)
{
	struct ledger *ledger;

	(void)state;
	ledger = start(1);
	for (size_t i = 2; i < 30; i++) {
		assert_int_equal(ledger_rotate(ledger, clients, 3), 0);
		assert_int_equal(sample_count_files(dir), i);
	}
	ledger_close(ledger);
}

#define DAY 86400

/* The segments that lie there, oldest first, each by a letter: those of `names`. */
static const char *
left(char names[][SEGMENT_NAME_ROOM], size_t count)
{
	static char found[32];
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		if (faccessat(dir, names[i], F_OK, 0) == 0)
			found[len++] = (char)('a' + i);
	}
	found[len] = '\0';
	return found;
}

/* Each begins a day of running after the one before, but `e` and `f` within one. */
static struct ledger *
live(char names[8][SEGMENT_NAME_ROOM])
{
	struct ledger *ledger = start(1);

	for (size_t i = 0; i < 8; i++) {
		if (i > 0) {
			ran += i == 5 ? DAY / 4 : DAY;
			assert_int_equal(ledger_rotate(ledger, clients, 100), 0);
		}
		assert_int_equal(segment_find_newest(dir, names[i]), 0);
	}
	return ledger;
}

static void
deletes_what_has_been_history_for_days_of_running(void **state)
{
	static const char *const others[] = {"20200101T000000.000000Z.log.gz", "notes.log", ".log",
	    "20200101T000000Z.log", "20200101T000000.000000Z"};
	char names[8][SEGMENT_NAME_ROOM];
	struct ledger *ledger;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		sample_write(dir, others[i], "", 0);
	ledger = live(names);
	ledger_expire(ledger, 7);
	assert_string_equal(left(names, 8), "abcdefgh");
	ran += DAY * 3 / 4 - 2;
	ledger_expire(ledger, 6);
	assert_string_equal(left(names, 8), "abcdefgh"); /* seconds are missing to six days */
	ran += 3;
	ledger_expire(ledger, 6);
	assert_string_equal(left(names, 8), "bcdefgh");
	ledger_expire(ledger, 2);
	assert_string_equal(left(names, 8), "fgh");
	/* No days at all: what is in use stays. */
	ledger_expire(ledger, 0);
	assert_string_equal(left(names, 8), "h");
	assert_int_equal(ledger_rotate(ledger, clients, 0), 0);
	assert_string_equal(left(names, 8), "");
	assert_int_equal(ledger_rotate(ledger, clients, UINT64_MAX / 2), 0);
	sample_assert_newest(dir, clients, 1, 0);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(faccessat(dir, others[i], F_OK, 0), 0);
	ledger_close(ledger);
}

/* Ten years ahead at one start, and back at the next; and what files say of themselves. */
static void
no_date_deletes_history(void **state)
{
	const struct timespec long_ago[2] = {{.tv_sec = 1577836800}, {.tv_sec = 1577836800}};
	struct ledger *ledger;

	(void)state;
	for (size_t i = 1; i < 12; i++) {
		char name[SEGMENT_NAME_ROOM];
		ahead = i % 2 ? (time_t)DAY * 3652 : 0;
		ledger = start(1);
		ledger_expire(ledger, 1);
		assert_int_equal(ledger_rotate(ledger, clients, 1), 0);
		assert_int_equal(sample_count_files(dir), 2 * i);
		assert_int_equal(segment_find_newest(dir, name), 0);
		assert_int_equal(utimensat(dir, name, long_ago, 0), 0);
		ledger_close(ledger);
	}
	ahead = 0;
}

static uint64_t
age_on_disk(void)
{
	struct replay replay;
	struct clients *found = sample_replay(dir, NULL, &replay);
	uint64_t age = replay.age;

	replay_free(&replay);
	clients_free(found);
	return age;
}

/* With the marks, so that a run that ends anyhow has counted; but not with each. */
static void
notes_its_age_once_a_minute(void **state)
{
	struct record record = {.type = RECORD_MARK};
	struct ledger *ledger = ledger_start(dir, clients,
	    &(struct ledger_origin){.root = ROOT, .seq = 1, .age = 10 * DAY});
	static const struct {
		time_t runs;
		uint64_t age;
	} rows[] = {{0, 0}, {30, 0}, {31, 61}, {58, 61}, {30, 149}, {DAY, DAY + 149}};

	(void)state;
	assert_int_equal(age_on_disk(), 10 * DAY);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ran += rows[i].runs;
		record.age = 0;
		ledger_append(ledger, &record);
		assert_int_equal(ledger_flush(ledger), 0);
		assert_in_range(age_on_disk(), 10 * DAY + rows[i].age, 10 * DAY + rows[i].age + 1);
	}
	ledger_close(ledger);
}

/* A bad begin says nothing of when the one before it ended. */
static void
deletes_nothing_before_what_it_cannot_read(void **state)
{
	char names[8][SEGMENT_NAME_ROOM];
	struct ledger *ledger = live(names);
	char *text;
	size_t len;

	(void)state;
	text = sample_read(dir, names[2], &len);
	text[20] ^= 1;
	sample_write(dir, names[2], text, len);
	free(text);
	ledger_expire(ledger, 1);
	assert_string_equal(left(names, 8), "bcdefgh");
	ledger_close(ledger);
}

/* Whatever the clocks do between its beginning and that look. */
static void
never_deletes_the_newest_segment(void **state)
{
	struct ledger *ledger;

	(void)state;
	sample_fill(clients, 1, 2);
	ledger = start(50);
	step = 86400 * 10;
	for (int i = 0; i < 5; i++) {
		ran += 86400 * 10;
		assert_int_equal(ledger_rotate(ledger, clients, 0), 0);
		assert_int_equal(sample_count_files(dir), 1);
		sample_assert_newest(dir, clients, 50, 0);
	}
	step = ahead = 0;
	ledger_close(ledger);
}

static void
removes_an_unfinished_segment(void **state)
{
	(void)state;
	sample_write(dir, "unfinished", "half a state", 12);
	sample_fill(clients, 1, 1);
	ledger_close(start(50));
	assert_int_equal(sample_count_files(dir), 1);
	sample_assert_newest(dir, clients, 50, 0);
}

/* From here on the kernel lets no file grow beyond `bytes`. */
static void
limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
keeps_records_and_file_when_a_flush_fails(void **state)
{
	struct ledger *ledger = start(1);
	uint64_t size;
	struct stat st;

	(void)state;
	size = ledger_size(ledger);
	for (uint64_t n = 1; n <= 10; n++)
		(void)sample_append(ledger, clients, n, "0123456789");
	/* None of it, a part of the first line, all but the last byte. */
	for (rlim_t room = 0; room < 1500; room += room < 300 ? 1 : 97) {
		limit_files(size + room);
		errno = 0;
		assert_int_equal(ledger_flush(ledger), -1);
		assert_int_equal(errno, EFBIG);
		assert_int_equal(fstat(ledger_fd(ledger), &st), 0);
		assert_int_equal(st.st_size, size);
		assert_int_equal(ledger_size(ledger), size);
	}
	limit_files(RLIM_INFINITY);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, 11, 10);
	ledger_close(ledger);
}

static void
goes_on_in_the_old_segment_when_a_new_one_has_no_room(void **state)
{
	char before[SEGMENT_NAME_ROOM], after[SEGMENT_NAME_ROOM];
	struct ledger *ledger;
	uint64_t size;

	(void)state;
	sample_fill(clients, 2, 5);
	ledger = start(50);
	size = ledger_size(ledger);
	assert_int_equal(segment_find_newest(dir, before), 0);
	for (rlim_t room = 0; room < size; room += 101) {
		limit_files(room);
		assert_int_equal(ledger_rotate(ledger, clients, 0), -1);
		limit_files(RLIM_INFINITY);
		assert_int_equal(segment_find_newest(dir, after), 0);
		assert_string_equal(before, after);
		/* It must not keep from others the room that there is not. */
		assert_int_equal(sample_count_files(dir), 1);
	}
	assert_int_equal(sample_append(ledger, clients, 1, "x"), 50);
	assert_int_equal(ledger_flush(ledger), 0);
	sample_assert_newest(dir, clients, 51, 1);
	ledger_close(ledger);
}

static void
finds_the_newest_among_other_files(void **state)
{
	char name[SEGMENT_NAME_ROOM];

	(void)state;
	assert_int_equal(segment_find_newest(dir, name), 0);
	assert_string_equal(name, "");
	sample_write(dir, "zzz.log", "", 0);
	sample_write(dir, "99999999T999999.999999Z.log", "", 0);
	sample_write(dir, "unfinished", "", 0);
	sample_write(dir, "20261122T141101.000000Z.log.bak", "", 0);
	assert_int_equal(segment_find_newest(dir, name), 0);
	assert_string_equal(name, "");
	sample_write(dir, "20261122T141101.000000Z.log", "", 0);
	sample_write(dir, "20261122T141101.000001Z.log", "", 0);
	sample_write(dir, "20251122T141101.000002Z.log", "", 0);
	assert_int_equal(segment_find_newest(dir, name), 0);
	assert_string_equal(name, "20261122T141101.000001Z.log");
	assert_int_equal(segment_find_newest(-1, name), -1);
	assert_int_equal(errno, EBADF);
}

/* A session in which every figure moves. */
static void
move_all_figures(struct books *books, struct join *join)
{
	static struct inflow inflow;
	static struct inbox inbox = {.name = "status", .inflow = &inflow};
	struct item item = {.number = 1, .size = 5, .inbox = "status",
	    .draft = {.inbox = &inbox, .name = "name-1"}};
	struct notice notice = {.reason = "removed"};
	struct untold untold = {.later = 3, .refused = 2};
	size_t size;

	books_join(books, join);
	assert_non_null(join->queue);
	item.queue = notice.queue = join->queue;
	item.generation = notice.generation = join->generation;
	(void)books_accept(books, &item, &size);
	books_mark(books, item.seq, item.seq);
	books_count_stored(books, &item, clock_utc());
	item.number = 2;
	snprintf(item.draft.name, sizeof item.draft.name, "name-2");
	(void)books_accept(books, &item, &size);
	books_void(books, &item);
	notice.number = 3;
	books_skip(books, &notice);
	notice.number = 6;
	books_settle(books, &notice);
	item.number = 1; /* from a backup; once as one that is void */
	(void)books_accept(books, &item, &size);
	books_void(books, &item);
	(void)books_accept(books, &item, &size);
	books_mark(books, item.seq, item.seq);
	books_count_stored(books, &item, clock_utc());
	item.number = 4; /* late, and once as one that is void */
	item.is_reuse = 0;
	(void)books_accept(books, &item, &size);
	books_void(books, &item);
	(void)books_accept(books, &item, &size);
	books_mark(books, item.seq, item.seq);
	books_count_stored(books, &item, clock_utc());
	item.outcome = ITEM_AGAIN;
	tallies_count(&item);
	tallies_take(join->queue, &untold);
	books_leave(books, &notice);
	assert_int_equal(books_flush(books), 0);
}

static void
a_restart_knows_the_figures_that_were_known(void **state)
{
	static const struct books_setup books_setup = {
	    .ledger_size = 1 << 30, .ledger_days = 1, .limits = SAMPLE_LIMITS(10, 1)};
	static struct stats stats;
	struct join join = {.identity = SAMPLE_CLIENT, .queue_id = SAMPLE_QUEUE, .settled = 1,
	    .hello = {.backlog = {3, 1795356663, 2, 4096}, .agent = "inboxq/1",
	        .address = "192.0.2.17"}};
	struct books *books = books_open(clients, start(1), &books_setup, &stats);
	struct figures known, found;
	struct clients *replayed;
	struct replay replay;

	(void)state;
	assert_non_null(books);
	move_all_figures(books, &join);
	queue_figures(clients_next(clients, NULL), &known);
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		if (member_is_empty(&figures_rows[i].member, &known))
			fail_msg("no %s: this test is to move each figure", figures_rows[i].head);
	}
	assert_int_equal(known.tally.missing, 2);
	assert_int_equal(known.tally.reused, 1);
	assert_int_equal(known.tally.again, 1);
	assert_int_equal(known.tally.later, 3);
	assert_int_equal(known.tally.refused, 2);
	replayed = sample_replay(dir, NULL, &replay);
	queue_figures(clients_next(replayed, NULL), &found);
	/* A restart knows only when items were accepted, the one that was void later, too. */
	assert_in_range(known.tally.last_stored + 10000000 - found.tally.last_stored, 0,
	    20000000);
	found.tally.last_stored = known.tally.last_stored;
	assert_memory_equal(&found, &known, sizeof found);
	replay_free(&replay);
	clients_free(replayed);
	books_close(books);
	clients = NULL;
}

static const struct hello *
restarted(struct clients **replayed)
{
	static struct figures figures;
	struct replay replay;

	*replayed = sample_replay(dir, NULL, &replay);
	replay_free(&replay);
	queue_figures(clients_next(*replayed, NULL), &figures);
	return &figures.hello;
}

static void
a_client_is_seen_while_it_is_connected(void **state)
{
	static const struct books_setup books_setup = {
	    .ledger_size = 1 << 30, .ledger_days = 1, .limits = SAMPLE_LIMITS(10, 1)};
	static const struct backlog grown = {25, 1795356663, 2, 1 << 30};
	static struct stats stats;
	struct join join = {.identity = SAMPLE_CLIENT, .queue_id = SAMPLE_QUEUE, .settled = 1,
	    .superseded = calloc(1, sizeof *join.superseded)};
	struct notice notice = {.backlog = grown};
	struct books *books = books_open(clients, start(1), &books_setup, &stats);
	const struct hello *known;
	struct clients *replayed;
	struct queue *queue;
	struct settings settings = {.silent = 0};
	struct expected *nobody = expected_parse("", 0, "", &(struct why){""});
	struct site site = {.settings = &settings, .expected = nobody};
	struct view view = {.site = &site};
	int64_t now;

	(void)state;
	books_join(books, &join);
	queue = notice.queue = join.queue;
	now = queue->figures.hello.seen;
	assert_null(clients_longest_unseen(clients, NULL));
	/* An hour later, as it were: a session of before the last is nobody. */
	queue->figures.hello.seen -= 3600 * INT64_C(1000000);
	books_note(&notice);
	assert_int_equal(queue->figures.hello.backlog.pending, 0);
	notice.generation = join.generation;
	books_note(&notice);
	browse_page(books_clients(books), &view, clock_utc());
	assert_true(view.views[0].connected);
	assert_in_range(view.views[0].figures.hello.seen, now, now + 60000000);
	assert_memory_equal(&view.views[0].figures.hello.backlog, &grown, sizeof grown);
	free(view.views);
	expected_free(nobody);
	/* STATE costs no record; what is known at the end is known to the next start. */
	assert_int_equal(books_flush(books), 0);
	assert_int_equal(restarted(&replayed)->backlog.pending, 0);
	clients_free(replayed);
	books_leave(books, &notice);
	assert_ptr_equal(clients_longest_unseen(clients, NULL), queue);
	assert_int_equal(books_flush(books), 0);
	known = restarted(&replayed);
	assert_in_range(known->seen, now, now + 60000000);
	assert_memory_equal(&known->backlog, &grown, sizeof grown);
	clients_free(replayed);
	books_close(books);
	clients = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(begins_with_the_whole_state),
	    TEST(begins_with_a_large_state),
	    TEST(appends_what_it_is_told),
	    TEST(goes_on_in_a_new_segment),
	    TEST(goes_on_when_not_all_is_stored),
	    TEST(sorts_newest_though_the_clock_was_set_back),
	    TEST(never_gives_a_name_twice),
	    TEST(deletes_what_has_been_history_for_days_of_running),
	    TEST(no_date_deletes_history),
	    TEST(notes_its_age_once_a_minute),
	    TEST(deletes_nothing_before_what_it_cannot_read),
	    TEST(never_deletes_the_newest_segment),
	    TEST(removes_an_unfinished_segment),
	    TEST(keeps_records_and_file_when_a_flush_fails),
	    TEST(goes_on_in_the_old_segment_when_a_new_one_has_no_room),
	    TEST(finds_the_newest_among_other_files),
	    TEST(a_restart_knows_the_figures_that_were_known),
	    TEST(a_client_is_seen_while_it_is_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
