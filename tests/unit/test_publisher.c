/* SPDX-License-Identifier: ISC */
/*
 * The publisher by itself, the syncer, and the sync that a round makes: what is told when, in
 * which order calls come, and what a call that fails does to the items.  The test plays the
 * commit thread: it writes the journal, hands items over, and says when a mark is on the disk.
 */
#include "config.h"

#include "inboxd/publish/publisher.h"

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
#include "inboxd/base/settings.h"
#include "inboxd/commit/writer.h"
#include "inboxd/publish/publication.h"
#include "inboxd/publish/sync.h"
#include "inboxd/publish/syncer.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define PATIENCE 20000 /* milliseconds */
#define A_WHILE 60     /* in which nothing comes, likewise */
#define NEWS 77
#define ITEMS_MAX 40

/* ---- the hooks */

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_filesystem_trusts_syncfs(int fd);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

static int no_thread; /* none can be started */
static int is_distrusted; /* syncfs(2) */
static atomic_int is_frozen; /* the clock */
/* What a sync of a draft, and one of the file system take: microseconds.  While one is set, no
 * other time passes. */
static long a_draft, a_filesystem;

int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return no_thread ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

int
__wrap_filesystem_trusts_syncfs(int fd)
{
	(void)fd;
	return disk_has_syncfs() && !is_distrusted;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	static long passed;
	static unsigned drafts, filesystems;
	int rc = __real_clock_gettime(clock, now);

	if (atomic_load(&is_frozen)) {
		*now = (struct timespec){.tv_sec = atomic_load(&is_frozen)};
		return rc;
	}
	if (a_draft == 0 && a_filesystem == 0) {
		drafts = filesystems = 0;
		return rc;
	}
	passed += a_draft * (long)(calls_count(CALL_DRAFT) - drafts) +
	    a_filesystem * (long)(calls_count(CALL_FILESYSTEM) - filesystems);
	drafts = calls_count(CALL_DRAFT);
	filesystems = calls_count(CALL_FILESYSTEM);
	*now = (struct timespec){.tv_sec = passed / 1000000, .tv_nsec = passed % 1000000 * 1000};
	return rc;
}

/* ---- a root with an inbox, a journal, a publisher */

static char path[64];
static int root, ledger;
static struct inbox inbox;
static struct site site;
static struct namer namer;
static struct writer *writer;
static struct mailbox *box;
static struct publisher *publisher;
static struct message *unread; /* of what came to the box */
static struct publisher_news *told; /* the news that were read last */

static struct {
	char name[NAME_ROOM], text[64];
} items[ITEMS_MAX + 1]; /* by seq */
static struct handover *handover; /* that gathers */
static uint64_t last_seq;

static void
make_dirs(void)
{
	static const char *const names[] = {
	    "ledger", "status", "status/tmp", "status/new", "status/cur"};
	struct why why;

	root = sample_make_folder(path);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(mkdirat(root, names[i], 0700), 0);
	memset(&inbox, 0, sizeof inbox);
	if (inbox_open(&inbox, root, "status", 0, &why) < 0)
		fail_msg("%s", why.text);
	inbox.suffix = ".msg";
	site.inboxes = &inbox;
	site.inbox_count = 1;
	site.references = 1;
}

static int
open_ledger(const char *name)
{
	int fd = openat(root, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int
setup(void **state)
{
	struct why why;

	(void)state;
	calls_begin(-1, -1);
	make_dirs();
	ledger = open_ledger("ledger/1.log");
	writer = writer_make(root, ROOT, 4, 0, &why);
	assert_non_null(writer);
	box = mailbox_new();
	assert_non_null(box);
	last_seq = 0;
	publisher = NULL;
	log_setup(LOG_EMERG, LOG_FORMAT_PLAIN);
	calls_begin(inbox.tmp, inbox.new);
	return 0;
}

static void
free_news(void)
{
	struct renamed *renamed;

	while (told && (renamed = told->renamed)) {
		told->renamed = renamed->next;
		free(renamed);
	}
	free(told);
	told = NULL;
}

static void
stop(void)
{
	publisher_stop(publisher);
	publisher = NULL;
}

static int
teardown(void **state)
{
	(void)state;
	stop();
	free_news();
	assert_null(unread);
	assert_null(mailbox_take(box));
	assert_int_equal(site.references, 1); /* each draft was closed */
	mailbox_free(box);
	writer_close(writer);
	inbox_close(&inbox);
	close(root);
	sample_remove_folder(path);
	return 0;
}

static void
post(struct message *message, enum publisher_message kind)
{
	message->kind = (int)kind;
	mailbox_post(publisher_mailbox(publisher), message);
}

static void
tell_ledger(int fd)
{
	struct ledger_news *news = calloc(1, sizeof *news);

	assert_non_null(news);
	news->fd = fd;
	post(&news->message, PUBLISHER_LEDGER);
}

static void
start(enum settings_sync way)
{
	const struct publisher_setup wanted = {.root = root, .sync = (int)way,
	    .journal = writer_dir(writer), .news = box, .news_kind = NEWS, .number = 7};

	publisher = publisher_start(&wanted);
	assert_non_null(publisher);
	tell_ledger(ledger);
	(void)calls_trace();
}

static uint64_t
count(enum counter which)
{
	return stats_get(publisher_stats(publisher), which);
}

/* ---- what it is given */

/* One more item, with a frame in the batch that gathers; `is_large`: without its bytes. */
static void
add(int is_large)
{
	struct publication *p = calloc(1, sizeof *p), **last;
	char record[64], *text;

	assert_non_null(p);
	assert_true(last_seq < ITEMS_MAX);
	last_seq++;
	text = items[last_seq].text;
	snprintf(text, sizeof items[0].text, "the bytes of %u", (unsigned)last_seq);
	assert_int_equal(draft_create(&p->draft, &site, &inbox, &namer, SAMPLE_CLIENT), DRAFT_OK);
	assert_int_equal(draft_write(&p->draft, text, strlen(text)), DRAFT_OK);
	memcpy(items[last_seq].name, p->draft.name, NAME_ROOM);
	snprintf(record, sizeof record, "accept %u\n", (unsigned)last_seq);
	writer_add(writer, last_seq, record, strlen(record), is_large ? NULL : text, strlen(text));
	p->size = strlen(text);
	p->acknowledged = (int64_t)(1000 + last_seq);
	if (!handover) {
		handover = calloc(1, sizeof *handover);
		assert_non_null(handover);
	}
	for (last = &handover->first; *last; last = &(*last)->next)
		;
	*last = p;
}

static void
hand_over(void)
{
	size_t i = 0;

	assert_int_equal(writer_sync(writer), 0);
	for (struct publication *p = handover->first; p; p = p->next)
		p->frame = *writer_frame(writer, i++);
	(void)calls_trace();
	post(&handover->message, PUBLISHER_TAKE);
	handover = NULL;
}

static void
hand_over_some(size_t n)
{
	while (n-- > 0)
		add(0);
	hand_over();
}

/* A sync waits for so long after the last one. */
static void
pause_a_while(void)
{
	static const struct timespec a_while = {.tv_nsec = 12000000};

	nanosleep(&a_while, NULL);
}

static void
mark(uint64_t durable)
{
	struct marked *marked = calloc(1, sizeof *marked);

	pause_a_while();
	assert_non_null(marked);
	marked->durable = durable;
	post(&marked->message, PUBLISHER_MARKED);
}

/* ---- what it does */

static struct message *
next_message(int milliseconds)
{
	struct message *message = unread ? unread : mailbox_wait(box, milliseconds);

	unread = message ? message->next : NULL;
	return message;
}

static void
await_news(void)
{
	free_news();
	told = (struct publisher_news *)next_message(PATIENCE);
	assert_non_null(told);
	assert_int_equal(told->message.kind, NEWS);
}

static void
assert_told(uint64_t durable, uint64_t published, enum draft_result trouble)
{
	await_news();
	assert_int_equal(told->durable, durable);
	assert_int_equal(told->published, published);
	assert_int_equal(told->trouble, trouble);
}

static void
assert_nothing_told(void)
{
	assert_null(next_message(A_WHILE));
}

static int
is_visible(uint64_t seq)
{
	char *got = sample_read(inbox.new, items[seq].name, NULL);
	int is_there = got != NULL;

	if (got)
		assert_string_equal(got, items[seq].text);
	free(got);
	return is_there;
}

static int
is_draft(uint64_t seq)
{
	return faccessat(inbox.tmp, items[seq].name, F_OK, 0) == 0;
}

static void
assert_visible(uint64_t from, uint64_t until)
{
	for (uint64_t seq = from; seq <= until; seq++)
		assert_true(is_visible(seq) && !is_draft(seq));
}

static void
assert_drafts(uint64_t from, uint64_t until)
{
	for (uint64_t seq = from; seq <= until; seq++)
		assert_true(is_draft(seq) && !is_visible(seq));
}

/* ---- rounds */

static void
renames_what_is_marked_and_nothing_else(void **state)
{
	(void)state;
	start(SYNC_FILES);
	hand_over_some(3);
	assert_told(3, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "dddtl");
	assert_int_equal(told->items, 0);
	assert_int_equal(told->oldest, 1001);
	assert_nothing_told();
	assert_string_equal(calls_trace(), "");
	assert_drafts(1, 3);
	mark(2);
	assert_told(3, 2, DRAFT_OK);
	assert_string_equal(calls_trace(), "rrntl");
	assert_int_equal(told->items, 2);
	assert_int_equal(told->bytes, strlen(items[1].text) + strlen(items[2].text));
	assert_int_equal(told->oldest, 1003);
	assert_visible(1, 2);
	assert_drafts(3, 3);
	assert_nothing_told();
	mark(3);
	assert_told(3, 3, DRAFT_OK);
	assert_string_equal(calls_trace(), "rntl");
	assert_int_equal(told->items, 1);
	assert_int_equal(told->oldest, 0);
	assert_visible(1, 3);
	assert_int_equal(count(STAT_PUBLISHES), 3);
	assert_int_equal(count(STAT_PUBLISH_FAILED), 0);
}

static void
syncs_the_file_system_instead_of_all(void **state)
{
	(void)state;
#ifndef HAVE_SYNCFS
	skip();
#endif
	start(SYNC_FILESYSTEM);
	hand_over_some(3);
	assert_told(3, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "s");
	mark(3);
	assert_told(3, 3, DRAFT_OK);
	assert_string_equal(calls_trace(), "rrrs");
	assert_visible(1, 3);
}

/* One sync for those that become durable and those whose names do. */
static void
makes_one_sync_a_round(void **state)
{
	(void)state;
	start(SYNC_FILES);
	hand_over_some(1);
	assert_told(1, 0, DRAFT_OK);
	hand_over_some(1);
	assert_told(2, 0, DRAFT_OK);
	calls_hold(CALL_NEW);
	mark(1);
	calls_await(CALL_NEW);
	hand_over_some(2);
	mark(2);
	calls_go(CALL_NEW);
	assert_told(2, 1, DRAFT_OK);
	(void)calls_trace();
	assert_told(4, 2, DRAFT_OK);
	assert_int_equal(told->items, 1);
	assert_int_equal(count(STAT_PUBLISHES), 4);
	mark(4);
	assert_told(4, 4, DRAFT_OK);
	assert_visible(1, 4);
}

/* Names are made at once, but a sync waits for more; what is only visible is told in no news. */
static void
pauses_between_syncs(void **state)
{
	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start(SYNC_FILES);
	atomic_store(&is_frozen, 1000);
	hand_over_some(2); /* the first sync waits for nothing */
	assert_told(2, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "ddtl");
	hand_over_some(1);
	mark(1);
	assert_nothing_told();
	assert_string_equal(calls_trace(), "r");
	assert_visible(1, 1);
	calls_fail(CALL_RENAME, EACCES, -1);
	mark(2);
	assert_told(2, 0, DRAFT_TROUBLE);
	assert_int_equal(told->items, 0);
	calls_fail(CALL_RENAME, 0, 0);
	assert_told(3, 2, DRAFT_OK); /* there is no pause after trouble */
	mark(3);
	assert_nothing_told();
	assert_visible(1, 3);
	atomic_store(&is_frozen, 1001);
	assert_told(3, 3, DRAFT_OK);
	assert_int_equal(count(STAT_PUBLISHES), 3);
	atomic_store(&is_frozen, 0);
}

/* Whichever sync it waits for, it tells nothing before. */
static void
tells_nothing_before_it_is_synced(void **state)
{
	static const enum call before[] = {CALL_DRAFT, CALL_TMP, CALL_LEDGER};
	static const enum call after[] = {CALL_NEW, CALL_TMP, CALL_LEDGER};

	(void)state;
	start(SYNC_FILES);
	for (size_t i = 0; i < 3; i++) {
		uint64_t seq = i + 1;
		calls_hold(before[i]);
		hand_over_some(1);
		calls_await(before[i]);
		assert_nothing_told();
		mark(seq); /* earlier than the commit thread can */
		calls_hold(after[i]);
		calls_pass(before[i]);
		assert_told(seq, seq - 1, DRAFT_OK);
		calls_await(after[i]);
		assert_visible(seq, seq);
		assert_nothing_told();
		calls_go(before[i]);
		calls_go(after[i]);
		assert_told(seq, seq, DRAFT_OK);
	}
}

static void
syncs_the_ledger_that_there_is_now(void **state)
{
	int fd = open_ledger("ledger/2.log"), old = ledger;

	(void)state;
	start(SYNC_FILES);
	tell_ledger(fd);
	hand_over_some(1);
	assert_told(1, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "dtl");
	assert_int_equal(fcntl(old, F_GETFD), -1);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
}

static void
leaves_the_rest_when_it_is_stopped(void **state)
{
	(void)state;
	start(SYNC_FILES);
	hand_over_some(1);
	assert_told(1, 0, DRAFT_OK);
	calls_hold(CALL_DRAFT);
	hand_over_some(1);
	calls_await(CALL_DRAFT);
	hand_over_some(1);
	calls_go(CALL_DRAFT);
	stop();
	do /* one round more it may have made, or two */
		await_news();
	while (unread || (unread = mailbox_take(box)));
	assert_in_range(told->durable, 2, 3);
	assert_int_equal(told->published, 0);
	assert_drafts(1, 3);
}

static void
cannot_be_started_without_a_thread(void **state)
{
	const struct publisher_setup wanted = {.root = root, .news = box};

	(void)state;
	no_thread = 1;
	assert_null(publisher_start(&wanted));
	assert_int_equal(errno, EAGAIN);
	assert_null(syncer_start());
	assert_int_equal(errno, EAGAIN);
	no_thread = 0;
	close(ledger);
}

/* ---- names */

static void
gives_another_name_where_a_stranger_has_it(void **state)
{
	char client[NAME_CLIENT_MAX + 1], stranger[NAME_ROOM], *got;

	(void)state;
	start(SYNC_FILES);
	hand_over_some(3);
	assert_told(3, 0, DRAFT_OK);
	memcpy(stranger, items[2].name, NAME_ROOM);
	sample_write(inbox.new, stranger, "a stranger's", 12);
	mark(3);
	assert_told(3, 3, DRAFT_OK);
	assert_non_null(told->renamed);
	assert_int_equal(told->renamed->seq, 2);
	assert_null(told->renamed->next);
	memcpy(items[2].name, told->renamed->name, NAME_ROOM);
	assert_string_not_equal(items[2].name, stranger);
	assert_int_equal(name_read_client(items[2].name, ".msg", client), 0);
	assert_string_equal(client, SAMPLE_CLIENT);
	assert_visible(1, 3);
	got = sample_read(inbox.new, stranger, NULL);
	assert_string_equal(got, "a stranger's");
	free(got);
	assert_int_equal(sample_count_files(inbox.tmp), 0);
	assert_int_equal(count(STAT_NAMES_TAKEN), 1);
	assert_int_equal(count(STAT_PUBLISH_FAILED), 0);
}

/* Of a name that does not say whose it is the next one does not, either. */
static void
gives_a_name_for_one_of_any_form(void **state)
{
	struct publication *p;

	(void)state;
	start(SYNC_FILES);
	add(0);
	p = handover->first;
	assert_int_equal(renameat(inbox.tmp, p->draft.name, inbox.tmp, "any"), 0);
	snprintf(p->draft.name, sizeof p->draft.name, "any");
	sample_write(inbox.new, "any", "a stranger's", 12);
	hand_over();
	assert_told(1, 0, DRAFT_OK);
	mark(1);
	assert_told(1, 1, DRAFT_OK);
	assert_non_null(told->renamed);
	memcpy(items[1].name, told->renamed->name, NAME_ROOM);
	assert_non_null(strstr(items[1].name, "-.msg"));
	assert_visible(1, 1);
}

static void
tries_again_where_two_names_are_taken(void **state)
{
	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start(SYNC_FILES);
	hand_over_some(1);
	assert_told(1, 0, DRAFT_OK);
	calls_fail(CALL_RENAME, EEXIST, 2);
	mark(1);
	assert_told(1, 0, DRAFT_TROUBLE);
	assert_null(told->renamed);
	assert_drafts(1, 1);
	assert_told(1, 1, DRAFT_OK);
	assert_null(told->renamed);
	assert_visible(1, 1);
}

static void
publishes_without_renameat2(void **state)
{
	static const int errors[] = {ENOSYS, EINVAL};

	(void)state;
	start(SYNC_FILES);
	for (size_t i = 0; i < 2; i++) {
		uint64_t seq = last_seq + 1;
		hand_over_some(2);
		assert_told(seq + 1, seq - 1, DRAFT_OK);
		sample_write(inbox.new, items[seq].name, "a stranger's", 12);
		calls_fail(CALL_RENAME, errors[i], -1);
		mark(seq + 1);
		assert_told(seq + 1, seq + 1, DRAFT_OK);
		assert_non_null(told->renamed);
		memcpy(items[seq].name, told->renamed->name, NAME_ROOM);
		assert_visible(seq, seq + 1);
	}
}

/* ---- what is not there */

static void
makes_anew_what_somebody_took_out_of_tmp(void **state)
{
	struct stat st;

	(void)state;
	start(SYNC_FILES);
	hand_over_some(3);
	assert_told(3, 0, DRAFT_OK);
	assert_int_equal(unlinkat(inbox.tmp, items[1].name, 0), 0);
	assert_int_equal(unlinkat(inbox.tmp, items[2].name, 0), 0);
	(void)calls_trace();
	mark(3);
	/* The third is not held up; the mark does not go back for them. */
	assert_told(3, 0, DRAFT_OK);
	assert_visible(3, 3);
	assert_int_equal(told->items, 1);
	assert_told(3, 3, DRAFT_OK);
	assert_string_equal(calls_trace(), "rrrooddtnlrrntl");
	assert_visible(1, 3);
	assert_int_equal(fstatat(inbox.new, items[1].name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, inbox.file_mode);
	assert_int_equal(count(STAT_PUBLISH_FAILED), 2);
	hand_over_some(1);
	assert_told(4, 3, DRAFT_OK);
}

/* The mark is on the disk, so it cannot go back for a draft that is gone. */
static void
takes_no_mark_back(void **state)
{
	(void)state;
	start(SYNC_FILES);
	hand_over_some(2);
	assert_told(2, 0, DRAFT_OK);
	assert_int_equal(unlinkat(inbox.tmp, items[1].name, 0), 0);
	calls_fail(CALL_OPEN, ENOSPC, 1);
	mark(2);
	assert_told(2, 0, DRAFT_FULL);
	assert_visible(2, 2);
	assert_told(2, 0, DRAFT_OK);
	assert_told(2, 2, DRAFT_OK);
	assert_visible(1, 2);
}

/* The journal has not the bytes of a large one. */
static void
goes_on_where_somebody_took_a_large_draft(void **state)
{
	(void)state;
	start(SYNC_FILES);
	add(1), add(1);
	hand_over();
	assert_told(2, 0, DRAFT_OK);
	/* It was durable before: only its record is to be synced. */
	assert_string_equal(calls_trace(), "l");
	assert_int_equal(unlinkat(inbox.tmp, items[1].name, 0), 0);
	mark(2);
	assert_told(2, 2, DRAFT_OK);
	assert_false(is_visible(1));
	assert_visible(2, 2);
	assert_int_equal(count(STAT_PUBLISH_FAILED), 1);
}

/* Then it is not the draft that is missing, and must not be told as published. */
static void
keeps_drafts_where_the_folder_new_is_gone(void **state)
{
	(void)state;
	start(SYNC_FILES);
	add(0), add(1);
	hand_over();
	assert_told(2, 0, DRAFT_OK);
	assert_int_equal(unlinkat(root, "status/new", AT_REMOVEDIR), 0);
	(void)calls_trace();
	mark(2);
	assert_told(2, 0, DRAFT_TROUBLE);
	assert_nothing_told();
	assert_string_equal(calls_trace(), "rr");
	assert_true(is_draft(1) && is_draft(2));
}

/* ---- no room, and other trouble */

static void
waits_for_room_for_a_name(void **state)
{
	static const struct {
		int error;
		enum draft_result trouble;
	} errors[] = {{ENOSPC, DRAFT_FULL}, {EDQUOT, DRAFT_FULL},
	    {EACCES, DRAFT_TROUBLE}};

	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start(SYNC_FILES);
	for (uint64_t i = 0; i < 3; i++) {
		uint64_t seq = last_seq + 1;
		hand_over_some(2);
		assert_told(seq + 1, seq - 1, DRAFT_OK);
		calls_fail(CALL_RENAME, errors[i].error, 2);
		mark(seq + 1);
		assert_told(seq + 1, seq - 1, errors[i].trouble);
		assert_drafts(seq, seq + 1);
		assert_int_equal(told->oldest, 1000 + seq);
		/* What comes meanwhile becomes durable, and that is no end of it. */
		assert_told(seq + 1, seq + 1, DRAFT_OK);
		assert_visible(seq, seq + 1);
		assert_int_equal(count(STAT_PUBLISH_FAILED), 2 * (i + 1));
	}
}

static void
goes_on_with_others_in_trouble(void **state)
{
	(void)state;
#ifndef HAVE_RENAMEAT2
	skip();
#endif
	start(SYNC_FILES);
	hand_over_some(2);
	assert_told(2, 0, DRAFT_OK);
	calls_fail(CALL_RENAME, ENOSPC, 1);
	mark(2);
	assert_told(2, 0, DRAFT_FULL);
	assert_int_equal(told->items, 1); /* the second */
	assert_visible(2, 2);
	calls_fail(CALL_RENAME, ENOSPC, -1);
	hand_over_some(1);
	assert_told(3, 0, DRAFT_FULL);
	calls_fail(CALL_RENAME, 0, 0);
	mark(3);
	assert_told(3, 3, DRAFT_OK);
	assert_int_equal(told->items, 2);
	assert_visible(1, 3);
}

static void
makes_anew_what_found_no_room(void **state)
{
	(void)state;
	start(SYNC_FILES);
	calls_fail(CALL_DRAFT, ENOSPC, 1);
	hand_over_some(2);
	assert_told(0, 0, DRAFT_FULL);
	assert_string_equal(calls_trace(), "ddtl");
	mark(0);
	assert_told(2, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "ouodtl");
	mark(2);
	assert_told(2, 2, DRAFT_OK);
	assert_visible(1, 2);
}

/* syncfs() does not tell whose bytes found none. */
static void
asks_each_draft_where_the_file_system_is_full(void **state)
{
	(void)state;
#ifndef HAVE_SYNCFS
	skip();
#endif
	start(SYNC_FILESYSTEM);
	calls_fail(CALL_FILESYSTEM, ENOSPC, 1);
	calls_fail(CALL_DRAFT, ENOSPC, 1);
	hand_over_some(2);
	assert_told(0, 0, DRAFT_FULL);
	assert_string_equal(calls_trace(), "sddtl");
	assert_told(2, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "ouos");
	calls_fail(CALL_FILESYSTEM, EDQUOT, 1);
	mark(2);
	assert_told(2, 2, DRAFT_OK);
	assert_string_equal(calls_trace(), "rrsntl");
	assert_visible(1, 2);
}

/* A second each time: the deletion, the file, its bytes, its sync. */
static void
makes_anew_until_there_is_room(void **state)
{
	static const struct {
		enum call call;
		const char *trace;
	} faults[] = {{CALL_UNLINK, "oul"}, {CALL_OPEN, "ol"}, {CALL_FILL, "ouol"},
	    {CALL_DRAFT, "ouodtl"}};

	(void)state;
	start(SYNC_FILES);
	calls_fail(CALL_DRAFT, EDQUOT, 1);
	hand_over_some(1);
	assert_told(0, 0, DRAFT_FULL);
	for (size_t i = 0; i < 4; i++) {
		(void)calls_trace();
		calls_fail(faults[i].call, EDQUOT, 1);
		assert_told(0, 0, DRAFT_FULL);
		assert_string_equal(calls_trace(), faults[i].trace);
	}
	assert_told(1, 0, DRAFT_OK);
	mark(1);
	assert_told(1, 1, DRAFT_OK);
	assert_visible(1, 1);
}

static void
answers_whoever_asks_in_trouble_too(void **state)
{
	struct message answer = {.kind = 5};

	(void)state;
	start(SYNC_FILES);
	for (int i = 0; i < 2; i++) {
		struct asked *asked = calloc(1, sizeof *asked);
		assert_non_null(asked);
		asked->answer = &answer;
		asked->reply = box;
		post(&asked->message, PUBLISHER_ASK);
		assert_ptr_equal(next_message(PATIENCE), &answer);
		if (i > 0)
			break;
		calls_fail(CALL_DRAFT, ENOSPC, -1);
		hand_over_some(1);
		assert_told(0, 0, DRAFT_FULL);
	}
	stop();
	while (unread || (unread = mailbox_take(box)))
		await_news();
}

/* ---- what ends the program, in a child */

static void
assert_ends(void (*run)(void), const char *event)
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
	if (WEXITSTATUS(status) != EX_IOERR || !strstr(text, event))
		fail_msg("exit %d, \"%s\" instead of \"%s\"", WEXITSTATUS(status), text, event);
	fclose(log);
}

static enum call failing;
static int error_wanted;
static enum settings_sync way_wanted;

static void
run_rounds(void)
{
	start(way_wanted);
	if (failing != CALL_NEW)
		calls_fail(failing, error_wanted, 1);
	hand_over_some(2);
	await_news();
	calls_fail(failing, error_wanted, 1);
	mark(2);
	await_news();
}

static void
ends_with_74_when_a_sync_fails(void **state)
{
	static const struct {
		enum settings_sync way;
		enum call call;
		int error;
		const char *event;
	} faults[] = {{SYNC_FILES, CALL_DRAFT, EIO, "event=sync_failed what=draft"},
	    {SYNC_FILES, CALL_TMP, EIO, "event=sync_failed what=folder"},
	    {SYNC_FILES, CALL_TMP, ENOSPC, "event=sync_failed what=folder"},
	    {SYNC_FILES, CALL_NEW, EIO, "event=sync_failed what=folder"},
	    {SYNC_FILES, CALL_LEDGER, EIO, "event=sync_failed what=ledger"},
#ifdef HAVE_SYNCFS
	    {SYNC_FILESYSTEM, CALL_FILESYSTEM, EIO, "event=sync_failed what=filesystem"},
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		way_wanted = faults[i].way;
		failing = faults[i].call;
		error_wanted = faults[i].error;
		assert_ends(run_rounds, faults[i].event);
	}
	close(ledger);
}

static void
run_damaged(void)
{
	start(SYNC_FILES);
	hand_over_some(1);
	await_news();
	(void)unlinkat(inbox.tmp, items[1].name, 0);
	(void)unlinkat(root, JOURNAL_FOLDER "/0000", 0);
	mark(1);
	await_news();
	await_news();
}

static void
ends_with_74_where_the_journal_cannot_be_read(void **state)
{
	(void)state;
	assert_ends(run_damaged, "event=journal_failed call=read seq=1");
	close(ledger);
}

/* ---- which way is chosen */

static struct sync_how how;
static int draft_fd;

/* A round with so many drafts; 'f' for files, 's' for the file system. */
static char
round_with(size_t drafts)
{
	static struct publication fresh[16];
	const char *trace;

	assert_true(drafts < 16);
	memset(fresh, 0, sizeof fresh);
	for (size_t i = 0; i < drafts; i++) {
		fresh[i].draft.inbox = &inbox;
		fresh[i].draft.fd = draft_fd;
		fresh[i].frame.has_item = 1;
		fresh[i].next = i + 1 < drafts ? &fresh[i + 1] : NULL;
	}
	(void)calls_trace();
	sync_round(&how, drafts > 0 ? fresh : NULL, NULL);
	trace = calls_trace();
	if (strcmp(trace, "s") == 0)
		return 's';
	assert_int_equal(strspn(trace, "d"), drafts);
	return 'f';
}

static void
begin_auto(void)
{
	sample_write(inbox.tmp, "draft", "x", 1);
	draft_fd = openat(inbox.tmp, "draft", O_WRONLY | O_CLOEXEC);
	assert_true(draft_fd >= 0);
	a_draft = 250, a_filesystem = 2500;
	sync_begin(&how, root, SYNC_AUTO);
}

static void
end_auto(void)
{
	a_draft = a_filesystem = 0;
	sync_end(&how);
	close(draft_fd);
	close(ledger);
}

static void
syncs_few_drafts_by_themselves_and_many_at_once(void **state)
{
	(void)state;
	begin_auto();
#ifdef HAVE_SYNCFS
	for (size_t drafts = 0; drafts < 16; drafts++) {
		sync_end(&how);
		sync_begin(&how, root, SYNC_AUTO);
		assert_int_equal(round_with(drafts), drafts < 9 ? 'f' : 's');
	}
#endif
	is_distrusted = 1;
	assert_int_equal(sync_choose(root, SYNC_AUTO), SYNC_FILES);
	assert_int_equal(sync_choose(root, SYNC_FILESYSTEM), SYNC_FILESYSTEM);
	sync_end(&how);
	sync_begin(&how, root, SYNC_AUTO);
	assert_int_equal(round_with(15), 'f');
	is_distrusted = 0;
	end_auto();
}

/* A file system that others write much to is dear to sync; and it is tried again some day. */
static void
learns_what_each_way_costs(void **state)
{
	int rounds = 0;

	(void)state;
#ifndef HAVE_SYNCFS
	skip();
#endif
	begin_auto();
	a_filesystem = 100000;
	assert_int_equal(round_with(12), 's');
	assert_int_equal(round_with(12), 'f');
	while (rounds < 1000 && round_with(12) == 'f')
		rounds++;
	assert_in_range(rounds, 100, 400);
	assert_int_equal(round_with(12), 'f');
	/* Now files are dear. */
	a_filesystem = 2500, a_draft = 50000;
	rounds = 0;
	while (rounds < 1000 && round_with(12) == 'f')
		rounds++;
	assert_in_range(rounds, 1, 10);
	for (int i = 0; i < 20; i++)
		assert_int_equal(round_with(12), 's');
	rounds = 0;
	while (rounds < 1000 && round_with(12) == 's')
		rounds++;
	assert_in_range(rounds, 100, 500);
	end_auto();
}

static void
takes_the_other_way_for_a_batch_of_its_size(void **state)
{
	(void)state;
#ifndef HAVE_SYNCFS
	skip();
#endif
	start(SYNC_AUTO);
	hand_over_some(2);
	assert_told(2, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "ddtl");
	hand_over_some(30);
	assert_told(32, 0, DRAFT_OK);
	assert_string_equal(calls_trace(), "s");
	mark(32);
	assert_told(32, 32, DRAFT_OK);
	assert_visible(1, 32);
}

static void
says_what_a_system_lacks(void **state)
{
	struct why why;

	(void)state;
	assert_int_equal(sync_check(root, SYNC_AUTO, &why), 0);
	assert_int_equal(sync_check(root, SYNC_FILES, &why), 0);
	assert_int_equal(sync_check(root, SYNC_FILESYSTEM, &why), disk_has_syncfs() ? 0 : -1);
	is_distrusted = 1;
	assert_int_equal(sync_check(root, SYNC_AUTO, &why), 0);
	assert_int_equal(sync_check(root, SYNC_FILES, &why), 0);
	assert_int_equal(sync_check(root, SYNC_FILESYSTEM, &why), -1);
	assert_non_null(strstr(why.text, "set files"));
	is_distrusted = 0;
	close(ledger);
}

/* ---- the syncer */

static struct syncer *syncer;
static struct draft drafts[3];
static struct sync_order orders[3];

static void
make_orders(size_t n)
{
	memset(orders, 0, sizeof orders);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(
		    draft_create(&drafts[i], &site, &inbox, &namer, SAMPLE_CLIENT), DRAFT_OK);
		orders[i].draft = &drafts[i];
		orders[i].reply = box;
		orders[i].message.kind = 9;
		orders[i].asker = &drafts[i];
	}
	(void)calls_trace();
}

static void
send_orders(size_t n)
{
	make_orders(n);
	for (size_t i = 0; i < n; i++)
		syncer_send(syncer, &orders[i]);
}

static void
assert_sent_back(size_t i, int no_room)
{
	struct sync_order *order = (struct sync_order *)next_message(PATIENCE);

	assert_ptr_equal(order, &orders[i]);
	assert_int_equal(order->message.kind, 9);
	assert_int_equal(order->no_room, no_room);
	assert_ptr_equal(order->asker, &drafts[i]);
	draft_discard(&drafts[i]);
}

static void
sends_a_draft_back_when_it_is_durable(void **state)
{
	static const enum call syncs[] = {CALL_DRAFT, CALL_TMP};

	(void)state;
	syncer = syncer_start();
	assert_non_null(syncer);
	for (size_t i = 0; i < 2; i++) {
		calls_hold(syncs[i]);
		send_orders(1);
		calls_await(syncs[i]);
		assert_nothing_told();
		calls_go(syncs[i]);
		assert_sent_back(0, 0);
		assert_string_equal(calls_trace(), "dtu");
	}
	syncer_stop(syncer);
	close(ledger);
}

static void
sends_a_draft_back_that_found_no_room(void **state)
{
	(void)state;
	syncer = syncer_start();
	assert_non_null(syncer);
	calls_fail(CALL_DRAFT, ENOSPC, 1);
	send_orders(2);
	assert_sent_back(0, 1);
	assert_sent_back(1, 0);
	syncer_stop(syncer);
	close(ledger);
}

/* The first is at its sync while the others come. */
static void
send_others_late(size_t first, size_t second)
{
	calls_hold(CALL_DRAFT);
	syncer_send(syncer, &orders[0]);
	calls_await(CALL_DRAFT);
	syncer_send(syncer, &orders[first]);
	syncer_send(syncer, &orders[second]);
	calls_go(CALL_DRAFT);
	assert_ptr_equal(next_message(PATIENCE), &orders[0].message);
	assert_ptr_equal(next_message(PATIENCE), &orders[1].message);
	assert_ptr_equal(next_message(PATIENCE), &orders[2].message);
}

static void
syncs_a_folder_once_for_small_ones_and_large_ones_behind_them(void **state)
{
	(void)state;
	syncer = syncer_start();
	assert_non_null(syncer);
	make_orders(3);
	send_others_late(1, 2);
	assert_string_equal(calls_trace(), "dtddt");
	orders[2].size = 2 * 1024 * 1024;
	send_others_late(2, 1);
	assert_string_equal(calls_trace(), "dtdtdt");
	for (size_t i = 0; i < 3; i++)
		draft_discard(&drafts[i]);
	syncer_stop(syncer);
	close(ledger);
}

static void
sends_all_back_before_it_stops(void **state)
{
	(void)state;
	syncer = syncer_start();
	assert_non_null(syncer);
	send_orders(3);
	syncer_stop(syncer);
	syncer_stop(NULL);
	for (size_t i = 0; i < 3; i++)
		assert_sent_back(i, 0);
	close(ledger);
}

static void
run_syncer(void)
{
	syncer = syncer_start();
	calls_fail(failing, error_wanted, 1);
	send_orders(1);
	(void)next_message(PATIENCE);
}

static void
ends_with_74_when_a_large_draft_cannot_be_synced(void **state)
{
	(void)state;
	error_wanted = EIO;
	failing = CALL_DRAFT;
	assert_ends(run_syncer, "event=sync_failed what=draft");
	failing = CALL_TMP;
	assert_ends(run_syncer, "event=sync_failed what=folder");
	close(ledger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(renames_what_is_marked_and_nothing_else),
	    TEST(syncs_the_file_system_instead_of_all),
	    TEST(makes_one_sync_a_round),
	    TEST(pauses_between_syncs),
	    TEST(tells_nothing_before_it_is_synced),
	    TEST(syncs_the_ledger_that_there_is_now),
	    TEST(leaves_the_rest_when_it_is_stopped),
	    TEST(cannot_be_started_without_a_thread),
	    TEST(gives_another_name_where_a_stranger_has_it),
	    TEST(gives_a_name_for_one_of_any_form),
	    TEST(tries_again_where_two_names_are_taken),
	    TEST(publishes_without_renameat2),
	    TEST(makes_anew_what_somebody_took_out_of_tmp),
	    TEST(takes_no_mark_back),
	    TEST(goes_on_where_somebody_took_a_large_draft),
	    TEST(keeps_drafts_where_the_folder_new_is_gone),
	    TEST(waits_for_room_for_a_name),
	    TEST(goes_on_with_others_in_trouble),
	    TEST(makes_anew_what_found_no_room),
	    TEST(asks_each_draft_where_the_file_system_is_full),
	    TEST(makes_anew_until_there_is_room),
	    TEST(answers_whoever_asks_in_trouble_too),
	    TEST(ends_with_74_when_a_sync_fails),
	    TEST(ends_with_74_where_the_journal_cannot_be_read),
	    TEST(syncs_few_drafts_by_themselves_and_many_at_once),
	    TEST(learns_what_each_way_costs),
	    TEST(takes_the_other_way_for_a_batch_of_its_size),
	    TEST(says_what_a_system_lacks),
	    TEST(sends_a_draft_back_when_it_is_durable),
	    TEST(sends_a_draft_back_that_found_no_room),
	    TEST(syncs_a_folder_once_for_small_ones_and_large_ones_behind_them),
	    TEST(sends_all_back_before_it_stops),
	    TEST(ends_with_74_when_a_large_draft_cannot_be_synced),
	};

	alarm(120); /* no wait is without end */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
