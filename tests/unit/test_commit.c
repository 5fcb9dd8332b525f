/* SPDX-License-Identifier: ISC */
/*
 * The commit thread by itself, a batch at a time: what it answers, keeps and
 * writes down when a call fails in the middle of a turn.
 *
 * A batch is what arrives while the last sync runs; so the first sync of an item
 * that is of no interest is held up until all of the batch lie in the mailbox.
 * Calls go through the __wrap_ functions below (ld --wrap); no sync is real.
 */
#include "config.h"

#include "inboxd/commit/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/disk.h"
#include "lib/log.h"
#include "lib/why.h"
#include "sample.h"

#define PATIENCE 20000 /* milliseconds */
#define SECOND_QUEUE "7d0f3b5ac2e94a1f8b7c6d5e4f3a2b1d"

/* ---- the hooks */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_linkat(int fromdir, const char *from, int todir, const char *to, int flags);
int __wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags);

#define FILLS (-1) /* it goes well, and then the ledger has no room */
static atomic_int fails_in;      /* the how many-th call of a start fails; 0: none */
static atomic_int is_held;       /* the next sync waits */
static atomic_int full_ledger;   /* the descriptor for which there is no room, or -1 */
static atomic_int on_rename;     /* giving a draft another name: an error, 0, or FILLS */
static sem_t holding, go_on;

/* Drafts that cannot be published.  Set while the commit thread is held up. */
static struct {
	char name[NAME_ROOM];
	int error;
} refused[4];
static size_t refused_count;

static struct {
	char path[64];
	int root, ledger;
	struct inbox inbox;
	struct site site;
	struct namer namer;
	struct clients *clients;
	struct ledger *open;
	struct commit *commit;
	struct mailbox *replies;
	struct queue *queues[2];
	uint64_t generations[2];
} world;

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

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (fd == atomic_load(&full_ledger)) {
		errno = ENOSPC;
		return -1;
	}
	return __real_write(fd, data, len);
}

int
__wrap_fdatasync(int fd)
{
	(void)fd;
	if (atomic_exchange(&is_held, 0)) {
		sem_post(&holding);
		sem_wait(&go_on);
	}
	return 0;
}

int
__wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

static int
is_refused(int todir, const char *from)
{
	for (size_t i = 0; todir == world.inbox.new && i < refused_count; i++) {
		if (strcmp(refused[i].name, from) == 0) {
			errno = refused[i].error;
			return 1;
		}
	}
	return 0;
}

#ifdef HAVE_RENAMEAT2
int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	return is_refused(todir, from) ? -1 : __real_renameat2(fromdir, from, todir, to, flags);
}
#endif

int
__wrap_linkat(int fromdir, const char *from, int todir, const char *to, int flags)
{
	int how = todir == world.inbox.tmp ? atomic_load(&on_rename) : 0;

	if (is_refused(todir, from))
		return -1;
	if (how == FILLS)
		atomic_store(&full_ledger, ledger_fd(world.open));
	else if (how) {
		errno = how;
		return -1;
	}
	return __real_linkat(fromdir, from, todir, to, flags);
}

/* ---- a receiver of one inbox and two queues */

static struct commit *
start(void)
{
	struct commit_setup setup = {.root = world.root, .sync = SYNC_FILES,
	    .books = {.ledger_size = 1 << 30, .ledger_days = 1, .unsettled = 100, .queues = 10},
	    .number = 9};

	return commit_start(&setup, world.clients, world.open);
}

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
	(void)state;
	memset(&world, 0, sizeof world);
	make_dirs();
	world.clients = clients_new();
	world.open = ledger_start(world.ledger, world.clients,
	    &(struct ledger_origin){.root = "", .seq = 1});
	assert_non_null(world.open);
	world.replies = mailbox_new();
	assert_non_null(world.replies);
	refused_count = 0;
	atomic_store(&full_ledger, -1);
	atomic_store(&on_rename, 0);
	log_setup(LOG_ALERT, LOG_FORMAT_PLAIN);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
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
join_queue(int which)
{
	struct join join = {
	    .request = {.message.kind = COMMIT_JOIN, .reply = world.replies}, .settled = 1};

	snprintf(join.identity, sizeof join.identity, "%s", SAMPLE_CLIENT);
	snprintf(join.queue_id, sizeof join.queue_id, "%s", which ? SECOND_QUEUE : SAMPLE_QUEUE);
	mailbox_post(commit_mailbox(world.commit), &join.request.message);
	await(1);
	assert_non_null(join.queue);
	world.queues[which] = join.queue;
	world.generations[which] = join.generation;
}

static void
start_and_join(void)
{
	world.commit = start();
	assert_non_null(world.commit);
	join_queue(0);
	join_queue(1);
}

/* A whole draft, as a worker hands it over; its bytes are the text. */
static struct item *
new_item(int queue, uint64_t number, const char *bytes)
{
	struct item *item = __real_calloc(1, sizeof *item);

	assert_non_null(item);
	item->request.message.kind = COMMIT_ITEM;
	item->request.reply = world.replies;
	item->queue = world.queues[queue];
	item->generation = world.generations[queue];
	item->number = number;
	item->size = strlen(bytes);
	sample_digest(bytes, item->sha256);
	assert_int_equal(draft_create(&item->draft, &world.site, &world.inbox, &world.namer,
	                     SAMPLE_CLIENT),
	    DRAFT_OK);
	assert_int_equal(draft_write(&item->draft, bytes, strlen(bytes)), DRAFT_OK);
	return item;
}

static void
post(struct item *item)
{
	mailbox_post(commit_mailbox(world.commit), &item->request.message);
}

static void
refuse(const struct item *item, int error)
{
	snprintf(refused[refused_count].name, NAME_ROOM, "%s", item->draft.name);
	refused[refused_count++].error = error;
}

static void
dispose(struct item *item)
{
	if (item->outcome == ITEM_STORED)
		draft_close(&item->draft);
	else
		draft_discard(&item->draft);
	free(item);
}

static struct item *opener;

/* From here to end_batch() the commit thread sees nothing. */
static void
begin_batch(void)
{
	static uint64_t number = 1000;

	opener = new_item(0, number++, "of no interest");
	atomic_store(&is_held, 1);
	post(opener);
	sem_wait(&holding);
}

/* Waits until it and its opener are answered. */
static void
end_batch(size_t items)
{
	sem_post(&go_on);
	await(items + 1);
	assert_int_equal(opener->outcome, ITEM_STORED);
	dispose(opener);
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

/* What the client hears is true: P1, and that it may send again. */
static void
assert_stored(const struct item *item, const char *bytes)
{
	assert_int_equal(item->outcome, ITEM_STORED);
	assert_true(is_there(world.inbox.new, item->draft.name, bytes));
}

static void
assert_later(const struct item *item, enum proto_code code)
{
	assert_int_equal(item->outcome, ITEM_LATER);
	assert_int_equal(item->code, code);
	/* The draft is its holder's to delete: without a void record on disk, a
	 * record without a draft would read as stored. */
	assert_int_equal(faccessat(world.inbox.tmp, item->draft.name, F_OK, 0), 0);
	assert_int_not_equal(faccessat(world.inbox.new, item->draft.name, F_OK, 0), 0);
}

/* Sent again, it is new: nothing of the first time is remembered. */
static void
assert_taken_again(int queue, uint64_t number, const char *bytes)
{
	struct item *item = new_item(queue, number, bytes);

	post(item);
	await(1);
	assert_stored(item, bytes);
	dispose(item);
}

/* Stops it; a start must find as many items as known, none of them in doubt, and no draft. */
static void
stop_and_check(size_t items)
{
	struct clients *found;
	struct replay replay;
	size_t known = 0;

	commit_stop(world.commit);
	found = sample_replay(world.ledger, NULL, &replay);
	for (size_t i = 0; i < clients_count(found); i++)
		known += clients_at(found, i)->items;
	assert_int_equal(known, items);
	assert_null(replay.tail);
	replay_free(&replay);
	clients_free(found);
	assert_int_equal(sample_count_files(world.inbox.tmp), 0);
}

/* ---- the tests */

static void
starts_whole_or_takes_nothing(void **state)
{
	int n = 1;

	(void)state;
	for (;; n++) {
		atomic_store(&fails_in, n);
		errno = 0;
		world.commit = start();
		if (atomic_exchange(&fails_in, 0) > 0)
			break;
		assert_null(world.commit);
		assert_true(errno == ENOMEM || errno == EAGAIN);
	}
	assert_int_equal(n, 5); /* its own memory, the mailbox's, the books', the thread */
	assert_non_null(world.commit);
	join_queue(0);
	assert_taken_again(0, 1, "what was not taken is still good");
	stop_and_check(1);
}

static void
answers_each_of_a_batch_alone_where_one_cannot_be_published(void **state)
{
	struct item *broken, *waits, *good, *again, *other, *full;

	(void)state;
	start_and_join();
	begin_batch();
	broken = new_item(0, 1, "broken");
	waits = new_item(0, 1, "broken");
	good = new_item(0, 2, "good");
	again = new_item(0, 2, "good");
	other = new_item(1, 1, "broken");
	full = new_item(0, 3, "full");
	refuse(broken, EIO);
	refuse(full, ENOSPC);
	post(broken), post(waits), post(good), post(again), post(other), post(full);
	end_batch(6);
	assert_later(broken, CODE_LATER_TROUBLE);
	assert_later(waits, CODE_LATER_TROUBLE);
	assert_later(full, CODE_LATER_FULL);
	assert_stored(good, "good");
	assert_stored(other, "broken");
	assert_int_equal(again->outcome, ITEM_AGAIN);
	assert_string_equal(again->first_name, good->draft.name);
	dispose(broken), dispose(waits), dispose(good), dispose(again), dispose(other),
	    dispose(full);
	assert_int_equal(sample_count_files(world.inbox.new), 3);
	assert_taken_again(0, 1, "broken");
	assert_taken_again(0, 3, "full");
	stop_and_check(5);
}

static void
gives_another_name_where_a_stranger_has_it(void **state)
{
	char first[NAME_ROOM];
	struct item *item;

	(void)state;
	start_and_join();
	begin_batch();
	item = new_item(0, 1, "ours");
	memcpy(first, item->draft.name, sizeof first);
	sample_write(world.inbox.new, first, "a stranger's", 12);
	post(item);
	end_batch(1);
	assert_stored(item, "ours");
	assert_string_not_equal(item->draft.name, first);
	assert_true(is_there(world.inbox.new, first, "a stranger's"));
	dispose(item);
	stop_and_check(2);
}

static void
puts_off_what_gets_no_other_name(void **state)
{
	struct item *item, *waits;

	(void)state;
	start_and_join();
	begin_batch();
	item = new_item(0, 1, "ours");
	waits = new_item(0, 1, "ours");
	sample_write(world.inbox.new, item->draft.name, "a stranger's", 12);
	atomic_store(&on_rename, EMLINK);
	post(item), post(waits);
	end_batch(2);
	assert_int_equal(item->outcome, ITEM_LATER);
	assert_int_equal(item->code, CODE_LATER_TROUBLE);
	assert_later(waits, CODE_LATER_TROUBLE);
	assert_true(is_there(world.inbox.new, item->draft.name, "a stranger's"));
	dispose(item), dispose(waits);
	atomic_store(&on_rename, 0);
	assert_taken_again(0, 1, "ours");
	stop_and_check(2);
}

/* Its first record says that it was on disk: until the void record is, too, its draft
 * must stay, and so no answer may go out. */
static void
keeps_a_renamed_draft_until_its_void_record_is_synced(void **state)
{
	struct item *item, *good, *other;

	(void)state;
	start_and_join();
	begin_batch();
	item = new_item(0, 1, "precious");
	sample_write(world.inbox.new, item->draft.name, "a stranger's", 12);
	good = new_item(0, 2, "good");
	atomic_store(&on_rename, FILLS);
	post(item), post(good);
	end_batch(1);
	assert_stored(good, "good");
	dispose(good);
	/* Whoever comes now hears that there is no room, and at the second one the turn in
	 * which it was found is over. */
	for (uint64_t n = 3; n <= 4; n++) {
		other = new_item(0, n, "too much");
		post(other);
		await(1);
		assert_later(other, CODE_LATER_FULL);
		dispose(other);
	}
	assert_null(mailbox_take(world.replies));
	assert_true(is_there(world.inbox.tmp, item->draft.old_name, "precious"));
	atomic_store(&on_rename, 0);
	atomic_store(&full_ledger, -1);
	await(1);
	assert_later(item, CODE_LATER_FULL);
	assert_true(is_there(world.inbox.tmp, item->draft.old_name, "precious"));
	dispose(item);
	assert_taken_again(0, 1, "precious");
	stop_and_check(3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(starts_whole_or_takes_nothing),
	    TEST(answers_each_of_a_batch_alone_where_one_cannot_be_published),
	    TEST(gives_another_name_where_a_stranger_has_it),
	    TEST(puts_off_what_gets_no_other_name),
	    TEST(keeps_a_renamed_draft_until_its_void_record_is_synced),
	};

	sem_init(&holding, 0, 0);
	sem_init(&go_on, 0, 0);
	alarm(120); /* no wait is without end */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
