/* SPDX-License-Identifier: ISC */
/*
 * sent.log is turned over, and no line of it is lost or read twice, whoever reads on meanwhile,
 * writes beside it, or dies in the middle.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "scratch.h"

#define LINES 100 /* that fit before it is turned over, at least */

int __real_fallocate(int fd, int mode, off_t from, off_t len);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
int __real_renameat(int fromdir, const char *from, int todir, const char *to);
int __wrap_renameat(int fromdir, const char *from, int todir, const char *to);
int __real_openat(int dir, const char *name, int flags, mode_t mode);
int __wrap_openat(int dir, const char *name, int flags, mode_t mode);

static int no_room;
static int renames_left = -1; /* then they fail; -1: never */
static void (*before_open)(const char *name);

int
__wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
	if (no_room) {
		errno = ENOSPC;
		return -1;
	}
	return __real_fallocate(fd, mode, from, len);
}

int
__wrap_renameat(int fromdir, const char *from, int todir, const char *to)
{
	if (renames_left == 0) {
		errno = EIO;
		return -1;
	}
	if (renames_left > 0)
		renames_left--;
	return __real_renameat(fromdir, from, todir, to);
}

int
__wrap_openat(int dir, const char *name, int flags, mode_t mode)
{
	if (before_open)
		before_open(name);
	return __real_openat(dir, name, flags, mode);
}

static struct spool *spool;
static struct sentlog *sentlog;
static uint64_t max, written;
static struct why why;

static int
set_up(void **state)
{
	(void)state;
	if (scratch_make("test_sentlog") < 0)
		return -1;
	no_room = 0;
	renames_left = -1;
	written = 0;
	max = 10000;
	spool = spool_open(below("spool"), 1, &why);
	sentlog = spool ? sentlog_open(spool) : NULL;
	if (!sentlog)
		return -1;
	sentlog_set_max(sentlog, &max);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sentlog_close(sentlog);
	spool_close(spool);
	return scratch_delete();
}

/* The next number's line, synced. */
static int
put_line(struct sentlog *to)
{
	struct spool_item item = {.inbox = "status", .size = 3, .name = "a"};

	memset(item.sha256, 'a', sizeof item.sha256 - 1);
	assert_int_equal(
	    sentlog_add(to, ++written, SENTLOG_STORED, "cap1", "name", &item), 0);
	return sentlog_sync(to);
}

static void
put_lines(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(put_line(sentlog), 0);
}

static uint64_t next_line; /* the number that is to come */

static void
on_line(void *ctx, const struct sentlog_line *line)
{
	unsigned *count = ctx;

	assert_int_equal(line->n, next_line);
	next_line++;
	(*count)++;
}

static void
count_line(void *ctx, const struct sentlog_line *line)
{
	unsigned *count = ctx;

	(void)line;
	(*count)++;
}

/* How many lines come, from number `first` on, each once. */
static unsigned
read_on(struct sentlog_place *from, uint64_t first)
{
	unsigned count = 0;

	next_line = first;
	assert_int_equal(sentlog_read(spool, from, on_line, &count), 0);
	return count;
}

static ino_t
inode_of(const char *name)
{
	struct stat st;

	return stat(below(name), &st) == 0 ? st.st_ino : 0;
}

static void
a_log_that_has_grown_is_turned_over(void **state)
{
	struct sentlog_place from = {0};
	ino_t first = inode_of("spool/sent.log");
	struct stat st;

	(void)state;
	while (inode_of("spool/sent.log") == first && written < 1000)
		put_lines(1);
	assert_in_range(written, 50, 200);
	assert_int_equal(inode_of("spool/sent.log.1"), first);
	assert_int_equal(stat(below("spool/sent.log.1"), &st), 0);
	assert_in_range(st.st_size, 10000, 10200);
	assert_true(st.st_blocks * 512 < SENTLOG_AHEAD / 2); /* it needs no room ahead */
	put_lines(5);
	assert_int_equal(read_on(&from, 1), written);
	assert_int_equal(read_on(&from, 0), 0);
	/* The last lines, which may stand on both sides of the turn. */
	from = sentlog_tail(spool, 1000000);
	assert_int_equal(read_on(&from, 1), written);
	for (unsigned i = 0; i < 30; i++) {
		unsigned count = 0;
		off_t bytes = 100 + 100 * (off_t)i;

		from = sentlog_tail(spool, bytes);
		assert_int_equal(sentlog_read(spool, &from, count_line, &count), 0);
		assert_in_range(count + 1, (unsigned)bytes / 125, (unsigned)bytes / 110 + 2);
	}
}

static void
who_reads_on_meets_each_line_once_over_the_turn(void **state)
{
	struct sentlog_place from = {0};
	uint64_t seen = 0;

	(void)state;
	/* Some at a time: the turn comes between any two, and before and behind the last. */
	for (unsigned step = 1; step < LINES / 2; step += 1 + step / 4) {
		put_lines(step);
		seen += read_on(&from, seen + 1);
		assert_int_equal(seen, written);
	}
	assert_int_not_equal(inode_of("spool/sent.log.1"), 0);
	for (unsigned i = 0; i < 3 * LINES; i++) {
		put_lines(1);
		seen += read_on(&from, seen + 1);
		assert_int_equal(seen, written);
	}
}

static void
a_crash_between_the_moves_loses_nothing(void **state)
{
	struct sentlog_place from = {0};

	(void)state;
	put_lines(20);
	sentlog_close(sentlog);
	sentlog = NULL;
	assert_int_equal(rename(below("spool/sent.log"), below("spool/sent.log.1")), 0);
	assert_int_equal(read_on(&from, 1), 20);
	sentlog = sentlog_open(spool);
	assert_non_null(sentlog);
	assert_int_equal(read_on(&from, 21), 0);
	put_lines(3);
	assert_int_equal(read_on(&from, 21), 3);
	from = (struct sentlog_place){0};
	assert_int_equal(read_on(&from, 1), 23);
}

static void
who_has_the_old_file_open_writes_to_the_new_one(void **state)
{
	struct sentlog *other = sentlog_open(spool);
	struct sentlog_place from = {0};

	(void)state;
	assert_non_null(other);
	assert_int_equal(put_line(other), 0);
	while (inode_of("spool/sent.log.1") == 0 && written < 1000)
		put_lines(1);
	assert_int_equal(read_on(&from, 1), written);
	assert_int_equal(put_line(other), 0);
	assert_int_equal(read_on(&from, written), 1);
	sentlog_close(other);
	/* and one that somebody deleted is made anew */
	assert_int_equal(unlink(below("spool/sent.log")), 0);
	put_lines(2);
	assert_int_not_equal(inode_of("spool/sent.log"), 0);
	assert_int_equal(unlink(below("spool/sent.log.1")), 0);
	from = (struct sentlog_place){0};
	assert_int_equal(read_on(&from, written - 1), 2);
}

static void
it_stays_where_it_cannot_be_turned_over_and_is_another_time(void **state)
{
	ino_t first = inode_of("spool/sent.log");
	struct spool *other = spool_open(below("spool"), 1, &why);

	(void)state;
	assert_non_null(other);
	assert_int_equal(spool_lock(other), 0);
	put_lines(LINES);
	assert_int_equal(inode_of("spool/sent.log"), first);
	spool_unlock(other);
	spool_close(other);
	no_room = 1;
	put_lines(1);
	assert_int_equal(inode_of("spool/sent.log"), first);
	no_room = 0;
	renames_left = 0;
	put_lines(1);
	assert_int_equal(inode_of("spool/sent.log"), first);
	/* Nothing may be relied on where only one of the two moves was done. */
	renames_left = 1;
	assert_int_equal(put_line(sentlog), -1);
	assert_int_equal(inode_of("spool/sent.log"), 0);
	renames_left = -1;
	put_lines(1);
	assert_int_not_equal(inode_of("spool/sent.log"), first);
	assert_int_not_equal(inode_of("spool/sent.log"), 0);
	{
		struct sentlog_place from = {0};

		assert_int_equal(read_on(&from, 1), written);
	}
}

/* Right between a reader's two opens. */
static void
turn_it_over(const char *name)
{
	if (strcmp(name, SENTLINES_OLD) != 0)
		return;
	before_open = NULL;
	put_lines(LINES);
}

static void
a_reader_finds_all_while_it_is_turned_over(void **state)
{
	struct sentlog_place from = {0};
	unsigned count = 0;

	(void)state;
	put_lines(LINES / 2);
	before_open = turn_it_over;
	next_line = 1;
	assert_int_equal(sentlog_read(spool, &from, on_line, &count), 0);
	assert_null(before_open);
	assert_int_not_equal(inode_of("spool/sent.log.1"), 0);
	assert_int_equal(count, written);
}

static void
a_last_that_was_lost_is_told_by_both_files(void **state)
{
	uint64_t last;

	(void)state;
	put_lines(10);
	assert_int_equal(unlink(below("spool/last")), 0);
	sentlog_close(sentlog);
	sentlog = NULL;
	assert_int_equal(rename(below("spool/sent.log"), below("spool/sent.log.1")), 0);
	spool_close(spool);
	spool = spool_open(below("spool"), 1, &why);
	assert_non_null(spool);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 10);
	sentlog = sentlog_open(spool);
	assert_non_null(sentlog);
	put_lines(1);
	assert_int_equal(unlink(below("spool/last")), 0);
	assert_int_equal(spool_lock(spool), 0);
	assert_int_equal(spool_raise_last(spool, 5), 0);
	assert_int_equal(spool_last(spool, &last), 0);
	assert_int_equal(last, 11);
	/* or damaged */
	assert_int_equal(truncate(below("spool/last"), 7), 0);
	assert_int_equal(spool_highest(spool, &last), 0);
	assert_int_equal(last, 11);
	spool_unlock(spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        a_log_that_has_grown_is_turned_over, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        who_reads_on_meets_each_line_once_over_the_turn, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        a_crash_between_the_moves_loses_nothing, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        who_has_the_old_file_open_writes_to_the_new_one, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        it_stays_where_it_cannot_be_turned_over_and_is_another_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        a_reader_finds_all_while_it_is_turned_over, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        a_last_that_was_lost_is_told_by_both_files, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
