/* SPDX-License-Identifier: ISC */
/* Whose the root is: what its lock file says, in old forms and new, and that a loss is seen. */
#include "config.h"

#include "inboxd/base/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch.h"

#define ROOT_ID "0123456789abcdef0123456789abcdef"
#define BOOT "5f0c7c2e-8a53-4f0e-9a51-7d1a6b1c2d3e"

#if defined(F_OFD_GETLK) && !defined(DISK_PORTABLE)
#define TELLS -1 /* what hold_look() says where only the lock tells */
#else
#define TELLS 0
#endif

static int root;
static struct hold *hold;
static struct holder own;

static int
set_up(void **state)
{
	(void)state;
	if (scratch_make("hold") < 0)
		return -1;
	root = open(scratch_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	hold = NULL;
	return root < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
	(void)state;
	hold_release(hold);
	close(root);
	return scratch_delete();
}

/* ---- help */

static void
put(const char *text)
{
	FILE *file = fopen(below("lock"), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* By a process of its own: in ours it would let go of the lock. */
static void
elsewhere(void (*act)(void))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static const char *
text_now(void)
{
	static char text[2 * HOLDER_LINE_ROOM];
	int ends[2];
	ssize_t len;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd = open(below("lock"), O_RDONLY);

		len = read(fd, text, sizeof text);
		_exit(write(ends[1], text, (size_t)len) != len);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ends[1]);
	len = read(ends[0], text, sizeof text - 1);
	close(ends[0]);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static int
take(void)
{
	struct holder other;
	struct why why;

	hold_describe(&own, ROOT_ID);
	return hold_take(&hold, root, "/root", &own, &other, &why);
}

static int
look(const char *part)
{
	struct why why = {""};
	int rc = hold_look(hold, &why);

	if (rc < 0 && !strstr(why.text, part))
		fail_msg("want \"%s\" in \"%s\"", part, why.text);
	return rc;
}

static struct holder
read_line(const char *line)
{
	struct holder holder;

	holder_read(line, strlen(line), &holder);
	return holder;
}

/* ---- a line */

static void
reads_what_it_prints(void **state)
{
	struct holder a = {.state = HOLDER_RUNNING, .run = ROOT_ID, .id = ROOT_ID, .host = "cap1",
	    .machine = ROOT_ID, .boot = BOOT, .pid = 4711, .since = {1795356000, 0}}, b;
	char line[HOLDER_LINE_ROOM];
	size_t len = holder_print(&a, line);

	(void)state;
	assert_int_equal(len, strlen(line));
	assert_int_equal(line[len - 1], '\n');
	holder_read(line, len - 1, &b);
	assert_int_equal(b.state, a.state);
	assert_string_equal(b.run, a.run);
	assert_string_equal(b.id, a.id);
	assert_string_equal(b.host, a.host);
	assert_string_equal(b.machine, a.machine);
	assert_string_equal(b.boot, a.boot);
	assert_int_equal(b.pid, a.pid);
	assert_int_equal(b.since.tv_sec, a.since.tv_sec);
}

static void
reads_the_old_forms(void **state)
{
	struct holder holder = read_line(BOOT);

	(void)state;
	assert_int_equal(holder.state, HOLDER_RUNNING);
	assert_string_equal(holder.boot, BOOT);
	assert_int_equal(read_line("stopped").state, HOLDER_STOPPED);
	assert_int_equal(read_line("").state, HOLDER_NONE);
	assert_string_equal(read_line("unknown").boot, DISK_BOOT_UNKNOWN);
}

static void
passes_over_what_it_does_not_know(void **state)
{
	struct holder holder =
	    read_line("running  colour=blue id= host=a%b machine=m pid=-1 since=soon boot=b run");

	(void)state;
	assert_int_equal(holder.state, HOLDER_RUNNING);
	assert_string_equal(holder.host, "");
	assert_string_equal(holder.id, "");
	assert_string_equal(holder.machine, "m");
	assert_string_equal(holder.boot, "b");
	assert_int_equal(holder.pid, 0);
	assert_int_equal(holder.since.tv_sec, 0);
}

static void
tells_where_it_is(void **state)
{
	static const struct {
		const char *line;
		int is_elsewhere, may_be_of_boot;
	} rows[] = {
	    {"running machine=m boot=b", 0, 1},
	    {"running machine=m boot=c", 1, 0},
	    {"running machine=n boot=c", 1, 0},
	    {"running machine=n boot=b", 1, 1}, /* containers over one kernel */
	    {"running machine=n boot=unknown", 1, 1},
	    {"running machine=m boot=unknown", 0, 1},
	    {"running boot=c", 1, 0},
	    {"running boot=b", 0, 1},
	    {"running", 0, 1},
	    {"c", 1, 0},
	    {"b", 0, 1},
	};
	struct holder here = {.state = HOLDER_STARTING, .machine = "m", .boot = "b"};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct holder holder = read_line(rows[i].line);

		if (holder_is_elsewhere(&holder, &here) != rows[i].is_elsewhere ||
		    holder_may_be_of_boot(&holder, here.boot) != rows[i].may_be_of_boot)
			fail_msg("%s", rows[i].line);
	}
}

/* ---- the file */

static void
says_who_has_it_at_each_time(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	assert_int_equal(hold_before(hold)->state, HOLDER_NONE);
	assert_non_null(strstr(text_now(), "starting run="));
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	assert_ptr_equal(strstr(text_now(), "running run="), text_now());
	assert_int_equal(hold_mark_stopped(hold), 0);
	assert_ptr_equal(strstr(text_now(), "stopped run="), text_now());
	assert_non_null(strstr(text_now(), " id=" ROOT_ID " "));
	hold_release(hold);
	assert_int_equal(take(), 0);
	assert_int_equal(hold_before(hold)->state, HOLDER_STOPPED);
}

/* A start that fails leaves what the last run left, whatever form that has. */
static void
failed_starts_leave_the_last_run_as_it_was(void **state)
{
	static const char *const before[] = {"stopped\n", BOOT "\n", BOOT,
	    "running run=" ROOT_ID " boot=" BOOT " pid=12\n", ""};
	static const enum holder_state states[] = {HOLDER_STOPPED, HOLDER_RUNNING, HOLDER_RUNNING,
	    HOLDER_RUNNING, HOLDER_NONE};

	(void)state;
	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
		put(before[i]);
		for (int starts = 0; starts < 3; starts++) {
			assert_int_equal(take(), 0);
			assert_int_equal(hold_before(hold)->state, states[i]);
			if (states[i] == HOLDER_RUNNING)
				assert_string_equal(hold_before(hold)->boot, BOOT);
			hold_release(hold);
			hold = NULL;
		}
	}
}

static struct holder named;
static int code;

static void
be_second(void)
{
	struct hold *second;
	struct why why;

	code = hold_take(&second, root, "/root", &own, &named, &why);
	if (code != EX_UNAVAILABLE || !strstr(why.text, "holds its lock"))
		_exit(1);
	snprintf(own.machine, sizeof own.machine, "another");
	if (hold_take(&second, root, "/root", &own, &named, &why) != HOLD_ELSEWHERE ||
	    named.pid != (uint64_t)getppid())
		_exit(2);
}

static void
a_second_one_is_told_who_has_it(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	if (!own.machine[0])
		snprintf(own.machine, sizeof own.machine, "none");
	elsewhere(be_second);
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	elsewhere(be_second);
	assert_int_equal(look(""), 0);
}

/* ---- lost */

static void
be_another_start(void)
{
	struct hold *second;
	struct holder other;
	struct why why;

	hold_describe(&own, ROOT_ID);
	snprintf(own.host, sizeof own.host, "cap2");
	if (hold_take(&second, root, "/root", &own, &other, &why) != 0)
		_exit(1);
}

static void
overwrite(void)
{
	put("running run=" ROOT_ID " host=cap3 pid=99\n");
}

static void
delete_it(void)
{
	unlink(below("lock"));
}

/* Any descriptor of ours that is closed does it. */
static void
lose(void)
{
	close(open(below("lock"), O_RDONLY));
}

static void
is_not_lost_by_itself(void **state)
{
	(void)state;
	put(BOOT "\n");
	assert_int_equal(take(), 0);
	assert_int_equal(look(""), 0);
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	assert_int_equal(look(""), 0);
	assert_int_equal(hold_mark_stopped(hold), 0);
	assert_int_equal(look(""), 0);
}

static void
sees_that_the_lock_is_gone(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	lose();
	assert_int_equal(look("its lock is gone"), TELLS);
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	assert_int_equal(look("its lock is gone"), TELLS);
}

static void
sees_who_has_the_lock_before_he_says_so(void **state)
{
	int ends[2];
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(take(), 0);
	lose();
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		alarm(30); /* should the test fail */
		if (disk_lock(root, "lock", NULL) >= 0 && write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(look("holds its lock"), TELLS);
	close(ends[0]);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
}

static void
sees_that_another_one_has_started(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	lose();
	elsewhere(be_another_start);
	assert_int_equal(look(TELLS ? "its lock is gone" : "on host cap2"), -1);
}

static void
sees_another_ones_text(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	assert_int_equal(hold_mark_running(hold, ROOT_ID), 0);
	elsewhere(overwrite);
	assert_int_equal(look("its file lock is of process 99 on host cap3"), -1);
}

static void
sees_that_the_file_is_deleted(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	elsewhere(delete_it);
	assert_int_equal(look("has been deleted"), -1);
}

static void
sees_that_the_file_is_moved(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	assert_int_equal(look(""), 0);
	assert_int_equal(renameat(root, "lock", root, "moved"), 0);
	assert_int_equal(look("has been deleted or moved"), -1);
}

static void
sees_that_another_file_has_its_name(void **state)
{
	(void)state;
	assert_int_equal(take(), 0);
	assert_int_equal(renameat(root, "lock", root, "moved"), 0);
	elsewhere(be_another_start);
	assert_int_equal(look("another file is its file lock"), -1);
}

static void
insist(void)
{
	hold_insist(hold);
}

static void
insists_by_ending_the_program(void **state)
{
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(take(), 0);
	elsewhere(delete_it);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		insist();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_IOERR);
	hold_insist(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_what_it_prints),
	    cmocka_unit_test(reads_the_old_forms),
	    cmocka_unit_test(passes_over_what_it_does_not_know),
	    cmocka_unit_test(tells_where_it_is),
	    TEST(says_who_has_it_at_each_time),
	    TEST(failed_starts_leave_the_last_run_as_it_was),
	    TEST(a_second_one_is_told_who_has_it),
	    TEST(is_not_lost_by_itself),
	    TEST(sees_that_the_lock_is_gone),
	    TEST(sees_who_has_the_lock_before_he_says_so),
	    TEST(sees_that_another_one_has_started),
	    TEST(sees_another_ones_text),
	    TEST(sees_that_the_file_is_deleted),
	    TEST(sees_that_the_file_is_moved),
	    TEST(sees_that_another_file_has_its_name),
	    TEST(insists_by_ending_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
