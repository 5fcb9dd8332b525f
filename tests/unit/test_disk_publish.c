/* SPDX-License-Identifier: ISC */
/* A rename that says what is not so, as those of a network file system do whose server was asked
 * twice; built twice, the second time with DISK_PORTABLE. */
#include "config.h"

#include "lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the hooks */

int __real_renameat(int fromdir, const char *from, int todir, const char *to);
int __wrap_renameat(int fromdir, const char *from, int todir, const char *to);
int __real_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);
int __wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags);

enum moves { DONE, NOT_DONE, CLAIMED, STOLEN };

static int knows_flags; /* else renameat2() says EINVAL */
static int said;        /* errno of the next rename; 0: the truth */
static enum moves does; /* and what it does before it says so */
static int renames;     /* so many were asked for, but for those that say EINVAL */

static char path[64];
static int dir = -1, sub = -1;

static void
put(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(disk_write(fd, text, strlen(text)), 0);
	close(fd);
}

/* The file's text, NULL if it is not there. */
static const char *
get(int at, const char *name)
{
	static char text[64];
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return NULL;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static int
meet(int rc, int todir, const char *to)
{
	int error = said;

	if (rc == 0 && does == CLAIMED)
		assert_int_equal(unlinkat(todir, to, 0), 0);
	if (does == STOLEN) {
		put(todir, to, "another's");
		assert_int_equal(unlinkat(dir, "draft", 0), 0);
	}
	said = 0;
	if (error)
		errno = error;
	return error ? -1 : rc;
}

int
__wrap_renameat(int fromdir, const char *from, int todir, const char *to)
{
	renames++;
	if (said && (does == NOT_DONE || does == STOLEN))
		return meet(-1, todir, to);
	return meet(__real_renameat(fromdir, from, todir, to), todir, to);
}

int
__wrap_renameat2(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
	if (!knows_flags) {
		errno = EINVAL;
		return -1;
	}
	renames++;
	if (said && (does == NOT_DONE || does == STOLEN))
		return meet(-1, todir, to);
	return meet(__real_renameat2(fromdir, from, todir, to, flags), todir, to);
}

/* ---- folders */

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	knows_flags = 1;
	said = renames = 0;
	does = DONE;
	snprintf(path, sizeof path, "%s/inbox-unit.XXXXXX",
	    tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	if (!mkdtemp(path))
		return -1;
	dir = disk_open_dir(AT_FDCWD, path);
	if (dir < 0 || mkdirat(dir, "sub", 0700) < 0)
		return -1;
	sub = disk_open_dir(dir, "sub");
	return sub < 0 ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	(void)unlinkat(dir, "draft", 0);
	(void)unlinkat(sub, "item", 0);
	close(sub);
	(void)unlinkat(dir, "sub", AT_REMOVEDIR);
	close(dir);
	return rmdir(path);
}

/* A move that does this and says that. */
static int
publish(int with_flags, enum moves what, int error)
{
	int rc;

	(void)unlinkat(dir, "draft", 0);
	(void)unlinkat(sub, "item", 0);
	put(dir, "draft", "text");
	knows_flags = with_flags;
	does = what;
	said = error;
	renames = 0;
	errno = 0;
	rc = disk_publish(dir, "draft", sub, "item");
	assert_int_equal(renames, 1);
	return rc;
}

/* ---- */

static const int errors[] = {ENOENT, EEXIST, EIO, ETIMEDOUT, ESTALE, EINTR};
#define ERRORS (sizeof errors / sizeof errors[0])

static void
what_was_done_was_done_whatever_is_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ERRORS; i++) {
		assert_int_equal(publish((int)(i % 2), DONE, errors[i / 2]), 0);
		assert_null(get(dir, "draft"));
		assert_string_equal(get(sub, "item"), "text");
	}
}

static void
what_was_not_done_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ERRORS; i++) {
		assert_int_equal(publish((int)(i % 2), NOT_DONE, errors[i / 2]), -1);
		assert_int_equal(errno, errors[i / 2]);
		assert_string_equal(get(dir, "draft"), "text");
		assert_null(get(sub, "item"));
	}
}

/* Nobody can tell that from a draft that was taken away, which would be lost. */
static void
what_a_consumer_has_had_at_once_is_believed_to_be_missing(void **state)
{
	(void)state;
	for (int flags = 0; flags < 2; flags++) {
		assert_int_equal(publish(flags, CLAIMED, ENOENT), -1);
		assert_int_equal(errno, ENOENT);
	}
}

static void
another_file_of_that_name_is_not_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ERRORS; i++) {
		assert_int_equal(publish((int)(i % 2), STOLEN, errors[i / 2]), -1);
		assert_int_equal(errno, errors[i / 2]);
		assert_null(get(dir, "draft"));
		assert_string_equal(get(sub, "item"), "another's");
	}
}

/* As link(2) may have left it: the name to come has it, and so has the old one. */
static void
second_name_of_a_file_is_taken(void **state)
{
	(void)state;
	put(dir, "draft", "text");
	assert_int_equal(linkat(dir, "draft", sub, "item", 0), 0);
	for (knows_flags = 0; knows_flags < 2; knows_flags++) {
		assert_int_equal(disk_publish(dir, "draft", sub, "item"), -1);
		assert_int_equal(errno, EEXIST);
		assert_string_equal(get(dir, "draft"), "text");
		assert_string_equal(get(sub, "item"), "text");
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(what_was_done_was_done_whatever_is_said),
	    TEST(what_was_not_done_is_told),
	    TEST(what_a_consumer_has_had_at_once_is_believed_to_be_missing),
	    TEST(another_file_of_that_name_is_not_it),
	    TEST(second_name_of_a_file_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
