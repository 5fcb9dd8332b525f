/* SPDX-License-Identifier: ISC */
/*
 * Whoever reads the log may stop: nobody who logs waits, and each line is written or
 * counted.  A child logs into what it has for standard error; this process does not
 * read until the child has said that it is through.
 */
#include "config.h"

#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/log_writer.h"

#define LINES 10000 /* some 2 MiB */
#define PATIENCE (5 * CLOCK_SECOND)

static int has_threads = 1;

int __real_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

int
__wrap_pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return has_threads ? __real_pthread_create(thread, attr, run, arg) : EAGAIN;
}

/* What a child has for standard error, and what is read here. */
struct outlet {
	int write_fd, read_fd, slave;
};

static void
open_pipe(struct outlet *outlet)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	*outlet = (struct outlet){fds[1], fds[0], -1};
}

static void
open_socket(struct outlet *outlet)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*outlet = (struct outlet){fds[1], fds[0], -1};
}

static void
open_terminal(struct outlet *outlet)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	*outlet = (struct outlet){-1, master, -1};
	outlet->write_fd = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(outlet->write_fd >= 0);
}

/* Somebody else, who has it, too, has set it so. */
static void
open_nonblocking_pipe(struct outlet *outlet)
{
	open_pipe(outlet);
	assert_int_equal(fcntl(outlet->write_fd, F_SETFL, O_NONBLOCK), 0);
}

static void
log_lines(const char *event, int count)
{
	char value[200];

	memset(value, 'x', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (int i = 0; i < count; i++)
		log_event(LOG_INFO, event, "v=%s", value);
}

struct child {
	pid_t pid;
	int says, hears;
};

/* In the child: LINES lines, a word, and when told so another one. */
NO_RETURN static void
be_child(const struct outlet *outlet, int says, int hears, int with_thread)
{
	int64_t begun = clock_monotonic();
	char byte = 1;

	dup2(outlet->write_fd, STDERR_FILENO);
	close(outlet->write_fd);
	close(outlet->read_fd);
	alarm(60);
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	has_threads = with_thread;
	if (log_start() < 0)
		exit(2);
	log_lines("t", LINES);
	byte = clock_monotonic() - begun < PATIENCE;
	if (write(says, &byte, 1) != 1 || read(hears, &byte, 1) < 0)
		exit(3);
	log_event(LOG_INFO, "last", "lost=%llu", (unsigned long long)log_writer_lost());
	exit(0);
}

static struct child
start_child(const struct outlet *outlet, int with_thread)
{
	int says[2], hears[2];
	struct child child;

	assert_int_equal(pipe(says), 0);
	assert_int_equal(pipe(hears), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		close(says[0]);
		close(hears[1]);
		be_child(outlet, says[1], hears[0], with_thread);
	}
	close(says[1]);
	close(hears[0]);
	close(outlet->write_fd);
	child.says = says[0];
	child.hears = hears[1];
	return child;
}

static void
assert_is_through(const struct child *child)
{
	char in_time = 0;

	assert_int_equal(read(child->says, &in_time, 1), 1);
	assert_true(in_time);
}

static void
assert_ends(struct child *child)
{
	int status;

	close(child->says);
	close(child->hears);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static char text[4 * 1024 * 1024];

/* Reads on until `until` has been seen, or to the end. */
static void
read_log(int fd, size_t *len, const char *until)
{
	ssize_t got;

	while (!until || !strstr(text, until)) {
		got = read(fd, text + *len, sizeof text - 1 - *len);
		if (got <= 0)
			return; /* a terminal ends with EIO */
		*len += (size_t)got;
		text[*len] = '\0';
	}
}

/* All LINES were written or counted, the count has its place, and nothing is mixed. */
static void
assert_written_or_counted(unsigned long *lost)
{
	unsigned long written = 0, counted = 0, more;
	int have_last = 0;

	for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n")) {
		if (sscanf(line, "<4>event=log_lines_lost count=%lu", &more) == 1) {
			assert_false(have_last);
			counted += more;
		} else if (strncmp(line, "<6>event=last lost=", 19) == 0) {
			*lost = strtoul(line + 19, NULL, 10);
			have_last = 1;
		} else if (strncmp(line, "<4>event=log_without_thread ", 28) != 0) {
			assert_int_equal(strncmp(line, "<6>event=t v=", 13), 0);
			assert_int_equal(strlen(line), 13 + 199);
			written++;
		}
	}
	assert_true(have_last);
	assert_true(counted > 0);
	assert_true(written >= LOG_HELD / 213);
	assert_int_equal(written + counted, LINES);
	assert_int_equal(counted, *lost);
}

static void
check_outlet(void (*open_outlet)(struct outlet *), int with_thread)
{
	struct outlet outlet;
	struct child child;
	unsigned long lost = 0;
	size_t len = 0;

	open_outlet(&outlet);
	child = start_child(&outlet, with_thread);
	assert_is_through(&child);
	text[0] = '\0';
	if (with_thread)
		read_log(outlet.read_fd, &len, "log_lines_lost");
	assert_int_equal(write(child.hears, "x", 1), 1);
	read_log(outlet.read_fd, &len, NULL);
	close(outlet.read_fd);
	assert_ends(&child);
	assert_written_or_counted(&lost);
}

static void
waits_for_no_reader_of_a_pipe(void **state)
{
	(void)state;
	check_outlet(open_pipe, 1);
}

static void
waits_for_no_reader_of_a_socket(void **state)
{
	(void)state;
	check_outlet(open_socket, 1);
}

static void
waits_for_no_terminal(void **state)
{
	(void)state;
	check_outlet(open_terminal, 1);
}

static void
waits_for_nobody_without_its_thread(void **state)
{
	(void)state;
	check_outlet(open_pipe, 0);
	check_outlet(open_socket, 0);
	check_outlet(open_nonblocking_pipe, 0);
}

static void
takes_nonblocking_for_what_it_is(void **state)
{
	(void)state;
	check_outlet(open_nonblocking_pipe, 1);
}

/* On a disk that fills up in the middle of a line. */
static void
begins_a_line_anew_behind_a_torn_one(void **state)
{
	char path[] = "/tmp/test_log_writer.XXXXXX";
	int file = mkstemp(path), saved = dup(STDERR_FILENO);
	struct rlimit limit, before;

	(void)state;
	assert_true(file >= 0 && saved >= 0);
	unlink(path);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 30;
	dup2(file, STDERR_FILENO);
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	log_event(LOG_INFO, "whole", "%s", "");
	log_event(LOG_INFO, "torn", "v=%s", "0123456789");
	log_event(LOG_INFO, "lost", "%s", "");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	log_event(LOG_INFO, "anew", "%s", "");
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(pread(file, text, sizeof text - 1, 0) > 0);
	close(file);
	assert_ptr_equal(strstr(text, "<6>event=whole\n<6>event=torn v\n<6>event=anew\n"
	                              "<4>event=log_lines_lost count=2\n"), text);
	memset(text, 0, 200);
}

/* It is everybody's who shares the open file. */
static void
leaves_the_open_file_as_it_is(void **state)
{
	struct outlet outlet;
	struct child child;
	int shared;

	(void)state;
	open_pipe(&outlet);
	shared = dup(outlet.write_fd);
	child = start_child(&outlet, 1);
	assert_is_through(&child);
	assert_int_equal(fcntl(shared, F_GETFL) & O_NONBLOCK, 0);
	close(shared);
	close(outlet.read_fd);
	assert_ends(&child);
}

static void
ends_soon_though_nobody_reads(void **state)
{
	struct outlet outlet;
	struct child child;
	int64_t begun;

	(void)state;
	open_pipe(&outlet);
	child = start_child(&outlet, 1);
	assert_is_through(&child);
	begun = clock_monotonic();
	assert_ends(&child);
	assert_true(clock_monotonic() - begun < PATIENCE);
	close(outlet.read_fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_for_no_reader_of_a_pipe),
	    cmocka_unit_test(waits_for_no_reader_of_a_socket),
	    cmocka_unit_test(waits_for_no_terminal),
	    cmocka_unit_test(waits_for_nobody_without_its_thread),
	    cmocka_unit_test(takes_nonblocking_for_what_it_is),
	    cmocka_unit_test(begins_a_line_anew_behind_a_torn_one),
	    cmocka_unit_test(leaves_the_open_file_as_it_is),
	    cmocka_unit_test(ends_soon_though_nobody_reads),
	};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
