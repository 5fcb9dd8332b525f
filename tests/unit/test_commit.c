/* SPDX-License-Identifier: ISC */
/*
 * The commit thread with its publisher and its syncer, a batch at a time: what it answers and
 * when, what it keeps and writes down, at its bounds, without room, and when a call fails.
 *
 * A batch is what arrives while the last sync of the journal runs; so that of an item that is of
 * no interest is held up until all of the batch lie in the mailbox.  The calls go through calls.c.
 */
#include "config.h"

#include "inboxd/commit/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "calls.h"
#include "inboxd/commit/strands.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/journal.h"
#include "lib/log.h"
#include "lib/segment.h"
#include "lib/why.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define PATIENCE 20000 /* milliseconds */
#define A_WHILE 60     /* in which nothing comes, likewise */
#define SECOND_QUEUE "7d0f3b5ac2e94a1f8b7c6d5e4f3a2b1d"
#define GATHERED_MAX ((size_t)16 * 1024 * 1024) /* as books.c has it */

/* ---- the hooks */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static atomic_int fails_in; /* the how many-th call of a start fails; 0: none */
static atomic_int no_descriptor; /* for the publisher */

int __real_behind_take_descriptor(int fd);
int __wrap_behind_take_descriptor(int fd);

int
__wrap_behind_take_descriptor(int fd)
{
	if (atomic_load(&no_descriptor)) {
		errno = EMFILE;
		return -1;
	}
	return __real_behind_take_descriptor(fd);
}

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);

static atomic_llong clock_step, clock_ahead; /* each look at the clock puts it on, microseconds */

int64_t
__wrap_clock_monotonic(void)
{
	return __real_clock_monotonic() + atomic_fetch_add(&clock_ahead, clock_step);
}

static int
start_fails(void)
{
	return atomic_load(&fails_in) > 0 && atomic_fetch_sub(&fails_in, 1) == 1;
}

void *
__wrap_calloc(size_t count, size_t size)
{
	if (start_fails()) {
		errno = ENOMEM;
		return NULL;
	}
	return __real_calloc(count, size);
}

int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return start_fails() ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

/* ---- a receiver of one inbox and two queues */

static struct {
	char path[64];
	int root, ledger;
	struct inbox inbox;
	struct site site;
	struct namer namer;
	struct clients *clients;
	struct ledger *open;
	struct writer *writer;
	struct commit *commit;
	struct mailbox *replies;
	struct queue *queues[2];
	struct strand strands[2]; /* of their sessions */
	uint64_t generations[2];
	struct commit_setup setup;
} world;

static void
make_dirs(void)
{
	static const char *const names[] = {
	    "ledger", "status", "status/tmp", "status/new", "status/cur"};
	struct why why;

	world.root = sample_make_folder(world.path);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(mkdirat(world.root, names[i], 0700), 0);
	world.ledger = disk_open_dir(world.root, "ledger");
	assert_true(world.ledger >= 0);
	if (inbox_open(&world.inbox, world.root, "status", 0, &why) < 0)
		fail_msg("%s", why.text);
	world.inbox.suffix = "";
	world.site.inboxes = &world.inbox;
	world.site.inbox_count = 1;
	world.site.references = 1;
}

static int
setup(void **state)
{
	struct why why;

	(void)state;
	memset(&world, 0, sizeof world);
	calls_begin(-1, -1);
	make_dirs();
	world.clients = clients_new();
	world.writer = writer_make(world.root, ROOT, 4, 0, &why);
	assert_non_null(world.writer);
	world.open = ledger_start(world.ledger, world.clients, &(struct ledger_origin){.root = "",
	    .journal = writer_generation(world.writer), .seq = 1});
	assert_non_null(world.open);
	world.replies = mailbox_new();
	assert_non_null(world.replies);
	world.setup = (struct commit_setup){.root = world.root, .sync = SYNC_FILES,
	    .books = {.ledger_size = 1 << 30, .ledger_days = 1,
	        .limits = SAMPLE_LIMITS(1000, 10)},
	    .number = 9, .lag_max = 1000};
	log_setup(LOG_EMERG, LOG_FORMAT_PLAIN);
	calls_begin(world.inbox.tmp, world.inbox.new);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	assert_null(mailbox_take(world.replies));
	assert_int_equal(world.site.references, 1); /* no draft is left open */
	mailbox_free(world.replies);
	inbox_close(&world.inbox);
	close(world.ledger);
	close(world.root);
	sample_remove_folder(world.path);
	return 0;
}

/* So many messages come back, and no more than these. */
static void
await(size_t count)
{
	while (count > 0) {
		struct message *message = mailbox_wait(world.replies, PATIENCE);
		assert_non_null(message);
		for (; message; message = message->next) {
			assert_true(count > 0);
			count--;
		}
	}
}

static void
assert_no_answer(void)
{
	assert_null(mailbox_wait(world.replies, A_WHILE));
}

static void
post_message(struct message *message)
{
	mailbox_post(commit_mailbox(world.commit), message);
}

/* NULL: no session is begun. */
static struct queue *
try_to_join(int which)
{
	struct join join = {
	    .request = {.message.kind = COMMIT_JOIN, .reply = world.replies}, .settled = 1};

	snprintf(join.identity, sizeof join.identity, "%s", SAMPLE_CLIENT);
	snprintf(join.queue_id, sizeof join.queue_id, "%s", which ? SECOND_QUEUE : SAMPLE_QUEUE);
	post_message(&join.request.message);
	await(1);
	world.queues[which] = join.queue;
	world.generations[which] = join.generation;
	return join.queue;
}

static void
join_queue(int which)
{
	assert_non_null(try_to_join(which));
}

static struct commit *
start(void)
{
	return commit_start(&world.setup, world.clients, world.open, world.writer);
}

static void
start_and_join(void)
{
	world.commit = start();
	assert_non_null(world.commit);
	join_queue(0);
	join_queue(1);
	(void)calls_trace();
}

/* ---- items */

static struct item *
new_question(int queue, uint64_t number, const char *bytes)
{
	struct item *item = __real_calloc(1, sizeof *item);

	assert_non_null(item);
	item->request.message.kind = COMMIT_ITEM;
	item->request.reply = world.replies;
	item->queue = world.queues[queue];
	item->strand = &world.strands[queue];
	item->generation = world.generations[queue];
	item->number = number;
	item->size = strlen(bytes);
	sample_digest(bytes, item->sha256);
	item->asks = 1;
	item->draft.inbox = &world.inbox;
	snprintf(item->inbox, sizeof item->inbox, "%s", world.inbox.name);
	item->draft.fd = -1;
	return item;
}

/* Its draft is whole, and its bytes are not handed over: it came in pieces. */
static struct item *
new_large(int queue, uint64_t number, const char *bytes)
{
	struct item *item = new_question(queue, number, bytes);

	item->asks = 0;
	assert_int_equal(draft_create(&item->draft, &world.site, &world.inbox, &world.namer,
	                     SAMPLE_CLIENT), DRAFT_OK);
	assert_int_equal(draft_write(&item->draft, bytes, strlen(bytes)), DRAFT_OK);
	return item;
}

/* As a worker hands it over; its bytes are the text. */
static struct item *
new_item(int queue, uint64_t number, const char *bytes)
{
	struct item *item = new_large(queue, number, bytes);

	item->bytes = malloc(item->size + 1);
	assert_non_null(item->bytes);
	memcpy(item->bytes, bytes, item->size);
	return item;
}

static void
post(struct item *item)
{
	post_message(&item->request.message);
}

static void
dispose(struct item *item)
{
	if (item->outcome == ITEM_STORED)
		assert_int_equal(item->draft.fd, -1); /* the publisher has it */
	else
		draft_discard(&item->draft);
	free(item->bytes);
	free(item->refusal);
	free(item);
}

static struct item *opener;

/* From here to end_batch() the commit thread sees nothing. */
static void
begin_batch(void)
{
	static uint64_t number = 100000;

	opener = new_item(0, number++, "of no interest");
	calls_hold(CALL_JOURNAL);
	post(opener);
	calls_await(CALL_JOURNAL);
}

/* Waits until it and its opener are answered. */
static void
end_batch(size_t items)
{
	calls_go(CALL_JOURNAL);
	await(items + 1);
	assert_int_equal(opener->outcome, ITEM_STORED);
	dispose(opener);
}

static uint64_t
count(enum counter which)
{
	return commit_count(world.commit, which);
}

static void
nap(void)
{
	static const struct timespec a_moment = {.tv_nsec = 1000000};

	nanosleep(&a_moment, NULL);
}

/* Until all that was acknowledged is published. */
static void
await_publisher(void)
{
	for (int i = 0; count(STAT_NOW_LAG_ITEMS) > 0; i++) {
		assert_true(i < PATIENCE);
		nap();
	}
}

static void
await_trouble(uint64_t is_in_trouble)
{
	for (int i = 0; count(STAT_NOW_PUBLISH_TROUBLE) != is_in_trouble; i++) {
		assert_true(i < PATIENCE);
		nap();
	}
}

static int
is_there(int dir, const char *name, const char *bytes)
{
	char *got = sample_read(dir, name, NULL);
	int is_right = got && strcmp(got, bytes) == 0;

	if (got)
		assert_true(is_right);
	free(got);
	return is_right;
}

static void
assert_later(const struct item *item, enum proto_code code)
{
	assert_int_equal(item->outcome, ITEM_LATER);
	assert_int_equal(item->code, code);
	/* The draft is its holder's to delete. */
	assert_int_equal(faccessat(world.inbox.tmp, item->draft.name, F_OK, 0), 0);
	assert_int_not_equal(faccessat(world.inbox.new, item->draft.name, F_OK, 0), 0);
}

static void
assert_again(const struct item *item, const struct item *first)
{
	assert_int_equal(item->outcome, ITEM_AGAIN);
	assert_string_equal(item->first_name, first->draft.name);
	assert_null(item->bytes);
}

/* Posts it, and waits for its answer. */
static struct item *
send(struct item *item)
{
	post(item);
	await(1);
	return item;
}

static void
assert_taken(int queue, uint64_t number, const char *bytes)
{
	struct item *item = send(new_item(queue, number, bytes));

	assert_int_equal(item->outcome, ITEM_STORED);
	await_publisher();
	assert_true(is_there(world.inbox.new, item->draft.name, bytes));
	dispose(item);
}

/* ---- what is on the disk */

static void
read_journal(struct journal *journal)
{
	int dir = disk_open_dir(world.root, JOURNAL_FOLDER);

	journal_read(journal, dir, ROOT);
	if (journal->found != JOURNAL_READ)
		fail_msg("%s", journal->why.text);
	for (size_t i = 0; i < journal->count; i++)
		assert_false(journal->frames[i].is_damaged);
	close(dir);
}

static struct journal_head
journal_head(void)
{
	struct journal journal;

	read_journal(&journal);
	journal_free(&journal);
	return journal.head;
}

/* A start must find as many items as known, none of them in doubt, and no draft. */
static void
check_ledger(size_t items)
{
	struct replay replay;
	struct clients *found = sample_replay(world.ledger, NULL, &replay);
	const struct queue *queue = NULL;
	size_t known = 0;

	while ((queue = clients_next(found, queue)))
		known += queue->entries.items;
	assert_int_equal(known, items);
	assert_int_equal(sample_unfinished(&replay), 0);
	replay_free(&replay);
	clients_free(found);
}

static void
stop_and_check(size_t items)
{
	struct journal_head head;

	commit_stop(world.commit);
	check_ledger(items);
	assert_int_equal(sample_count_files(world.inbox.tmp), 0);
	head = journal_head();
	assert_int_equal(head.published, head.last);
}

/* ---- the start */

#define TOOK_NOTHING 3
#define STARTED 4

/* In a child: what comes of a start whose n-th call fails. */
static int
try_start(int n)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int code = STARTED;

		alarm(20);
		/* A root of its own, within ours: two writers of one ledger are one too many. */
		assert_int_equal(chdir(world.path), 0);
		setenv("TMPDIR", ".", 1);
		(void)setup(NULL);
		atomic_store(&fails_in, n);
		errno = 0;
		world.commit = start();
		if (!world.commit) {
			if (errno != ENOMEM && errno != EAGAIN)
				_exit(EX_SOFTWARE);
			/* What was not taken is still good. */
			start_and_join();
			assert_taken(0, 1, "x");
			code = TOOK_NOTHING;
		}
		commit_stop(world.commit);
		_exit(code);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
starts_whole_or_takes_nothing(void **state)
{
	int code, nothing = 0;

	(void)state;
	/* Until nothing has failed for long: the publisher does without a helper. */
	for (int n = 1, well = 0; well < 50; n++) {
		code = try_start(n);
		/* No memory: the program ends, and nothing was promised. */
		if (code != EX_OSERR && code != STARTED)
			assert_int_equal(code, TOOK_NOTHING);
		nothing += code == TOOK_NOTHING;
		well = code == STARTED ? well + 1 : 0;
		assert_true(n < 150);
	}
	/* Its own memory, the books', three mailboxes' and three threads': none was overlooked. */
	assert_int_equal(nothing, 8);
	start_and_join();
	stop_and_check(0);
}

/* Later, peers may have them all. */
static void
has_the_publishers_descriptor_when_it_starts(void **state)
{
	(void)state;
	atomic_store(&no_descriptor, 1);
	assert_null(start());
	assert_int_equal(errno, EMFILE);
	atomic_store(&no_descriptor, 0);
	world.commit = start();
	assert_non_null(world.commit);
	atomic_store(&no_descriptor, 1);
	join_queue(0);
	stop_and_check(0);
	atomic_store(&no_descriptor, 0);
}

/* ---- the order */

/* The whole way of one item, call by call: its frame; the draft, its entry and the record; the
 * mark "durable"; its name; what makes that durable; the mark "published". */
static void
goes_the_way_of_an_item(void **state)
{
	struct journal journal;
	struct item *item;

	(void)state;
	start_and_join();
	item = new_item(0, 1, "an item");
	(void)calls_trace();
	calls_hold(CALL_JOURNAL);
	post(item);
	calls_await(CALL_JOURNAL);
	assert_no_answer();
	assert_string_equal(calls_trace(), "J");
	calls_pass(CALL_JOURNAL);
	await(1);
	assert_int_equal(item->outcome, ITEM_STORED);
	/* The next sync is that of the mark. */
	calls_await(CALL_JOURNAL);
	assert_string_equal(calls_trace(), "dtlJ");
	assert_true(is_there(world.inbox.tmp, item->draft.name, "an item"));
	read_journal(&journal);
	assert_int_equal(journal.head.last, 1);
	assert_int_equal(journal.head.durable, 1);
	assert_int_equal(journal.head.published, 0);
	assert_int_equal(journal.count, 1);
	assert_int_equal(journal.frames[0].item_size, 7);
	journal_free(&journal);
	assert_int_equal(count(STAT_NOW_LAG_ITEMS), 1);
	assert_int_equal(count(STAT_NOW_LAG_BYTES), 7);
	assert_true(count(STAT_NOW_LAG_SINCE) > 0);
	calls_go(CALL_JOURNAL);
	await_publisher();
	assert_string_equal(calls_trace(), "rntl");
	assert_true(is_there(world.inbox.new, item->draft.name, "an item"));
	assert_int_equal(count(STAT_NOW_LAG_BYTES), 0);
	assert_int_equal(count(STAT_NOW_LAG_SINCE), 0);
	dispose(item);
	stop_and_check(1);
	assert_string_equal(calls_trace(), "J");
}

static void
makes_one_sync_for_a_batch(void **state)
{
	struct item *items[20];
	unsigned syncs;

	(void)state;
	start_and_join();
	calls_hold(CALL_DRAFT); /* so no marks come between */
	begin_batch();
	for (uint64_t i = 0; i < 20; i++)
		post(items[i] = new_item(0, i + 1, "one of many"));
	syncs = calls_count(CALL_JOURNAL);
	assert_no_answer();
	end_batch(20);
	assert_int_equal(calls_count(CALL_JOURNAL), syncs + 1);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(items[i]->outcome, ITEM_STORED);
		dispose(items[i]);
	}
	calls_go(CALL_DRAFT);
	stop_and_check(21);
	assert_int_equal(sample_count_files(world.inbox.new), 21);
}

static void
takes_sessions_in_turn(void **state)
{
	struct item *much[20], *little;

	(void)state;
	start_and_join();
	calls_hold(CALL_DRAFT);
	begin_batch();
	for (uint64_t i = 0; i < 20; i++)
		post(much[i] = new_item(0, i + 1, "one of many"));
	post(little = new_item(1, 1, "the only one"));
	end_batch(21);
	assert_int_equal(little->seq, much[0]->seq + 1);
	for (int i = 1; i < 20; i++) {
		assert_int_equal(much[i]->seq, much[0]->seq + 1 + (uint64_t)i);
		dispose(much[i]);
	}
	dispose(much[0]);
	dispose(little);
	calls_go(CALL_DRAFT);
	stop_and_check(22);
}

/* Where each item takes as long to look at as the sync took, a turn takes few. */
static void
takes_no_more_in_a_turn_than_its_sync_is_worth(void **state)
{
	struct item *items[200];
	unsigned syncs;

	(void)state;
	start_and_join();
	calls_hold(CALL_DRAFT);
	begin_batch();
	for (uint64_t i = 0; i < 200; i++)
		post(items[i] = new_item(0, i + 1, "one of many"));
	syncs = calls_count(CALL_JOURNAL);
	atomic_store(&clock_step, CLOCK_SECOND);
	end_batch(200);
	atomic_store(&clock_step, 0);
	assert_in_range(calls_count(CALL_JOURNAL) - syncs, 200 / 70, 200 / 64 + 1);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(items[i]->outcome, ITEM_STORED);
		dispose(items[i]);
	}
	calls_go(CALL_DRAFT);
	stop_and_check(201);
}

/* ---- what is known */

static void
knows_duplicates_in_a_turn_and_later(void **state)
{
	struct item *first, *twin, *other, *reused, *again;
	unsigned syncs;

	(void)state;
	start_and_join();
	begin_batch();
	post(first = new_item(0, 1, "first"));
	post(twin = new_item(0, 1, "first"));
	post(other = new_item(1, 1, "first"));
	post(reused = new_item(0, 1, "not the first"));
	assert_no_answer();
	end_batch(4);
	assert_int_equal(first->outcome, ITEM_STORED);
	assert_again(twin, first);
	assert_int_equal(other->outcome, ITEM_STORED);
	assert_int_equal(reused->outcome, ITEM_STORED);
	assert_int_equal(count(STAT_NUMBERS_REUSED), 1);
	await_publisher();
	syncs = calls_count(CALL_JOURNAL);
	again = send(new_item(0, 1, "first"));
	assert_again(again, first);
	dispose(again);
	again = send(new_question(0, 1, "first"));
	assert_again(again, first);
	assert_int_equal(calls_count(CALL_JOURNAL), syncs);
	dispose(first), dispose(twin), dispose(other), dispose(reused), dispose(again);
	assert_int_equal(sample_count_files(world.inbox.new), 4);
	stop_and_check(4);
}

static void
answers_a_duplicate_of_what_is_not_visible_yet(void **state)
{
	struct item *first, *again;

	(void)state;
	start_and_join();
	calls_hold(CALL_DRAFT);
	first = send(new_item(0, 1, "first"));
	again = send(new_item(0, 1, "first"));
	assert_again(again, first);
	assert_int_equal(sample_count_files(world.inbox.new), 0);
	calls_go(CALL_DRAFT);
	dispose(first), dispose(again);
	stop_and_check(1);
}

static void
takes_nothing_of_who_only_asks_or_is_superseded(void **state)
{
	struct item *item;

	(void)state;
	start_and_join();
	item = send(new_question(0, 1, "what?"));
	assert_int_equal(item->outcome, ITEM_UNKNOWN);
	dispose(item);
	item = new_item(0, 1, "old");
	item->generation--;
	assert_int_equal(send(item)->outcome, ITEM_STALE);
	dispose(item);
	stop_and_check(0);
}

static void
puts_off_what_is_too_much_unsettled(void **state)
{
	struct item *item;

	(void)state;
	world.setup.books.limits.most[LIMIT_UNSETTLED] = 1;
	start_and_join();
	assert_taken(0, 1, "one");
	assert_later(item = send(new_item(0, 2, "two")), CODE_LATER_UNSETTLED);
	dispose(item);
	assert_taken(1, 1, "one");
	stop_and_check(2);
}

/* ---- no room for the ledger */

/* It asks the disk now and then. */
static struct item *
send_until_stored(uint64_t number, const char *bytes)
{
	struct item *item;

	while ((item = send(new_item(0, number, bytes)))->outcome != ITEM_STORED) {
		assert_later(item, CODE_LATER_FULL);
		dispose(item);
		nap();
	}
	return item;
}

static void
gives_up_a_turn_whose_records_have_no_room(void **state)
{
	struct item *known, *again, *lost, *twin, *large, *late;
	uint64_t last;

	(void)state;
	start_and_join();
	known = send(new_item(0, 1, "known"));
	await_publisher();
	begin_batch();
	post(lost = new_item(0, 2, "lost"));
	post(twin = new_item(0, 2, "lost"));
	post(again = new_item(0, 1, "known"));
	calls_fail(CALL_RECORD, ENOSPC, -1);
	end_batch(3);
	last = journal_head().last;
	assert_later(lost, CODE_LATER_FULL);
	assert_later(twin, CODE_LATER_FULL);
	assert_again(again, known);
	assert_int_equal(lost->over_share, 0);
	dispose(twin), dispose(again);
	/* While it is full no new one is looked at further, and known ones are known. */
	assert_later(late = send(new_item(0, 3, "late")), CODE_LATER_FULL);
	assert_later(large = send(new_large(0, 4, "late and large")), CODE_LATER_FULL);
	again = send(new_item(0, 1, "known"));
	assert_again(again, known);
	dispose(late), dispose(large), dispose(again), dispose(known);
	assert_int_equal(journal_head().last, last);
	calls_fail(CALL_RECORD, 0, 0);
	twin = send_until_stored(2, "lost");
	await_publisher();
	assert_true(is_there(world.inbox.new, twin->draft.name, "lost"));
	assert_true(journal_head().last > last + 1); /* its first number is void */
	dispose(twin), dispose(lost);
	stop_and_check(3);
}

/* What sessions say gathers in memory meanwhile, and that has a bound. */
static void
begins_sessions_without_room_until_too_much_has_gathered(void **state)
{
	struct record mark = {.type = RECORD_MARK};
	size_t size;

	(void)state;
	for (size_t gathered = 0; gathered < GATHERED_MAX; gathered += size) {
		ledger_append(world.open, &mark);
		(void)ledger_newest(world.open, &size);
	}
	calls_fail(CALL_RECORD, ENOSPC, -1);
	world.commit = start();
	assert_non_null(world.commit);
	join_queue(0); /* nobody knows yet that there is no room */
	assert_null(try_to_join(1));
	calls_fail(CALL_RECORD, 0, 0);
	dispose(send_until_stored(1, "x"));
	await_publisher();
	calls_fail(CALL_RECORD, ENOSPC, -1);
	join_queue(1);
	join_queue(1);
	calls_fail(CALL_RECORD, 0, 0);
	dispose(send_until_stored(2, "y"));
	stop_and_check(2);
}

/* The journal's blocks are its own, and still there may be no room to write them. */
static void
gives_up_a_turn_whose_frames_have_no_room(void **state)
{
	struct item *known, *again, *lost, *twin;
	uint64_t last;
	size_t segments;

	(void)state;
	world.setup.books.ledger_size = 1;
	start_and_join();
	known = send(new_item(0, 1, "known"));
	await_publisher();
	begin_batch();
	last = journal_head().last;
	post(lost = new_item(0, 2, "lost"));
	post(twin = new_item(0, 2, "lost"));
	post(again = new_item(0, 1, "known"));
	calls_fail(CALL_BATCH, ENOSPC, -1);
	end_batch(3);
	assert_later(lost, CODE_LATER_FULL);
	assert_later(twin, CODE_LATER_FULL);
	assert_again(again, known);
	dispose(twin), dispose(again);
	segments = sample_count_files(world.ledger);
	assert_later(twin = send(new_item(0, 3, "late")), CODE_LATER_FULL);
	again = send(new_item(0, 1, "known"));
	assert_again(again, known);
	dispose(twin), dispose(again), dispose(known);
	assert_in_range(journal_head().last, last, last + 1); /* with the opener's */
	assert_int_equal(sample_count_files(world.ledger), segments); /* none is begun meanwhile */
	calls_fail(CALL_BATCH, 0, 0);
	while (1) {
		twin = send(new_item(0, 2, "lost"));
		if (twin->outcome == ITEM_STORED)
			break;
		assert_later(twin, CODE_LATER_FULL);
		dispose(twin);
		nap();
	}
	await_publisher();
	assert_true(is_there(world.inbox.new, twin->draft.name, "lost"));
	dispose(twin), dispose(lost);
	stop_and_check(3);
}

/* ---- the bounds */

static void
lets_items_wait_at_the_bound_of_items(void **state)
{
	struct item *items[6], *again;

	(void)state;
	world.setup.lag_max = 3;
	start_and_join();
	calls_hold(CALL_DRAFT);
	for (uint64_t i = 0; i < 6; i++)
		post(items[i] = new_item(0, i + 1, "one of six"));
	await(3);
	again = new_item(0, 1, "one of six");
	post(again); /* behind the others */
	assert_no_answer();
	assert_int_equal(count(STAT_NOW_LAG_ITEMS), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(items[i]->outcome, ITEM_STORED);
	calls_go(CALL_DRAFT);
	await(4);
	assert_again(again, items[0]);
	for (int i = 0; i < 6; i++) {
		assert_int_equal(items[i]->outcome, ITEM_STORED);
		dispose(items[i]);
	}
	dispose(again);
	stop_and_check(6);
	assert_int_equal(sample_count_files(world.inbox.new), 6);
}

static void
keeps_the_last_of_the_bound_for_who_sends_little(void **state)
{
	struct item *much[40], *little;

	(void)state;
	world.setup.lag_max = 16;
	start_and_join();
	calls_hold(CALL_DRAFT);
	begin_batch();
	for (uint64_t i = 0; i < 40; i++)
		post(much[i] = new_item(0, i + 1, "one of many"));
	end_batch(13); /* and the opener: all but an eighth */
	assert_no_answer();
	post(little = new_item(1, 1, "the only one"));
	await(1);
	assert_int_equal(little->outcome, ITEM_STORED);
	assert_no_answer();
	assert_int_equal(count(STAT_NOW_LAG_ITEMS), 15);
	calls_go(CALL_DRAFT);
	await(27);
	for (int i = 0; i < 40; i++)
		dispose(much[i]);
	dispose(little);
	stop_and_check(42);
}

#define MANY 150
#define FIT (4 * 14) /* into 4 MiB, at most */
/* A batch goes whole into another segment where this one has no room for all of it. */
#define FIT_MIN (FIT / 2)

static void
lets_items_wait_where_the_journal_is_full(void **state)
{
	static char bytes[JOURNAL_ITEM_MAX + 1];
	struct item *items[MANY];
	size_t waiting = MANY;
	struct message *message;

	(void)state;
	memset(bytes, 'x', JOURNAL_ITEM_MAX);
	start_and_join();
	calls_hold(CALL_DRAFT);
	for (uint64_t i = 0; i < MANY; i++)
		post(items[i] = new_item(0, i + 1, bytes));
	while ((message = mailbox_wait(world.replies,
	            MANY - waiting < FIT_MIN ? PATIENCE : A_WHILE))) {
		for (; message; message = message->next)
			waiting--;
	}
	assert_in_range(MANY - waiting, FIT_MIN, FIT);
	assert_int_equal(count(STAT_NOW_PUBLISH_TROUBLE), 0);
	calls_go(CALL_DRAFT);
	stop_and_check(MANY); /* nobody who waits is forgotten */
	await(waiting);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(items[i]->outcome, ITEM_STORED);
		dispose(items[i]);
	}
	assert_int_equal(sample_count_files(world.inbox.new), MANY);
}

/* ---- large items */

static void
syncs_a_large_draft_before_its_frame(void **state)
{
	struct item *large, *twin, *small;
	struct journal journal;

	(void)state;
	start_and_join();
	calls_hold(CALL_TMP);
	post(large = new_large(0, 1, "large"));
	post(twin = new_large(0, 1, "large"));
	calls_await(CALL_TMP);
	small = send(new_item(0, 2, "small")); /* it waits for none of that */
	assert_int_equal(small->outcome, ITEM_STORED);
	assert_no_answer();
	assert_int_equal(journal_head().last, 1);
	calls_go(CALL_TMP);
	await(2);
	assert_int_equal(large->outcome, ITEM_STORED);
	assert_again(twin, large);
	await_publisher();
	assert_true(is_there(world.inbox.new, large->draft.name, "large"));
	read_journal(&journal);
	for (size_t i = 0; i < journal.count; i++) {
		assert_int_equal(journal.frames[i].has_item, journal.frames[i].seq == 1);
		assert_int_equal(journal.frames[i].item_size, journal.frames[i].seq == 1 ? 5 : 0);
	}
	assert_int_equal(journal.head.last, 2);
	journal_free(&journal);
	dispose(large), dispose(twin), dispose(small);
	stop_and_check(2);
}

static void
puts_off_a_large_draft_that_finds_no_room(void **state)
{
	struct item *large;

	(void)state;
	start_and_join();
	calls_fail(CALL_DRAFT, ENOSPC, 1);
	assert_later(large = send(new_large(0, 1, "large")), CODE_LATER_FULL);
	dispose(large);
	assert_int_equal(journal_head().last, 0);
	large = send(new_large(0, 1, "large"));
	assert_int_equal(large->outcome, ITEM_STORED);
	dispose(large);
	stop_and_check(1);
}

/* ---- trouble of the publisher's */

static void
takes_nothing_new_while_the_publisher_is_in_trouble(void **state)
{
	static const struct {
		int error;
		enum proto_code code;
	} troubles[] = {{ENOSPC, CODE_LATER_FULL}, {EACCES, CODE_LATER_TROUBLE}};
	struct item *first, *again, *late, *large;

	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start_and_join();
	for (uint64_t i = 0; i < 2; i++) {
		calls_fail(CALL_RENAME, troubles[i].error, -1);
		first = send(new_item(0, 10 * i + 1, "first"));
		assert_int_equal(first->outcome, ITEM_STORED);
		await_trouble(1);
		assert_later(late = send(new_item(0, 10 * i + 2, "late")), troubles[i].code);
		assert_later(large = send(new_large(0, 10 * i + 3, "large")), troubles[i].code);
		again = send(new_item(0, 10 * i + 1, "first"));
		assert_again(again, first);
		dispose(again), dispose(large), dispose(late);
		again = send(new_question(0, 10 * i + 1, "first"));
		assert_again(again, first);
		dispose(again);
		assert_int_equal(count(STAT_NOW_LAG_ITEMS), 1);
		calls_fail(CALL_RENAME, 0, 0);
		await_trouble(0);
		await_publisher();
		assert_true(is_there(world.inbox.new, first->draft.name, "first"));
		assert_taken(0, 10 * i + 2, "late");
		dispose(first);
	}
	stop_and_check(4);
}

/* What waits at the bound is not left there. */
static void
answers_what_waits_when_trouble_comes(void **state)
{
	struct item *items[2];

	(void)state;
	world.setup.lag_max = 1;
	start_and_join();
	calls_hold(CALL_DRAFT);
	post(items[0] = new_item(0, 1, "one"));
	post(items[1] = new_item(0, 2, "two"));
	await(1);
	assert_no_answer();
	calls_fail(CALL_DRAFT, EDQUOT, 1);
	calls_go(CALL_DRAFT);
	await(1);
	assert_int_equal(items[0]->outcome, ITEM_STORED);
	assert_later(items[1], CODE_LATER_FULL);
	dispose(items[0]), dispose(items[1]);
	await_publisher();
	stop_and_check(1);
	assert_int_equal(sample_count_files(world.inbox.new), 1);
}

static void
writes_down_another_name(void **state)
{
	struct item *item, *again;
	char *text, name[SEGMENT_NAME_ROOM];

	(void)state;
	start_and_join();
	calls_hold(CALL_DRAFT);
	item = send(new_item(0, 1, "ours"));
	sample_write(world.inbox.new, item->draft.name, "a stranger's", 12);
	calls_go(CALL_DRAFT);
	await_publisher();
	assert_int_equal(count(STAT_NAMES_TAKEN), 1);
	assert_true(is_there(world.inbox.new, item->draft.name, "a stranger's"));
	assert_int_equal(sample_count_files(world.inbox.new), 2);
	again = send(new_item(0, 1, "ours"));
	assert_again(again, item); /* the name that was promised */
	dispose(item), dispose(again);
	stop_and_check(1);
	assert_int_equal(segment_find_newest(world.ledger, name), 0);
	text = sample_read(world.ledger, name, NULL);
	assert_non_null(strstr(text, " renamed 1 "));
	free(text);
}

/* ---- the end */

static void
publishes_and_marks_all_before_it_stops(void **state)
{
	struct item *items[30];

	(void)state;
	start_and_join();
	begin_batch();
	for (uint64_t i = 0; i < 30; i++)
		post(items[i] = i % 5 ? new_item(0, i + 1, "last") : new_large(0, i + 1, "last"));
	calls_go(CALL_JOURNAL);
	stop_and_check(31);
	await(31);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(items[i]->outcome, ITEM_STORED);
		assert_true(is_there(world.inbox.new, items[i]->draft.name, "last"));
		dispose(items[i]);
	}
	dispose(opener);
}

static void *
let_go_later(void *arg)
{
	(void)arg;
	for (int i = 0; i < A_WHILE; i++)
		nap();
	calls_go(CALL_TMP);
	return NULL;
}

static void
waits_for_the_syncer_before_it_stops(void **state)
{
	struct item *large;
	pthread_t thread;

	(void)state;
	start_and_join();
	calls_hold(CALL_TMP);
	post(large = new_large(0, 1, "large"));
	calls_await(CALL_TMP);
	assert_int_equal(pthread_create(&thread, NULL, let_go_later, NULL), 0);
	stop_and_check(1);
	pthread_join(thread, NULL);
	await(1);
	assert_int_equal(large->outcome, ITEM_STORED);
	assert_true(is_there(world.inbox.new, large->draft.name, "large"));
	dispose(large);
}

static void
stops_in_trouble_and_leaves_it_to_the_next_start(void **state)
{
	struct journal journal;
	struct item *left, *done;

	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start_and_join();
	done = send(new_item(0, 1, "done"));
	await_publisher();
	calls_fail(CALL_RENAME, ENOSPC, -1);
	left = send(new_item(0, 2, "left"));
	assert_int_equal(left->outcome, ITEM_STORED);
	await_trouble(1);
	commit_stop(world.commit);
	assert_true(is_there(world.inbox.tmp, left->draft.name, "left"));
	read_journal(&journal);
	assert_int_equal(journal.head.published, 1);
	assert_int_equal(journal.head.durable, 2);
	assert_int_equal(journal.count, 1);
	assert_int_equal(journal.frames[0].seq, 2);
	journal_free(&journal);
	dispose(left), dispose(done);
}

/* ---- rotation, and who asks */

static size_t
count_segments(void)
{
	return sample_count_files(world.ledger);
}

static ino_t
newest_segment(void)
{
	char name[SEGMENT_NAME_ROOM];
	struct stat st;

	assert_int_equal(segment_find_newest(world.ledger, name), 0);
	assert_int_equal(fstatat(world.ledger, name, &st, 0), 0);
	return st.st_ino;
}

/* It waits for nobody; of the old file nothing is left unsynced, and the publisher syncs the one
 * that there is then. */
static void
rotates_while_items_are_not_published(void **state)
{
	struct item *item;
	size_t items = 0;

	(void)state;
	world.setup.books.ledger_size = 1500;
	start_and_join();
	calls_hold(CALL_DRAFT);
	while (count_segments() == 1) {
		assert_true(items < 100);
		item = send(new_item(0, ++items, "one of some"));
		assert_int_equal(item->outcome, ITEM_STORED);
		dispose(item);
	}
	join_queue(1); /* so the turn is over */
	assert_int_equal(calls_count(CALL_LEDGER), 2); /* the old one, and the new */
	assert_true(items > 1 && count(STAT_NOW_LAG_ITEMS) == items);
	calls_go(CALL_DRAFT);
	await_publisher();
	assert_taken(0, ++items, "one more");
	assert_int_equal(count_segments(), 2);
	assert_true(calls_ledger() == newest_segment());
	stop_and_check(items);
	assert_int_equal(sample_count_files(world.inbox.new), items);
}

static void
rotates_when_the_publisher_can_have_a_descriptor(void **state)
{
	size_t items = 0;

	(void)state;
	world.setup.books.ledger_size = 1500;
	start_and_join();
	atomic_store(&no_descriptor, 1);
	while (items < 10)
		assert_taken(0, ++items, "one of some");
	join_queue(1); /* so the turn is over */
	assert_int_equal(count_segments(), 1);
	atomic_store(&no_descriptor, 0);
	assert_taken(0, ++items, "one more");
	join_queue(1);
	assert_int_equal(count_segments(), 2);
	assert_taken(0, ++items, "the last one");
	await_publisher();
	assert_true(calls_ledger() == newest_segment());
	stop_and_check(items);
}

static void
gives_back_what_it_has_no_use_for(void **state)
{
	struct request request = {.message.kind = COMMIT_SUPERSEDED, .reply = world.replies};

	(void)state;
	start_and_join();
	post_message(&request.message);
	await(1);
	stop_and_check(0);
}

static void
lets_the_publisher_answer_a_probe(void **state)
{
	struct request probe = {
	    .message.kind = COMMIT_PROBE, .reply = world.replies};
	struct item *item;

	(void)state;
	start_and_join();
	post_message(&probe.message);
	await(1);
	calls_hold(CALL_LEDGER);
	item = send(new_item(0, 1, "held up"));
	calls_await(CALL_LEDGER);
	post_message(&probe.message);
	assert_no_answer();
	calls_go(CALL_LEDGER);
	await(1);
	dispose(item);
	stop_and_check(1);
}

/* ---- what ends the program, in a child */

static void
assert_ends(void (*run)(void), int code, const char *event)
{
	FILE *log = tmpfile();
	char text[4096];
	size_t len;
	int status;
	pid_t pid;

	assert_non_null(log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fileno(log), STDERR_FILENO);
		log_setup(LOG_CRIT, LOG_FORMAT_PLAIN);
		alarm(20);
		run();
		_exit(EX_SOFTWARE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	rewind(log);
	len = fread(text, 1, sizeof text - 1, log);
	text[len] = '\0';
	if (WEXITSTATUS(status) != code || !strstr(text, event))
		fail_msg("exit %d, \"%s\" instead of \"%s\"", WEXITSTATUS(status), text, event);
	fclose(log);
}

static enum call failing;
static int fails_large;

/* Whatever is answered comes too early. */
static void
run_failing(void)
{
	start_and_join();
	calls_fail(failing, EIO, 1);
	post(fails_large ? new_large(0, 1, "x") : new_item(0, 1, "x"));
	(void)!mailbox_wait(world.replies, PATIENCE);
}

static void
ends_with_74_and_answers_nothing_when_a_sync_fails(void **state)
{
	(void)state;
	failing = CALL_JOURNAL;
	assert_ends(run_failing, EX_IOERR, "event=sync_failed what=journal");
	failing = CALL_BATCH; /* no sync, and no lack of room */
	assert_ends(run_failing, EX_IOERR, "event=journal_failed call=write");
	failing = CALL_RECORD;
	assert_ends(run_failing, EX_IOERR, "event=ledger_failed call=write");
	fails_large = 1;
	failing = CALL_DRAFT;
	assert_ends(run_failing, EX_IOERR, "event=sync_failed what=draft");
	failing = CALL_TMP;
	assert_ends(run_failing, EX_IOERR, "event=sync_failed what=folder");
	start_and_join();
	commit_stop(world.commit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(starts_whole_or_takes_nothing),
	    TEST(has_the_publishers_descriptor_when_it_starts),
	    TEST(goes_the_way_of_an_item),
	    TEST(makes_one_sync_for_a_batch),
	    TEST(takes_sessions_in_turn),
	    TEST(takes_no_more_in_a_turn_than_its_sync_is_worth),
	    TEST(knows_duplicates_in_a_turn_and_later),
	    TEST(answers_a_duplicate_of_what_is_not_visible_yet),
	    TEST(takes_nothing_of_who_only_asks_or_is_superseded),
	    TEST(puts_off_what_is_too_much_unsettled),
	    TEST(gives_up_a_turn_whose_records_have_no_room),
	    TEST(begins_sessions_without_room_until_too_much_has_gathered),
	    TEST(gives_up_a_turn_whose_frames_have_no_room),
	    TEST(lets_items_wait_at_the_bound_of_items),
	    TEST(keeps_the_last_of_the_bound_for_who_sends_little),
	    TEST(lets_items_wait_where_the_journal_is_full),
	    TEST(syncs_a_large_draft_before_its_frame),
	    TEST(puts_off_a_large_draft_that_finds_no_room),
	    TEST(takes_nothing_new_while_the_publisher_is_in_trouble),
	    TEST(answers_what_waits_when_trouble_comes),
	    TEST(writes_down_another_name),
	    TEST(publishes_and_marks_all_before_it_stops),
	    TEST(waits_for_the_syncer_before_it_stops),
	    TEST(stops_in_trouble_and_leaves_it_to_the_next_start),
	    TEST(rotates_while_items_are_not_published),
	    TEST(rotates_when_the_publisher_can_have_a_descriptor),
	    TEST(gives_back_what_it_has_no_use_for),
	    TEST(lets_the_publisher_answer_a_probe),
	    TEST(ends_with_74_and_answers_nothing_when_a_sync_fails),
	};

	alarm(120); /* no wait is without end */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
