/* SPDX-License-Identifier: ISC */
/* From a listener to a worker and back, with both played here: messages in every order. */
#include "inboxd/arrive/admission.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/arrive/door.h"
#include "inboxd/base/mailbox.h"
#include "inboxd/base/settings.h"
#include "inboxd/base/stats.h"
#include "inboxd/serve/ticket.h"
#include "lib/clock.h"

#define GIVEN_MAX 8

static struct settings settings;
static struct stats stats;
static struct event_base *base;
static struct mailbox *worker;
static struct admission *admission;
static struct ticket *given[GIVEN_MAX];
static int given_fd[GIVEN_MAX];
static size_t given_count;
static int is_short;

static void
give(void *ctx, struct ticket *ticket, int fd, const struct sockaddr *client)
{
	(void)ctx, (void)client;
	assert_true(given_count < GIVEN_MAX);
	ticket->worker = worker;
	given_fd[given_count] = fd;
	given[given_count++] = ticket;
}

static void
on_short(void *ctx, int is_short_now)
{
	(void)ctx;
	is_short = is_short_now;
}

static int
set_up(void **state)
{
	const struct admission_setup setup = {NULL, &stats, give, on_short, NULL};
	struct admission_setup wanted = setup;

	(void)state;
	settings = (struct settings){.connections = 10, .handshakes = 1};
	stats = (struct stats){{0}};
	given_count = 0;
	is_short = 0;
	wanted.base = base = event_base_new();
	worker = mailbox_new();
	admission = admission_new(&wanted, &settings);
	return base && worker && admission ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	admission_free(admission);
	mailbox_free(worker);
	event_base_free(base);
	for (size_t i = 0; i < given_count; i++)
		close(given_fd[i]);
	return 0;
}

/* The other end of its connection. */
static int
come(void)
{
	struct sockaddr_in client = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	admission_knock(admission, pair[1], (struct sockaddr *)&client);
	return pair[0];
}

static void
say(struct message *message, enum ticket_message kind)
{
	message->kind = (int)kind;
	assert_true(admission_take(admission, message));
}

/* A tenth of a second more than each handshake has. */
static void
let_time_pass(void)
{
	const struct timeval limit = {DOOR_PATIENCE / CLOCK_SECOND, 100000};

	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
}

/* One handshake, which is asked to make way for a second one. */
static struct message *
begin_with_a_wish(int peers[2])
{
	struct message *wish;

	peers[0] = come();
	assert_int_equal(given_count, 1);
	assert_true(is_short);
	peers[1] = come();
	assert_null(mailbox_take(worker));
	let_time_pass();
	assert_int_equal(given_count, 1);
	wish = mailbox_take(worker);
	assert_non_null(wish);
	assert_null(wish->next);
	assert_ptr_equal(ticket_of(wish), given[0]);
	assert_int_equal(stats_get(&stats, STAT_DOOR_WAITS), 1);
	return wish;
}

static void
end(const int peers[2])
{
	say(&given[1]->left, TICKET_LEFT);
	assert_int_equal(stats_get(&stats, STAT_NOW_HANDSHAKES), 0);
	assert_false(is_short);
	close(peers[0]);
	close(peers[1]);
}

static void
a_handshake_that_makes_way_lets_in_who_waits(void **state)
{
	int peers[2];
	struct message *wish = begin_with_a_wish(peers);

	(void)state;
	say(&given[0]->left, TICKET_LEFT);
	assert_int_equal(given_count, 2);
	say(wish, TICKET_DISMISSED);
	end(peers);
}

static void
one_that_stays_is_asked_again_later(void **state)
{
	int peers[2];
	struct message *wish = begin_with_a_wish(peers);

	(void)state;
	/* Not while the wish is on its way. */
	let_time_pass();
	assert_null(mailbox_take(worker));
	say(wish, TICKET_DISMISSED);
	assert_int_equal(given_count, 1);
	let_time_pass();
	wish = mailbox_take(worker);
	assert_non_null(wish);
	say(wish, TICKET_DISMISSED);
	say(&given[0]->left, TICKET_LEFT);
	assert_int_equal(given_count, 2);
	end(peers);
}

static void
one_asked_may_be_a_session_by_then(void **state)
{
	int peers[2];
	struct message *wish = begin_with_a_wish(peers);

	(void)state;
	say(&given[0]->shaken, TICKET_SHAKEN);
	assert_int_equal(given_count, 2);
	say(wish, TICKET_DISMISSED);
	assert_int_equal(stats_get(&stats, STAT_NOW_HANDSHAKES), 1);
	say(&given[0]->left, TICKET_LEFT);
	end(peers);
}

static void
who_waits_goes_on_when_a_handshake_is_done(void **state)
{
	int peers[2];

	(void)state;
	peers[0] = come();
	peers[1] = come();
	assert_int_equal(given_count, 1);
	say(&given[0]->shaken, TICKET_SHAKEN);
	assert_int_equal(given_count, 2);
	assert_null(mailbox_take(worker));
	say(&given[0]->left, TICKET_LEFT);
	end(peers);
}

static void
new_limits_let_in_who_waits(void **state)
{
	int peers[2];

	(void)state;
	peers[0] = come();
	peers[1] = come();
	settings.handshakes = 10;
	admission_set_limits(admission, &settings);
	assert_int_equal(given_count, 2);
	assert_false(is_short);
	say(&given[0]->left, TICKET_LEFT);
	end(peers);
}

static int
is_closed(int peer)
{
	struct pollfd look = {.fd = peer, .events = POLLIN};
	char byte;

	return poll(&look, 1, 0) == 1 && read(peer, &byte, 1) == 0;
}

static void
who_is_turned_away_is_counted_and_closed(void **state)
{
	int peers[2];

	(void)state;
	settings.handshakes = 10;
	settings.address = 1;
	admission_set_limits(admission, &settings);
	peers[0] = come();
	peers[1] = come();
	assert_int_equal(given_count, 1);
	assert_false(is_closed(peers[0]));
	assert_true(is_closed(peers[1]));
	assert_int_equal(stats_get(&stats, STAT_DOOR_ADDRESS), 1);
	close(peers[1]);
	say(&given[0]->left, TICKET_LEFT);
	peers[1] = come();
	assert_int_equal(given_count, 2);
	end(peers);
}

static void
nobody_waits_for_a_receiver_that_stops(void **state)
{
	int peers[2];

	(void)state;
	peers[0] = come();
	peers[1] = come();
	admission_set_listeners(admission, NULL, NULL);
	assert_true(is_closed(peers[1]));
	say(&given[0]->left, TICKET_LEFT);
	assert_int_equal(given_count, 1);
	close(peers[0]);
	close(peers[1]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_handshake_that_makes_way_lets_in_who_waits),
	    TEST(one_that_stays_is_asked_again_later),
	    TEST(one_asked_may_be_a_session_by_then),
	    TEST(who_waits_goes_on_when_a_handshake_is_done),
	    TEST(new_limits_let_in_who_waits),
	    TEST(who_is_turned_away_is_counted_and_closed),
	    TEST(nobody_waits_for_a_receiver_that_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
