/* SPDX-License-Identifier: ISC */
/* Pauses: kept before they are said to be, for one inbox or for all, and none where that fails. */
#include "config.h"

#include "inboxd/base/pauses.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/site.h"
#include "scratch.h"

static struct inbox inboxes[2];
static struct site site = {.inboxes = inboxes, .inbox_count = 2};
static struct pauses pauses;
static int folders_synced, files_synced, fails;

int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

static int
sync_one(int *count)
{
	++*count;
	errno = ENOSPC;
	return fails && --fails == 0 ? -1 : 0;
}

int
__wrap_fsync(int fd)
{
	(void)fd;
	return sync_one(&folders_synced);
}

int
__wrap_fdatasync(int fd)
{
	(void)fd;
	return sync_one(&files_synced);
}

static int
set_up(void **state)
{
	static const char *const names[] = {"status", "reports"};

	(void)state;
	if (scratch_make("pauses") < 0)
		return -1;
	pauses = (struct pauses){.root = open(scratch_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	for (int i = 0; i < 2; i++) {
		if (mkdirat(pauses.root, names[i], 0700) < 0)
			return -1;
		snprintf(inboxes[i].name, sizeof inboxes[i].name, "%s", names[i]);
		inboxes[i].inflow = inflow_new();
	}
	folders_synced = files_synced = fails = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		inflow_unref(inboxes[i].inflow);
	close(pauses.root);
	return scratch_delete();
}

static enum pauses_result
begin(const char *inbox, const char *reason)
{
	struct pause pause = {.since = 1795359600, .uid = 7};
	struct why why;

	snprintf(pause.reason, sizeof pause.reason, "%s", reason);
	return pauses_begin(&pauses, &site, inbox, &pause, &why);
}

static enum pauses_result
end(const char *inbox)
{
	struct why why;

	return pauses_end(&pauses, &site, inbox, &why);
}

/* As a start: all that is known is what lies there. */
static void
forget(void)
{
	pauses.all = (struct pause){0};
	for (int i = 0; i < 2; i++) {
		atomic_store(&inboxes[i].inflow->paused, 0);
		inboxes[i].inflow->pause = (struct pause){0};
	}
}

static void
assert_paused(unsigned status, unsigned reports)
{
	assert_int_equal(inflow_is_paused(inboxes[0].inflow), status);
	assert_int_equal(inflow_is_paused(inboxes[1].inflow), reports);
}

static void
is_on_the_disk_before_it_is_told(void **state)
{
	(void)state;
	assert_int_equal(begin("status", "a reason, with blanks"), PAUSES_DONE);
	assert_int_equal(files_synced, 1);
	assert_int_equal(folders_synced, 1);
	assert_paused(INFLOW_PAUSED, 0);
	assert_int_equal(begin("", ""), PAUSES_DONE);
	assert_int_equal(folders_synced, 2);
	assert_paused(INFLOW_PAUSED | INFLOW_PAUSED_ALL, INFLOW_PAUSED_ALL);
	assert_int_equal(begin("status", "another"), PAUSES_WAS_SO);
	assert_int_equal(begin("none", ""), PAUSES_NO_INBOX);
	assert_int_equal(files_synced, 2);
	for (int i = 0; i < 2; i++) {
		const struct pause *one = pauses_find(&pauses, &site, "status");
		const struct pause *other = pauses_find(&pauses, &site, "reports");
		assert_int_equal(one->since, 1795359600);
		assert_int_equal(one->uid, 7);
		assert_string_equal(one->reason, "a reason, with blanks");
		assert_ptr_equal(other, &pauses.all);
		assert_string_equal(other->reason, "");
		assert_int_equal(other->uid, 7);
		forget();
		assert_paused(0, 0);
		pauses_look(&pauses, &site, i);
		assert_paused(INFLOW_PAUSED | INFLOW_PAUSED_ALL, INFLOW_PAUSED_ALL);
	}
	assert_int_equal(end(""), PAUSES_DONE);
	assert_int_equal(folders_synced, 3);
	assert_paused(INFLOW_PAUSED, 0);
	assert_int_equal(end(""), PAUSES_WAS_SO);
	assert_null(pauses_find(&pauses, &site, "reports"));
	assert_int_equal(end("status"), PAUSES_DONE);
	forget();
	pauses_look(&pauses, &site, 1);
	assert_paused(0, 0);
}

static void
what_cannot_be_kept_is_no_pause(void **state)
{
	(void)state;
	for (int at = 1; at <= 2; at++) { /* of the file, of its folder */
		fails = at;
		assert_int_equal(begin("status", ""), PAUSES_FAILED);
		assert_paused(0, 0);
		assert_int_equal(faccessat(pauses.root, "status/paused", F_OK, 0), -1);
	}
	fails = 0;
	assert_int_equal(begin("status", ""), PAUSES_DONE);
	fails = 1;
	assert_int_equal(end("status"), PAUSES_FAILED);
	assert_paused(INFLOW_PAUSED, 0); /* it may come back */
	assert_int_equal(end("status"), PAUSES_DONE);
	assert_paused(0, 0);
}

static void
a_file_is_a_pause_whatever_it_says(void **state)
{
	static const char *const texts[] = {"", "\n", "since=", "since=5 uid=",
	    "since=x uid=7 reason=", "since=-5 uid=7 reason=a\n", "since=0 uid=7 reason=a\n",
	    "lunch"};
	const struct timespec made[] = {{1795359601, 0}, {1795359602, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
		int fd = openat(pauses.root, "paused", flags, 0600);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		assert_int_equal(futimens(fd, made), 0);
		close(fd);
		forget();
		pauses_look(&pauses, &site, 1);
		assert_paused(INFLOW_PAUSED_ALL, INFLOW_PAUSED_ALL);
		assert_int_equal(pauses.all.since, made[1].tv_sec);
		assert_int_equal(pauses.all.uid, geteuid());
		assert_string_equal(pauses.all.reason, "");
	}
	assert_int_equal(end(""), PAUSES_DONE);
	assert_paused(0, 0);
}

/* Who pauses what is paused already must find it so after a restart. */
static void
one_whose_file_somebody_took_away_is_kept_anew(void **state)
{
	static const char *const whose[] = {"status", ""};

	(void)state;
	for (int i = 0; i < 2; i++) {
		int folder = i == 0 ? openat(pauses.root, "status", O_RDONLY) : pauses.root;

		assert_int_equal(begin(whose[i], "lunch"), PAUSES_DONE);
		assert_int_equal(unlinkat(folder, PAUSES_FILE, 0), 0);
		fails = 1;
		assert_int_equal(begin(whose[i], "dinner"), PAUSES_FAILED);
		assert_string_equal(pauses_find(&pauses, &site, whose[i])->reason, "lunch");
		assert_int_equal(begin(whose[i], "dinner"), PAUSES_DONE);
		assert_int_equal(begin(whose[i], "supper"), PAUSES_WAS_SO);
		forget();
		pauses_look(&pauses, &site, 0);
		assert_string_equal(pauses_find(&pauses, &site, whose[i])->reason, "dinner");
		assert_int_equal(end(whose[i]), PAUSES_DONE);
		if (i == 0)
			close(folder);
	}
}

/* To take what was not to be taken cannot be undone. */
static void
where_nobody_can_tell_it_is_paused(void **state)
{
	(void)state;
	assert_int_equal(symlinkat("/nowhere", pauses.root, "status/paused"), 0);
	assert_int_equal(renameat(pauses.root, "reports", pauses.root, "away"), 0);
	pauses_look(&pauses, &site, 0);
	assert_paused(INFLOW_PAUSED, INFLOW_PAUSED);
	assert_non_null(strstr(pauses_find(&pauses, &site, "status")->reason, "cannot be told"));
	assert_true(pauses_find(&pauses, &site, "status")->since > 1); /* the link's */
	assert_int_equal(pauses_find(&pauses, &site, "reports")->since, 1);
	assert_int_equal(renameat(pauses.root, "away", pauses.root, "reports"), 0);
	assert_int_equal(end("status"), PAUSES_DONE);
	pauses_look(&pauses, &site, 0);
	assert_paused(0, 0);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    T(is_on_the_disk_before_it_is_told),
	    T(what_cannot_be_kept_is_no_pause),
	    T(a_file_is_a_pause_whatever_it_says),
	    T(one_whose_file_somebody_took_away_is_kept_anew),
	    T(where_nobody_can_tell_it_is_paused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
