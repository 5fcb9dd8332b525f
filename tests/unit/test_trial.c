/* SPDX-License-Identifier: ISC */
/* File systems that can less, or say that they can more; built twice, the second time with
 * DISK_PORTABLE. */
#include "config.h"

#include "lib/disk.h"
#include "lib/trial.h"

#ifdef __linux__
#include <linux/fs.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NAME ".trial"

/* ---- the hooks */

int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __real_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fallocate(int fd, int mode, off_t at, off_t len);
int __wrap_fcntl(int fd, int what, ...);
int __real_fcntl(int fd, int what, ...);
int __real_mkdirat(int dir, const char *name, mode_t mode);
int __wrap_mkdirat(int dir, const char *name, mode_t mode);
int __real_unlinkat(int dir, const char *name, int flags);
int __wrap_unlinkat(int dir, const char *name, int flags);

static int rename_error;  /* of each renameat2(); -1: flags are passed over, and all is well;
                             -2: likewise, but Linux looks first whether a name is taken */
static int reserve_error; /* of each fallocate() */
static int lock_error;    /* of each lock; -1: it is given, and holds nobody off */
static int folder_error;  /* of each mkdirat() */
static int end_error;     /* what each unlinkat() says that was done */
static int locks_met;     /* else it is another function that does it */

static int
fails(int error)
{
	errno = error;
	return error > 0 ? -1 : 0;
}

int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	struct stat st;

	/* As Linux does by itself. */
	if (rename_error != -1 && flags == RENAME_NOREPLACE &&
	    fstatat(todir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fails(EEXIST);
	if (rename_error > 0)
		return fails(rename_error);
	return __real_renameat2(fromdir, from, todir, to, rename_error < 0 ? 0 : flags);
}

int
__wrap_fallocate(int fd, int mode, off_t at, off_t len)
{
	return reserve_error ? fails(reserve_error) : __real_fallocate(fd, mode, at, len);
}

static int
meet_fcntl(int fd, int what, void *arg)
{
	int is_lock = what == F_SETLK;

#ifdef F_OFD_GETLK
	is_lock = is_lock || what == F_OFD_GETLK;
#endif
	locks_met |= is_lock;
	if (is_lock && lock_error) {
		((struct flock *)arg)->l_type = F_UNLCK;
		return fails(lock_error);
	}
	return __real_fcntl(fd, what, arg);
}

int
__wrap_fcntl(int fd, int what, ...)
{
	va_list rest;
	void *arg;

	va_start(rest, what);
	arg = va_arg(rest, void *);
	va_end(rest);
	return meet_fcntl(fd, what, arg);
}

int
__wrap_unlinkat(int dir, const char *name, int flags)
{
	int rc = __real_unlinkat(dir, name, flags);

	return rc == 0 && end_error ? fails(end_error) : rc;
}

int
__wrap_mkdirat(int dir, const char *name, mode_t mode)
{
	return folder_error ? fails(folder_error) : __real_mkdirat(dir, name, mode);
}

/* ---- a folder */

static char path[64];
static int dir = -1;
static struct trial trial;
static char text[TRIAL_ROOM];

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	rename_error = reserve_error = lock_error = folder_error = 0;
	snprintf(path, sizeof path, "%s/inbox-unit.XXXXXX",
	    tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(path))
		return -1;
	dir = disk_open_dir(AT_FDCWD, path);
	return dir < 0 ? -1 : 0;
}

/* Fails where something was left. */
static int
teardown(void **state)
{
	(void)state;
	close(dir);
	return rmdir(path);
}

static void
try(void)
{
	trial_run(dir, NAME, &trial);
	trial_print(&trial, text);
	assert_int_equal(faccessat(dir, NAME, F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

/* Linux's own calls are there at all. */
static int
is_linux(void)
{
#if defined(HAVE_RENAMEAT2) && defined(HAVE_FALLOCATE) && !defined(DISK_PORTABLE)
	return 1;
#else
	return 0;
#endif
}

/* ---- */

static void
finds_what_a_common_file_system_can(void **state)
{
	(void)state;
	try();
	assert_int_equal(trial.error, 0);
	assert_int_equal(trial.can[TRIAL_LOCKS], 1);
	assert_true(trial.name_max >= 100);
	assert_non_null(strstr(text, " locks=yes "));
	if (!is_linux()) {
		assert_int_equal(trial.rename, TRIAL_UNKNOWN);
		return;
	}
	assert_int_equal(trial.rename, TRIAL_NOREPLACE);
	assert_int_equal(trial.can[TRIAL_EXCHANGE], 1);
	assert_int_equal(trial.can[TRIAL_RESERVE], 1);
	assert_non_null(strstr(text, " rename=noreplace exchange=yes reserve=yes "));
}

static void
finds_out_who_renames_over_and_says_yes(void **state)
{
	(void)state;
	rename_error = -1;
	try();
	assert_int_equal(trial.error, 0);
	assert_int_equal(trial.rename, is_linux() ? TRIAL_OVERWRITES : TRIAL_UNKNOWN);
	assert_int_equal(trial.can[TRIAL_EXCHANGE], 0);
	rename_error = -2;
	try();
	assert_int_equal(trial.error, 0);
	assert_int_equal(trial.rename, is_linux() ? TRIAL_OVERWRITES : TRIAL_UNKNOWN);
	assert_int_equal(trial.can[TRIAL_EXCHANGE], 0);
}

static void
believes_a_refusal(void **state)
{
	(void)state;
	rename_error = EINVAL;
	reserve_error = EOPNOTSUPP;
	try();
	assert_int_equal(trial.error, 0);
	assert_int_equal(trial.rename, TRIAL_UNKNOWN);
	assert_int_equal(trial.can[TRIAL_EXCHANGE], 0);
	assert_int_equal(trial.can[TRIAL_RESERVE], 0);
	assert_non_null(strstr(text, " rename=look exchange=no reserve=no "));
}

/* No room is no want of the call. */
static void
tells_a_full_disk_from_one_that_cannot_reserve(void **state)
{
	(void)state;
	reserve_error = ENOSPC;
	try();
	assert_int_equal(trial.can[TRIAL_RESERVE], is_linux());
}

static void
finds_locks_that_keep_nobody_out(void **state)
{
	(void)state;
	lock_error = ENOLCK;
	try();
	if (!locks_met)
		return;
	assert_int_equal(trial.can[TRIAL_LOCKS], 0);
	lock_error = -1;
	try();
#if defined(F_OFD_GETLK) && !defined(DISK_PORTABLE)
	assert_int_equal(trial.can[TRIAL_LOCKS], 0);
#endif
}

/* Who believed that would refuse the root for good. */
static void
disk_that_is_gone_has_no_bad_locks(void **state)
{
	(void)state;
	lock_error = ESHUTDOWN;
	try();
	if (!locks_met)
		return;
	assert_int_equal(trial.error, ESHUTDOWN);
	assert_null(strstr(text, "locks="));
}

/* Nor such renames. */
static void
disk_that_is_gone_overwrites_nothing(void **state)
{
	(void)state;
	end_error = EIO;
	try();
	end_error = 0;
	assert_int_equal(trial.error, EIO);
	assert_null(strstr(text, "rename="));
}

static void
says_why_nothing_was_tried(void **state)
{
	(void)state;
	folder_error = ENOSPC;
	try();
	assert_int_equal(trial.error, ENOSPC);
	assert_int_equal(trial.rename, TRIAL_UNKNOWN);
	assert_null(strstr(text, "rename="));
	assert_null(strstr(text, "locks="));
	assert_non_null(strstr(text, "syncfs="));
}

static void
only_looks_where_it_is_told_to(void **state)
{
	(void)state;
	folder_error = EIO;
	trial_look(dir, &trial);
	trial_print(&trial, text);
	assert_int_equal(trial.error, ECANCELED);
	assert_null(strstr(text, "rename="));
	assert_non_null(strstr(text, " inodes="));
	assert_non_null(strstr(text, "type="));
}

/* As a start does that was killed in the middle. */
static void
takes_what_a_killed_one_has_left(void **state)
{
	int folder, fd;

	(void)state;
	assert_int_equal(mkdirat(dir, NAME, 0700), 0);
	folder = disk_open_dir(dir, NAME);
	fd = openat(folder, "item", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(disk_write(fd, "long ago", 8), 0);
	close(fd);
	fd = openat(folder, "free", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	close(folder);
	try();
	assert_int_equal(trial.error, 0);
	assert_int_equal(trial.rename, is_linux() ? TRIAL_NOREPLACE : TRIAL_UNKNOWN);
}

/* Such a name holds nobody up. */
static void
takes_away_what_it_cannot_write_to(void **state)
{
	int folder;

	(void)state;
	assert_int_equal(mkdirat(dir, NAME, 0700), 0);
	folder = disk_open_dir(dir, NAME);
	assert_int_equal(mkfifoat(folder, "draft", 0600), 0);
	close(folder);
	try();
	assert_int_equal(trial.error, 0);
}

static void
keeps_out_of_another_ones_trial(void **state)
{
	int folder;

	(void)state;
	assert_int_equal(mkdirat(dir, NAME, 0700), 0);
	folder = disk_open_dir(dir, NAME);
	assert_int_equal(mkdirat(folder, "draft", 0700), 0); /* which would be in its way */
	assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), 0);
	trial_run(dir, NAME, &trial);
	assert_int_equal(trial.error, EBUSY);
	assert_int_equal(trial.rename, TRIAL_UNKNOWN);
	assert_int_equal(unlinkat(folder, "draft", AT_REMOVEDIR), 0);
	close(folder);
	try();
	assert_int_equal(trial.error, 0);
}

static void
put(const char *name, const char *bytes)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(disk_write(fd, bytes, strlen(bytes)), 0);
	close(fd);
}

/* Last: it goes by look from here on. */
static void
overwrites_nothing_there_once_it_is_known(void **state)
{
	struct stat st;

	(void)state;
	rename_error = -1;
	disk_rename_by_look();
	put("draft", "x");
	put("item", "another's");
	assert_int_equal(disk_publish(dir, "draft", dir, "item"), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(fstatat(dir, "item", &st, 0), 0);
	assert_int_equal(st.st_size, 9);
	assert_int_equal(disk_replace(dir, "draft", dir, "nobody"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(disk_replace(dir, "draft", dir, "item"), 0);
	assert_int_equal(fstatat(dir, "item", &st, 0), 0);
	assert_int_equal(st.st_size, 1);
	assert_int_equal(unlinkat(dir, "item", 0), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(finds_what_a_common_file_system_can),
	    TEST(finds_out_who_renames_over_and_says_yes),
	    TEST(believes_a_refusal),
	    TEST(tells_a_full_disk_from_one_that_cannot_reserve),
	    TEST(finds_locks_that_keep_nobody_out),
	    TEST(disk_that_is_gone_has_no_bad_locks),
	    TEST(disk_that_is_gone_overwrites_nothing),
	    TEST(says_why_nothing_was_tried),
	    TEST(only_looks_where_it_is_told_to),
	    TEST(takes_what_a_killed_one_has_left),
	    TEST(takes_away_what_it_cannot_write_to),
	    TEST(keeps_out_of_another_ones_trial),
	    TEST(overwrites_nothing_there_once_it_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
