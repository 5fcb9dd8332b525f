/* SPDX-License-Identifier: ISC */
/* What lies in the inboxes, counted beside all else: right, asked and unasked, with a rest. */
#include "config.h"

#include <dirent.h>
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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/shares.h"
#include "inboxd/base/site.h"
#include "inboxd/status/survey.h"
#include "lib/clock.h"

#define OLD 1700000000

static char folder[96];
static struct inbox inboxes[2];
static struct settings settings;
static struct site site, other;
static struct mailbox *main_box;
static atomic_int stat_delay; /* microseconds */
static atomic_int stats_made;
static int no_thread, read_fails_at, stat_fails;

int __real_fstatat(int dir, const char *name, struct stat *st, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *st, int flags);
struct dirent *__real_readdir(DIR *listing);
struct dirent *__wrap_readdir(DIR *listing);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg);

int
__wrap_fstatat(int dir, const char *name, struct stat *st, int flags)
{
	stats_made++;
	if (stat_delay)
		usleep((useconds_t)stat_delay);
	if (stat_fails) {
		errno = ENOENT;
		return -1;
	}
	return __real_fstatat(dir, name, st, flags);
}

struct dirent *
__wrap_readdir(DIR *listing)
{
	if (read_fails_at > 0 && --read_fails_at == 0) {
		errno = EIO;
		return NULL;
	}
	return __real_readdir(listing);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
    void *arg)
{
	return no_thread ? EAGAIN : __real_pthread_create(thread, attr, run, arg);
}

static void
make(const char *path, int64_t age)
{
	struct timespec times[2] = {{OLD - age, 0}, {OLD - age, 0}};
	char whole[192];
	int fd;

	snprintf(whole, sizeof whole, "%s/%s", folder, path);
	fd = open(whole, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static void
run(const char *fmt)
{
	char command[256];

	snprintf(command, sizeof command, fmt, folder);
	assert_int_equal(system(command), 0);
}

static int
set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char path[128];

	(void)state;
	snprintf(folder, sizeof folder, "%.60s/survey.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder))
		return -1;
	run("cd %s && mkdir -p a/new a/cur b/new b/cur");
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%c/new", folder, 'a' + i);
		inboxes[i].new = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		inboxes[i].inflow = inflow_new();
		snprintf(inboxes[i].name, sizeof inboxes[i].name, "%c", 'a' + i);
	}
	/* Never freed: a reference is ours. */
	site = (struct site){.references = 1, .settings = &settings, .inboxes = inboxes,
	    .inbox_count = 1};
	other = (struct site){.references = 1, .settings = &settings, .inboxes = inboxes,
	    .inbox_count = 2};
	main_box = mailbox_new();
	settings.share = 0;
	stat_delay = stats_made = 0;
	no_thread = read_fails_at = stat_fails = 0;
	return main_box ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct message *message, *next;

	(void)state;
	for (message = mailbox_take(main_box); message; message = next) {
		next = message->next;
		counted_free((struct counted *)message);
	}
	mailbox_free(main_box);
	for (int i = 0; i < 2; i++) {
		close(inboxes[i].new);
		inflow_unref(inboxes[i].inflow);
	}
	run("rm -r %s");
	return site.references == 1 && other.references == 1 ? 0 : -1;
}

/* The next count, within ten seconds. */
static struct counted *
next_count(void)
{
	struct message *message = mailbox_wait(main_box, 10000);

	assert_non_null(message);
	assert_null(message->next);
	assert_int_equal(message->kind, SURVEY_COUNTED);
	return (struct counted *)message;
}

static struct inbox_count
look(void)
{
	atomic_int stop = 0;
	struct inbox_count count;

	inbox_count(&inboxes[0], &stop, NULL, &count);
	return count;
}

/* ---- a count */

static void
new_and_cur_are_counted_with_their_oldest(void **state)
{
	(void)state;
	make("a/new/2", 20);
	make("a/new/1", 10);
	make("a/new/.hidden", 1000);
	make("a/cur/3", 30);
	int64_t before = clock_utc();
	struct inbox_count count = look();
	assert_string_equal(count.name, "a");
	assert_in_range(count.begun, before, clock_utc());
	assert_true(count.waiting.known && count.claimed.known);
	assert_int_equal(count.waiting.files, 2);
	assert_int_equal(count.waiting.oldest, (OLD - 20) * INT64_C(1000000));
	assert_int_equal(count.claimed.files, 1);
	assert_int_equal(count.claimed.oldest, (OLD - 30) * INT64_C(1000000));
	assert_string_equal(count.error, "");
}

#define ITEM "20261122T141103.123456Z-1f2e3d4c-0.1-"

static void
what_waits_is_told_by_client_where_that_is_bounded(void **state)
{
	struct survey *survey;
	struct counted *counted;

	(void)state;
	inboxes[0].suffix = "";
	inboxes[1].suffix = ".msg";
	run("truncate -s 5000 %s/a/new/" ITEM "pc1");
	run("truncate -s 0 %s/a/new/" ITEM "pc-2");
	run("truncate -s 6000 %s/b/new/" ITEM "pc1.msg");
	run("truncate -s 8000 %s/b/new/" ITEM "pc1");
	run("truncate -s 7000 %s/a/cur/" ITEM "pc1");
	run("truncate -s 9000 %s/b/new/stranger");
	survey = survey_start(&other, main_box);
	assert_non_null(survey);
	counted = next_count();
	assert_null(counted->shares);
	counted_free(counted);
	settings.share = 1;
	survey_ask(survey);
	counted = next_count();
	assert_non_null(counted->shares);
	/* pc1: 5000 and 6000 bytes; pc-2: an empty file counts, too; others have nothing. */
	assert_true(shares_allow(counted->shares, "pc1", 5000, 16000));
	assert_false(shares_allow(counted->shares, "pc1", 5000, 15999));
	assert_false(shares_allow(counted->shares, "pc1", 1, 15000));
	assert_true(shares_allow(counted->shares, "pc-2", 0, 2 * SHARES_LEAST));
	assert_false(shares_allow(counted->shares, "pc-2", 0, 2 * SHARES_LEAST - 1));
	assert_true(shares_allow(counted->shares, "pc3", UINT64_MAX, 1));
	assert_false(shares_allow(counted->shares, "pc1", UINT64_MAX, UINT64_MAX));
	assert_false(shares_allow(counted->shares, "pc1", 0, 1));
	counted_free(counted);
	survey_stop(survey);
}

static void
what_cannot_be_read_is_not_known(void **state)
{
	(void)state;
	make("a/new/1", 10);
	run("rmdir %s/a/cur");
	struct inbox_count count = look();
	assert_true(count.waiting.known && !count.claimed.known);
	assert_int_equal(count.waiting.files, 1);
	assert_non_null(strstr(count.error, "cur/: No such file"));
	/* Made anew it is found again. */
	run("mkdir %s/a/cur");
	assert_true(look().claimed.known);
	for (int at = 1; at < 7; at++) {
		read_fails_at = at; /* three entries and an end in new/, behind three in cur/ */
		count = look();
		assert_int_equal(count.claimed.known, at > 3);
		assert_int_equal(count.waiting.known, at <= 3);
		assert_non_null(strstr(count.error, at <= 3 ? "cur/: " : "new/: "));
	}
}

/* A consumer takes what has been listed and not been looked at. */
static void
a_file_that_goes_meanwhile_is_no_fault(void **state)
{
	(void)state;
	make("a/new/1", 10);
	stat_fails = 1;
	struct inbox_count count = look();
	assert_true(count.waiting.known);
	assert_int_equal(count.waiting.files, 1);
	assert_int_equal(count.waiting.oldest, 0);
	assert_string_equal(count.error, "");
}

/* ---- the thread */

static void
it_counts_when_it_starts_and_when_asked(void **state)
{
	(void)state;
	make("a/new/1", 10);
	struct survey *survey = survey_start(&site, main_box);
	assert_non_null(survey);
	struct counted *counted = next_count();
	assert_int_equal(counted->was_asked, 0);
	assert_int_equal(counted->count, 1);
	assert_int_equal(counted->inboxes[0].waiting.files, 1);
	counted_free(counted);
	make("a/new/2", 10);
	survey_ask(survey);
	counted = next_count();
	assert_int_equal(counted->was_asked, 1);
	assert_int_equal(counted->inboxes[0].waiting.files, 2);
	assert_ptr_equal(counted_find(counted, "a", 7), &counted->inboxes[0]);
	assert_null(counted_find(counted, "b", 0));
	assert_null(counted_find(NULL, "a", 0));
	counted_free(counted);
	/* Nobody asks, and a minute is long. */
	assert_null(mailbox_wait(main_box, 300));
	survey_stop(survey);
}

static void
a_new_configuration_is_counted_at_once(void **state)
{
	(void)state;
	make("b/new/1", 10);
	struct survey *survey = survey_start(&site, main_box);
	counted_free(next_count());
	survey_set_site(survey, &other);
	struct counted *counted = next_count();
	assert_int_equal(counted->was_asked, 0);
	assert_int_equal(counted->count, 2);
	assert_int_equal(counted_find(counted, "b", 1)->waiting.files, 1);
	assert_ptr_equal(counted_find(counted, "b", 0), counted_find(counted, "b", 1));
	counted_free(counted);
	survey_set_site(survey, &site); /* perhaps never taken */
	survey_stop(survey);
}

static void
it_rests_nine_times_as_long_as_it_took(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		char path[32];
		snprintf(path, sizeof path, "a/new/%d", i);
		make(path, i);
	}
	stat_delay = 4000;
	const int64_t least = CLOCK_SECOND / 25; /* that a count takes */
	int64_t rested = clock_monotonic();
	struct survey *survey = survey_start(&site, main_box);
	for (int i = 0; i < 3; i++) {
		survey_ask(survey);
		struct counted *counted = next_count();
		assert_true(clock_monotonic() >= rested + least);
		assert_true(counted->rested >= rested + 10 * least);
		rested = counted->rested;
		counted_free(counted);
	}
	survey_stop(survey);
}

static void
it_ends_in_the_middle_of_a_count(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		char path[32];
		snprintf(path, sizeof path, "a/new/%d", i);
		make(path, i);
	}
	stat_delay = 50000;
	struct survey *survey = survey_start(&site, main_box);
	while (stats_made == 0)
		usleep(1000);
	survey_stop(survey);
	assert_true(stats_made < 100);
	assert_null(mailbox_take(main_box));
}

static void
without_a_thread_it_says_so(void **state)
{
	(void)state;
	no_thread = 1;
	errno = 0;
	assert_null(survey_start(&site, main_box));
	assert_int_equal(errno, EAGAIN);
	survey_stop(NULL);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(new_and_cur_are_counted_with_their_oldest),
	    T(what_waits_is_told_by_client_where_that_is_bounded),
	    T(what_cannot_be_read_is_not_known),
	    T(a_file_that_goes_meanwhile_is_no_fault),
	    T(it_counts_when_it_starts_and_when_asked),
	    T(a_new_configuration_is_counted_at_once),
	    T(it_rests_nine_times_as_long_as_it_took),
	    T(it_ends_in_the_middle_of_a_count),
	    T(without_a_thread_it_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
