/* SPDX-License-Identifier: ISC */
/* When the listening sockets rest, and when they go on. */
#include "inboxd/arrive/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define COMERS 3
#define FILLERS_MAX 256

static struct event_base *base;
static struct listener *listener;
static struct sockaddr_in where;
static int comers[COMERS];
static int accepted[COMERS];
static size_t accepted_count;
static int holds; /* at each one that is accepted */

static void
on_accept(void *ctx, int fd, const struct sockaddr *peer)
{
	(void)ctx, (void)peer;
	assert_true(accepted_count < COMERS);
	accepted[accepted_count++] = fd;
	if (holds)
		listener_hold(listener, 1);
}

/* A port that is free; and those who will come have their sockets before it gets narrow. */
static int
set_up(void **state)
{
	static char text[32];
	static char *items[] = {text};
	const struct conf_list list = {items, 1};
	const struct listener_setup setup = {
	    .setting = "listen", .listen = &list, .on_accept = on_accept};
	socklen_t len = sizeof where;
	struct why why;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	where = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&where, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &len), 0);
	close(fd);
	snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(where.sin_port));
	base = event_base_new();
	listener = listener_open(base, &setup, &why);
	accepted_count = 0;
	holds = 0;
	for (size_t i = 0; i < COMERS; i++)
		comers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return listener ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < accepted_count; i++)
		close(accepted[i]);
	for (size_t i = 0; i < COMERS; i++)
		close(comers[i]);
	listener_close(listener);
	event_base_free(base);
	return 0;
}

static void
come(size_t which)
{
	assert_int_equal(
	    connect(comers[which], (struct sockaddr *)&where, sizeof where), 0);
}

/* What is there to be done now. */
static void
go_round(void)
{
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
who_comes_while_it_is_held_waits(void **state)
{
	(void)state;
	holds = 1;
	come(0);
	come(1);
	go_round();
	assert_int_equal(accepted_count, 1);
	come(2);
	go_round();
	assert_int_equal(accepted_count, 1);
	holds = 0;
	listener_hold(listener, 0);
	go_round();
	assert_int_equal(accepted_count, 3);
}

static void
it_goes_on_as_soon_as_a_descriptor_is_closed(void **state)
{
	int fillers[FILLERS_MAX];
	struct rlimit before, narrow;
	size_t count = 0;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	narrow = before;
	narrow.rlim_cur = FILLERS_MAX;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &narrow), 0);
	while (count < FILLERS_MAX && (fillers[count] = dup(0)) >= 0)
		count++;
	assert_int_equal(errno, EMFILE);
	come(0);
	go_round();
	assert_int_equal(accepted_count, 0);
	/* Nothing says so, and it rests. */
	close(fillers[--count]);
	go_round();
	assert_int_equal(accepted_count, 0);
	listener_closed(listener);
	go_round();
	assert_int_equal(accepted_count, 1);
	while (count > 0)
		close(fillers[--count]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
a_descriptor_that_is_closed_is_no_end_of_a_hold(void **state)
{
	(void)state;
	listener_hold(listener, 1);
	listener_closed(listener);
	come(0);
	go_round();
	assert_int_equal(accepted_count, 0);
	listener_hold(listener, 0);
	go_round();
	assert_int_equal(accepted_count, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(who_comes_while_it_is_held_waits),
	    TEST(it_goes_on_as_soon_as_a_descriptor_is_closed),
	    TEST(a_descriptor_that_is_closed_is_no_end_of_a_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
