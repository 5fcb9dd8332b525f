/* SPDX-License-Identifier: ISC */
/*
 * The socket's file: its mode, whose it is, and what is left alone.
 */
#include "config.h"

#include "inboxd/status/local.h"

#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "status_server.h"
#include "lib/why.h"

static struct event_base *base;

/* status_open() in this process. */
static struct status *
open_here(const char *at, unsigned mode, struct why *why)
{
	base = event_base_new();
	assert_non_null(base);
	why->text[0] = '\0';
	return status_open(base, at, mode, &server_source, why);
}

static void
mode_is_right_and_umask_stays(void **state)
{
	struct why why;
	struct stat st;

	(void)state;
	mode_t before = umask(077);
	struct status *opened = open_here(server_path, 0664, &why);
	assert_int_equal(umask(before), 077);
	assert_non_null(opened);
	assert_int_equal(stat(server_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
	status_close(opened);
	event_base_free(base);
	assert_int_equal(access(server_path, F_OK), -1);
}

static void
takes_a_stale_socket_and_no_other(void **state)
{
	struct why why;

	(void)state;
	server_start();
	assert_null(open_here(server_path, 0600, &why));
	event_base_free(base);
	assert_non_null(strstr(why.text, "another receiver"));
	assert_lives();
	/* Killed, it leaves its file. */
	kill(server_pid, SIGKILL);
	waitpid(server_pid, NULL, 0);
	server_pid = 0;
	assert_int_equal(access(server_path, F_OK), 0);
	server_start();
	assert_lives();
	server_stop();
}

static void
leaves_alone_what_is_no_socket(void **state)
{
	char missing[128], large[300];
	struct why why;

	(void)state;
	FILE *file = fopen(server_path, "w");
	assert_non_null(file);
	fclose(file);
	assert_null(open_here(server_path, 0600, &why));
	event_base_free(base);
	assert_non_null(strstr(why.text, "not a socket"));
	assert_int_equal(access(server_path, F_OK), 0);

	snprintf(missing, sizeof(missing), "%s/none/sock", server_folder);
	assert_null(open_here(missing, 0600, &why));
	event_base_free(base);
	assert_non_null(strstr(why.text, "folder is missing"));

	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	assert_null(open_here(large, 0600, &why));
	event_base_free(base);
	assert_non_null(strstr(why.text, "299"));
}

/* connect() fails, and not because it is stale: nothing is known of it. */
static void
leaves_alone_a_socket_of_another_kind(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct why why;

	(void)state;
	memcpy(addr.sun_path, server_path, strlen(server_path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_null(open_here(server_path, 0600, &why));
	event_base_free(base);
	assert_non_null(strstr(why.text, server_path));
	assert_int_equal(access(server_path, F_OK), 0);
	close(fd);
}

static void
removes_only_its_own_file(void **state)
{
	struct why why;

	(void)state;
	struct status *opened = open_here(server_path, 0600, &why);
	assert_non_null(opened);
	char moved[128];
	snprintf(moved, sizeof(moved), "%s/moved", server_folder);
	assert_int_equal(rename(server_path, moved), 0);
	FILE *file = fopen(server_path, "w");
	assert_non_null(file);
	fclose(file);
	status_close(opened);
	event_base_free(base);
	assert_int_equal(access(server_path, F_OK), 0);
	unlink(moved);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, server_setup, server_teardown)
	const struct CMUnitTest tests[] = {
	    T(mode_is_right_and_umask_stays),
	    T(takes_a_stale_socket_and_no_other),
	    T(leaves_alone_what_is_no_socket),
	    T(leaves_alone_a_socket_of_another_kind),
	    T(removes_only_its_own_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
