/* SPDX-License-Identifier: ISC */
/*
 * notify.h against a supervisor's socket of our own, by path and abstract.
 */
#include "config.h"

#include "lib/notify.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char name[96];
static int supervisor = -1;

/* Listens at `name`, and puts it into the environment. */
static void
supervise(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const struct timeval patience = {2, 0};
	size_t len = strlen(name);

	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	supervisor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(supervisor, -1);
	assert_int_equal(
	    setsockopt(supervisor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(bind(supervisor, (struct sockaddr *)&addr,
	                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static int
setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(folder, sizeof(folder), "%.40s/notify.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(name, sizeof(name), "%s/notify", folder);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	if (supervisor != -1)
		close(supervisor);
	supervisor = -1;
	if (name[0] == '/')
		unlink(name);
	return rmdir(folder);
}

static const char *
heard(void)
{
	static char message[512];
	ssize_t len = recv(supervisor, message, sizeof(message) - 1, 0);

	assert_true(len >= 0);
	message[len] = '\0';
	return message;
}

static void
tells_each_state(void **state)
{
	(void)state;
	supervise();
	notify_ready();
	assert_string_equal(heard(), "READY=1");
	notify_stopping();
	assert_string_equal(heard(), "STOPPING=1");
	notify_watchdog();
	assert_string_equal(heard(), "WATCHDOG=1");
}

static void
tells_when_it_reloads(void **state)
{
	struct timespec before, after;
	uint64_t usec;
	char end;

	(void)state;
	supervise();
	clock_gettime(CLOCK_MONOTONIC, &before);
	notify_reloading();
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_int_equal(
	    sscanf(heard(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64 "%c", &usec, &end), 1);
	assert_in_range(usec, (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000,
	    (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
}

static void
takes_an_abstract_name(void **state)
{
	(void)state;
	snprintf(name, sizeof(name), "@inboxd-test-%jd", (intmax_t)getpid());
	supervise();
	notify_ready();
	assert_string_equal(heard(), "READY=1");
}

/* Each would end the process, or send somewhere, if it were taken. */
static void
lives_without_a_supervisor(void **state)
{
	char large[300];

	(void)state;
	notify_ready();
	memset(large, 'x', sizeof(large));
	large[0] = '/';
	large[sizeof(large) - 1] = '\0';
	const char *const wrong[] = {"", "/", "@", "relative", large, name};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		setenv("NOTIFY_SOCKET", wrong[i], 1);
		notify_ready();
	}
}

/* A supervisor that does not read must not hold the receiver up. */
static void
never_blocks(void **state)
{
	(void)state;
	supervise();
	alarm(10);
	for (int i = 0; i < 5000; i++)
		notify_watchdog();
	alarm(0);
	assert_string_equal(heard(), "WATCHDOG=1");
}

static void
reads_the_watchdog_interval(void **state)
{
	char pid[24];

	(void)state;
	assert_int_equal(notify_watchdog_interval(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_interval(), 30000000);
	snprintf(pid, sizeof(pid), "%jd", (intmax_t)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_interval(), 30000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_interval(), 0);
	setenv("WATCHDOG_PID", "none", 1);
	assert_int_equal(notify_watchdog_interval(), 0);
	unsetenv("WATCHDOG_PID");
	setenv("WATCHDOG_USEC", "-5", 1);
	assert_int_equal(notify_watchdog_interval(), 0);
	setenv("WATCHDOG_USEC", "99999999999999999999", 1);
	assert_int_equal(notify_watchdog_interval(), 0);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(tells_each_state),
	    T(tells_when_it_reloads),
	    T(takes_an_abstract_name),
	    T(lives_without_a_supervisor),
	    T(never_blocks),
	    T(reads_the_watchdog_interval),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
