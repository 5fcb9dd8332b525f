/* SPDX-License-Identifier: ISC */
/*
 * Which number an item gets, and whether there is room for it: the same at once whatever
 * waits, and right whatever has become of the notes that spare the looking.
 */
#include "config.h"

#include <dirent.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxq/spool/counts.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/mark.h"
#include "inboxq/spool/spool.h"
#include "lib/disk.h"
#include "scratch.h"

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
void __wrap_disk_boot_id(char dst[DISK_BOOT_ROOM]);

static unsigned entries_read;
static const char *boot = "one";

struct dirent *
__wrap_readdir(DIR *dir)
{
	entries_read++;
	return __real_readdir(dir);
}

void
__wrap_disk_boot_id(char dst[DISK_BOOT_ROOM])
{
	snprintf(dst, DISK_BOOT_ROOM, "%s", boot);
}

static struct spool *spool;
static struct why why;

static int
set_up(void **state)
{
	(void)state;
	if (scratch_make("test_numbers") < 0)
		return -1;
	boot = "one";
	spool = spool_open(below("spool"), 1, &why);
	return spool ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	spool_close(spool);
	return scratch_delete();
}

/* Under the lock: one item of so many bytes, as `add` queues it; its number, or 0 where there is
 * no room. */
static uint64_t
add_locked(struct spool *to, uint64_t bytes)
{
	char draft[SPOOL_NAME_ROOM];
	uint64_t n = 0;
	int fd;

	snprintf(draft, sizeof draft, "%ld.draft", (long)getpid());
	fd = openat(spool_folder(to, SPOOL_TMP), draft, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(SPOOL_HEADER + bytes)), 0);
	close(fd);
	if (counts_admit(to, 1, bytes, &why) < 0) {
		assert_int_equal(errno, EDQUOT);
		return 0;
	}
	assert_int_equal(spool_highest(to, &n), 0);
	assert_int_equal(spool_enqueue(to, SPOOL_TMP, draft, &n), 0);
	return n;
}

static uint64_t
add_to(struct spool *to, uint64_t bytes)
{
	uint64_t n;

	assert_int_equal(spool_lock(to), 0);
	n = add_locked(to, bytes);
	spool_unlock(to);
	if (n)
		spool_note_given(to, n);
	return n;
}

static uint64_t
add(uint64_t bytes)
{
	return add_to(spool, bytes);
}

static void
limit(uint64_t items, uint64_t bytes)
{
	spool_set_limits(spool, &(struct spool_limits){items, bytes, "inboxq.conf"});
}

static void
shell(const char *text)
{
	char command[1000];

	snprintf(command, sizeof command, "cd '%s' && %s", below("spool"), text);
	assert_int_equal(system(command), 0);
}

static void
the_next_number_costs_the_same_whatever_waits(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 200; n++)
		assert_int_equal(add(3), n);
	entries_read = 0;
	assert_int_equal(add(3), 201);
	assert_int_equal(entries_read, 0);
}

static void
no_number_comes_twice_and_none_is_left_out_whatever_became_of_next(void **state)
{
	static const char *const harms[] = {"rm next", ": >next", "truncate -s 20 next",
	    "truncate -s 300 next", "tr 0 1 <next >x && cat x >next && rm x",
	    "tr a-z A-Z <next >x && cat x >next && rm x", "head -c 256 /dev/zero >next",
	    "cp next x && mv x next", "rm next && mkdir next", "rmdir next && mkfifo next",
	    "rm next && ln -s last next", "rm next && ln -s nowhere next", "rm next",
	    "rm last", "rm last next", "cp next ../old", "cat ../old >next"};
	uint64_t n = 0;

	(void)state;
	assert_int_equal(add(3), ++n);
	for (size_t i = 0; i < sizeof harms / sizeof *harms; i++) {
		assert_int_equal(add(3), ++n);
		shell(harms[i]);
		assert_int_equal(add(3), ++n);
		assert_int_equal(add(3), ++n);
		spool_close(spool);
		spool = spool_open(below("spool"), 1, &why);
		assert_non_null(spool);
		assert_int_equal(add(3), ++n);
	}
}

static void
a_next_from_another_spool_is_not_believed(void **state)
{
	struct spool *other = spool_open(below("other"), 1, &why);

	(void)state;
	assert_non_null(other);
	for (int i = 0; i < 50; i++)
		(void)add_to(other, 1);
	spool_close(other);
	assert_int_equal(add(3), 1);
	shell("cp ../other/next x && mv x next");
	assert_int_equal(add(3), 2);
	shell("cat ../other/next >next");
	assert_int_equal(add(3), 3);
}

static void
numbers_that_have_left_are_not_given_though_next_is_behind(void **state)
{
	uint64_t highest;

	(void)state;
	assert_int_equal(add(3), 1);
	shell("cp next ../old");
	for (uint64_t n = 2; n <= 5; n++)
		assert_int_equal(add(3), n);
	assert_int_equal(spool_lock(spool), 0);
	assert_int_equal(spool_raise_last(spool, 3), 0);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(item_delete(spool, SPOOL_QUEUE, n), 0);
	shell("cat ../old >next");
	assert_int_equal(spool_highest(spool, &highest), 0);
	assert_int_equal(highest, 5);
	spool_unlock(spool);
	assert_int_equal(add(3), 6);
}

/* ---- bounds */

static void
refuses_what_would_go_beyond_and_says_so(void **state)
{
	(void)state;
	limit(3, 0);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(add(10), n);
	assert_int_equal(add(0), 0);
	assert_string_equal(why.text, "the queue is full: 3 items of at most 3, those set aside "
	                              "included ([queue] items in inboxq.conf)");
	limit(0, 35);
	assert_int_equal(add(6), 0);
	assert_string_equal(why.text,
	    "the queue is full: 30 bytes of at most 35, those set aside included, and 6 more to "
	    "come ([queue] bytes in inboxq.conf)");
	assert_int_equal(add(5), 4);
	assert_int_equal(add(1), 0);
	assert_int_equal(add(0), 5);
	assert_int_equal(add(UINT64_C(1) << 40), 0);
}

static void
what_was_set_aside_counts(void **state)
{
	(void)state;
	limit(2, 0);
	assert_int_equal(add(1), 1);
	assert_int_equal(add(1), 2);
	assert_int_equal(item_set_aside(spool, 1), 0);
	assert_int_equal(add(1), 0);
	assert_int_equal(item_delete(spool, SPOOL_FAILED, 1), 0);
	assert_int_equal(add(1), 3);
}

static void
room_that_was_made_is_there_at_once(void **state)
{
	(void)state;
	limit(2, 0);
	assert_int_equal(add(1), 1);
	assert_int_equal(add(1), 2);
	assert_int_equal(add(1), 0);
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, 1), 0);
	counts_try_settle(spool);
	entries_read = 0;
	assert_int_equal(add(1), 3);
	assert_int_equal(entries_read, 0);
	/* by hand */
	shell("rm queue/00000000000000000002");
	assert_int_equal(add(1), 4);
}

static void
a_full_queue_is_counted_once(void **state)
{
	(void)state;
	limit(20, 0);
	for (uint64_t n = 1; n <= 20; n++)
		assert_int_equal(add(1), n);
	assert_int_equal(add(1), 0);
	entries_read = 0;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(add(1), 0);
		assert_true(counts_refuse(spool, 1, &why));
	}
	assert_int_equal(entries_read, 0);
	limit(21, 0);
	assert_false(counts_refuse(spool, 1, &why));
	assert_int_equal(add(1), 21);
	assert_int_equal(entries_read, 0);
}

static void
a_killed_add_takes_nobody_s_room(void **state)
{
	(void)state;
	limit(2, 0);
	assert_int_equal(add(1), 1);
	limit(1, 0);
	assert_int_equal(add(1), 0); /* counted, and the folders' times noted */
	limit(2, 0);
	assert_int_equal(spool_lock(spool), 0);
	assert_int_equal(counts_admit(spool, 1, 1, &why), 0);
	spool_unlock(spool); /* and it came no further */
	assert_int_equal(add(1), 2);
	assert_int_equal(add(1), 0);
}

static void
counts_of_another_boot_or_none_are_made_anew(void **state)
{
	static const char *const harms[] = {"rm counts", ": >counts", "cp counts x && mv x counts",
	    "sed 's/items=2/items=0/' counts >x && cat x >counts", "rm counts && mkdir counts"};

	(void)state;
	limit(2, 0);
	assert_int_equal(add(1), 1);
	assert_int_equal(add(1), 2);
	/* After a power cut more is there than was counted. */
	shell("cp queue/00000000000000000001 queue/00000000000000000003");
	boot = "two";
	limit(3, 0);
	assert_int_equal(add(1), 0);
	shell("rm queue/00000000000000000003");
	limit(2, 0);
	for (size_t i = 0; i < sizeof harms / sizeof *harms - 1; i++) {
		shell(harms[i]);
		assert_int_equal(add(1), 0);
	}
	/* Where none can be kept, it is counted each time. */
	shell(harms[sizeof harms / sizeof *harms - 1]);
	assert_int_equal(add(1), 0);
	limit(4, 0);
	assert_int_equal(add(1), 3);
	assert_int_equal(add(1), 4);
	assert_int_equal(add(1), 0);
	shell("rmdir counts && rm queue/00000000000000000003 queue/00000000000000000004");
	limit(3, 0);
	/* Where the system does not tell the boot, it is counted each time. */
	boot = DISK_BOOT_UNKNOWN;
	assert_int_equal(add(1), 5);
	shell("cp queue/00000000000000000001 queue/00000000000000000009");
	limit(4, 0);
	assert_int_equal(add(1), 0);
}

static void
what_left_before_a_count_is_not_taken_off_it(void **state)
{
	uint64_t items, bytes;

	(void)state;
	limit(3, 0);
	for (uint64_t n = 1; n <= 3; n++)
		assert_int_equal(add(5), n);
	/* `run` deletes without the lock, another one counts, and then it is told. */
	assert_int_equal(item_delete(spool, SPOOL_QUEUE, 1), 0);
	{
		struct spool *other = spool_open(below("spool"), 1, &why);

		assert_non_null(other);
		spool_set_limits(other, &(struct spool_limits){3, 0, "inboxq.conf"});
		assert_int_equal(spool_lock(other), 0);
		assert_int_equal(counts_renew(other), 0);
		spool_unlock(other);
		spool_close(other);
	}
	counts_try_settle(spool);
	assert_int_equal(counts_look(spool, &items, &bytes), 0);
	assert_int_equal(items, 2);
	assert_int_equal(bytes, 10);
	assert_int_equal(add(5), 4);
	assert_int_equal(add(5), 0);
}

static void
counts_that_nobody_keeps_are_not_left(void **state)
{
	(void)state;
	limit(2, 0);
	assert_int_equal(add(1), 1);
	limit(0, 0);
	for (uint64_t n = 2; n <= 5; n++)
		assert_int_equal(add(1), n);
	limit(5, 0);
	assert_int_equal(add(1), 0);
}

/* Adds until there is no room five times in a row, and takes some away. */
static void
add_and_delete(unsigned long salt)
{
	struct spool *mine = spool_open(below("spool"), 1, &why);

	if (!mine)
		exit(1);
	spool_set_limits(mine, &(struct spool_limits){salt % 2 ? 90 : 0, 400, "inboxq.conf"});
	for (unsigned long i = 0, full = 0; i < 1000 && full < 5; i++) {
		uint64_t n = add_to(mine, 5 + (i + salt) % 11);

		full = n ? 0 : full + 1;
		if (n && (i * 7 + salt) % 3 == 0) {
			if (spool_raise_last(mine, n) < 0 ||
			    item_delete(mine, SPOOL_QUEUE, n) < 0)
				exit(1);
			counts_try_settle(mine);
		}
	}
	spool_close(mine);
	exit(0);
}

static void
no_bound_is_passed_however_many_add_at_once(void **state)
{
	enum { ADDERS = 6, ROUNDS = 5 };

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t items = 0, bytes = 0;
		pid_t adders[ADDERS];
		struct spool_numbers numbers;
		struct stat st;
		char name[SPOOL_NAME_ROOM];

		for (unsigned i = 0; i < ADDERS; i++) {
			adders[i] = fork();
			assert_true(adders[i] >= 0);
			if (adders[i] == 0) {
				alarm(60);
				add_and_delete(i + (unsigned long)(2 * round));
			}
		}
		for (int i = 0; i < ADDERS; i++) {
			int status;

			assert_int_equal(waitpid(adders[i], &status, 0), adders[i]);
			assert_int_equal(status, 0);
		}
		assert_int_equal(spool_list(spool, SPOOL_QUEUE, &numbers), 0);
		for (size_t i = 0; i < numbers.count; i++) {
			spool_number_name(name, numbers.at[i]);
			assert_int_equal(
			    fstatat(spool_folder(spool, SPOOL_QUEUE), name, &st, 0), 0);
			items++;
			bytes += counts_bytes(st.st_size);
		}
		free(numbers.at);
		assert_in_range(items, 400 / 15, 400 / 5);
		assert_in_range(bytes, 400 - 15, 400); /* full to the last that fits */
		shell("find queue -type f | head -n 20 | xargs rm");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        the_next_number_costs_the_same_whatever_waits, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        no_number_comes_twice_and_none_is_left_out_whatever_became_of_next, set_up,
	        tear_down),
	    cmocka_unit_test_setup_teardown(
	        a_next_from_another_spool_is_not_believed, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        numbers_that_have_left_are_not_given_though_next_is_behind, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        refuses_what_would_go_beyond_and_says_so, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_was_set_aside_counts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        room_that_was_made_is_there_at_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_full_queue_is_counted_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_killed_add_takes_nobody_s_room, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        counts_of_another_boot_or_none_are_made_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        what_left_before_a_count_is_not_taken_off_it, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        counts_that_nobody_keeps_are_not_left, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
	        no_bound_is_passed_however_many_add_at_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
