/* SPDX-License-Identifier: ISC */
/* An event loop, whatever the environment says; and what libevent says is a line of the log. */
#include "config.h"

#include "lib/loop.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/log.h"

static void
is_made_whatever_the_environment_says(void **state)
{
	static const char *const wishes[] = {
	    "EVENT_NOEPOLL", "EVENT_NOPOLL", "EVENT_NOSELECT", "EVENT_NOKQUEUE", "EVENT_NODEVPOLL"};
	struct event_base *base;

	(void)state;
	for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
		setenv(wishes[i], "1", 1);
	base = loop_new(0);
	assert_non_null(base);
	event_base_free(base);
}

static void
on_nothing(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what, (void)arg;
}

static void
what_libevent_says_is_a_line_of_the_log(void **state)
{
	struct event_base *base = loop_new(0);
	int saved = dup(STDERR_FILENO), fds[2];
	char said[512] = "";

	(void)state;
	assert_non_null(base);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_setup(LOG_INFO, LOG_FORMAT_JOURNAL);
	assert_null(event_new(base, 1, EV_SIGNAL | EV_READ, on_nothing, NULL));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	assert_true(read(fds[0], said, sizeof said - 1) > 0);
	close(fds[0]);
	assert_ptr_equal(strstr(said, "<4>event=libevent note=\""), said);
	event_base_free(base);
}

/* LeakSanitizer needs a descriptor, and the program that ends here has none left. */
const char *__lsan_default_options(void);

const char *
__lsan_default_options(void)
{
	return "detect_leaks=0";
}

static void
ends_the_program_where_libevent_cannot_go_on(void **state)
{
	struct rlimit limit;
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		int lowest = dup(STDERR_FILENO);

		/* One for the loop, and none for its signals. */
		close(lowest);
		limit.rlim_cur = limit.rlim_max = (rlim_t)lowest + 1;
		setrlimit(RLIMIT_NOFILE, &limit);
		(void)!loop_new(0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 71);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_made_whatever_the_environment_says),
	    cmocka_unit_test(what_libevent_says_is_a_line_of_the_log),
	    cmocka_unit_test(ends_the_program_where_libevent_cannot_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
