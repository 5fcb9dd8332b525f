/* SPDX-License-Identifier: ISC */
/*
 * A second front beside inbox/1, on a real worker: it says back what it hears.  What it
 * took to add it is this file and its row in `fronts` below.
 */
#include "inboxd/serve/front.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "certs.h"
#include "inboxd/base/mailbox.h"
#include "inboxd/inbox1/inbox1.h"
#include "inboxd/serve/shop.h"
#include "inboxd/serve/ticket.h"
#include "inboxd/serve/worker.h"
#include "lib/conn.h"
#include "lib/tls.h"
#include "lib/why.h"

#define PATIENCE 20 /* seconds */

/* ---- the front */

struct echo {
	struct guest guest;
	struct shop *shop;
	struct conn *conn;
	int ticks;
};

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct echo *echo = ctx;

	conn_write(echo->conn, data, len);
	return len;
}

static void
on_close(void *ctx, const char *error)
{
	struct echo *echo = ctx;

	guest_close(echo->shop, &echo->guest, echo->conn, "", error);
	guest_leave(echo->shop, &echo->guest);
	free(echo);
}

static const struct conn_events events = {.on_read = on_read, .on_close = on_close};
static const struct front echo_front;

static void
adopt(struct shop *shop, struct conn *conn, const struct guest *from)
{
	struct echo *echo = calloc(1, sizeof *echo);

	assert_non_null(echo);
	echo->shop = shop;
	echo->conn = conn;
	conn_set_owner(conn, &events, echo);
	conn_set_idle(conn, 0);
	guest_enter(shop, &echo->guest, &echo_front, from);
}

static void
tick(struct guest *guest)
{
	struct echo *echo = (struct echo *)guest;

	if (echo->ticks++ == 0)
		conn_write(echo->conn, "tick", 4);
}

static void
drain(struct guest *guest)
{
	struct echo *echo = (struct echo *)guest;

	conn_write(echo->conn, "bye", 3);
	conn_finish(echo->conn, 1);
}

static const struct front echo_front = {
    .alpn = "echo/1", .adopt = adopt, .tick = tick, .drain = drain};
static const struct front *const fronts[] = {&inbox1_front, &echo_front, NULL};
static const char *const alpn[] = {"inbox/1", "echo/1", NULL};

/* ---- a worker with both */

static char dir[64];
static struct settings settings = {.connections = 100, .hello = PATIENCE, .line = PATIENCE,
    .session = 1000, .idle = PATIENCE, .window = 8,
    .bytes = 4096, .item = 4096, .inline_size = 4096};
static struct site site = {.settings = &settings, .item = 4096, .host = "cap"};
static struct mailbox *commit_box, *main_box;
static _Atomic uint64_t staying;
static struct worker *worker;

static struct tls *
load(const char *who, int is_server, const char *const *names)
{
	char files[3][96];
	struct why error = {""};
	struct tls_settings wanted = {.certificate = files[0], .key = files[1], .ca = files[2],
	    .server = is_server, .alpn = names};
	struct tls *tls;

	snprintf(files[0], sizeof files[0], "%s/%s.crt", dir, who);
	snprintf(files[1], sizeof files[1], "%s/%s.key", dir, who);
	snprintf(files[2], sizeof files[2], "%s/ca.crt", dir);
	tls = tls_new(&wanted, &error);
	if (!tls)
		fail_msg("%s", error.text);
	return tls;
}

static int
set_up(void **state)
{
	struct worker_setup wanted = {
	    .queue = 8, .root = -1, .fronts = fronts, .staying = &staying};

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	certs_make_dir(dir);
	certs_write_set(dir);
	wanted.root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	wanted.commit = commit_box = mailbox_new();
	wanted.main = main_box = mailbox_new();
	site.references = 1;
	site.tls = load("server", 1, alpn);
	worker = worker_start(&wanted, &site);
	return worker && commit_box && main_box ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	tls_unref(site.tls);
	mailbox_free(commit_box);
	mailbox_free(main_box);
	certs_remove_dir(dir);
	return 0;
}

/* A client that waits for each answer. */
struct client {
	struct tls *tls;
	SSL *ssl;
	int fd;
};

static int
arrive(struct ticket *ticket)
{
	const struct timeval limit = {PATIENCE, 0};
	struct newcomer *newcomer = calloc(1, sizeof *newcomer);
	int pair[2];

	assert_non_null(newcomer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
	newcomer->message.kind = WORKER_CONNECTION;
	newcomer->fd = pair[1];
	snprintf(newcomer->peer, sizeof newcomer->peer, "192.0.2.1:7");
	newcomer->ticket = ticket;
	if (ticket)
		ticket->worker = worker_mailbox(worker);
	mailbox_post(worker_mailbox(worker), &newcomer->message);
	return pair[0];
}

static int
dial_with(struct client *client, const char *const *names, struct ticket *ticket)
{
	client->fd = arrive(ticket);
	client->tls = load("client", 0, names);
	client->ssl = tls_connection(client->tls, client->fd, "cap.example");
	assert_non_null(client->ssl);
	return SSL_do_handshake(client->ssl);
}

static int
dial(struct client *client, const char *const *names)
{
	return dial_with(client, names, NULL);
}

static void
hang_up(struct client *client)
{
	SSL_free(client->ssl);
	tls_unref(client->tls);
	close(client->fd);
}

static void
say(struct client *client, const char *text)
{
	assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), (int)strlen(text));
}

static char heard[4096];

/* What comes, up to a text or the end. */
static void
expect(struct client *client, const char *text)
{
	size_t len = 0;

	heard[0] = '\0';
	while (!strstr(heard, text)) {
		int n = SSL_read(client->ssl, heard + len, (int)(sizeof heard - 1 - len));
		if (n <= 0)
			fail_msg("heard \"%s\", want \"%s\"", heard, text);
		len += (size_t)n;
		heard[len] = '\0';
	}
}

static void
each_front_gets_the_connections_of_its_name(void **state)
{
	static const char *const echo_only[] = {"echo/1", NULL}, *const inbox_only[] = {
	    "inbox/1", NULL}, *const others[] = {"other/1", NULL};
	struct client one, two, three;

	(void)state;
	assert_int_equal(dial(&one, echo_only), 1);
	assert_int_equal(dial(&two, inbox_only), 1);
	assert_int_not_equal(dial(&three, others), 1);
	say(&one, "PUT or whatever");
	expect(&one, "PUT or whatever");
	say(&two, "PUT or whatever\n");
	expect(&two, "ERROR ");
	hang_up(&three);
	hang_up(&two);
	hang_up(&one);
}

/* Is this the next thing that main hears?  Else it is still to be heard. */
static int
next_news(const struct ticket *ticket, enum ticket_message kind)
{
	static struct message *news;

	if (!news)
		news = mailbox_wait(main_box, PATIENCE * 1000);
	assert_non_null(news);
	assert_ptr_equal(ticket_of(news), ticket);
	if (news->kind != (int)kind)
		return 0;
	news = news->next;
	return 1;
}

static void
expect_news(const struct ticket *ticket, enum ticket_message kind)
{
	assert_true(next_news(ticket, kind));
}

static void
main_hears_of_a_handshake_and_of_the_end(void **state)
{
	static const char *const echo_only[] = {"echo/1", NULL}, *const others[] = {
	    "other/1", NULL};
	struct ticket good = {.is_fault = 0}, bad = good, silent = good;
	struct client one, two;

	(void)state;
	assert_int_equal(dial_with(&one, echo_only, &good), 1);
	say(&one, "hello");
	expect(&one, "hello");
	expect_news(&good, TICKET_SHAKEN);
	assert_int_equal(staying, 1);
	hang_up(&one);
	expect_news(&good, TICKET_LEFT);
	assert_int_equal(staying, 0);
	assert_false(good.is_fault);
	assert_int_not_equal(dial_with(&two, others, &bad), 1);
	hang_up(&two);
	expect_news(&bad, TICKET_LEFT);
	assert_true(bad.is_fault);
	/* A health check. */
	close(arrive(&silent));
	expect_news(&silent, TICKET_LEFT);
	assert_false(silent.is_fault);
}

static void
a_silent_handshake_makes_way_when_it_is_asked(void **state)
{
	struct ticket silent = {.is_fault = 0};
	int fd = arrive(&silent);
	char byte;

	(void)state;
	ticket_dismiss(&silent);
	assert_int_equal(read(fd, &byte, 1), 0);
	expect_news(&silent, TICKET_LEFT);
	expect_news(&silent, TICKET_DISMISSED);
	assert_true(silent.is_fault);
	close(fd);
}

static void
a_handshake_under_way_stays_for_some_seconds(void **state)
{
	static const unsigned char begun[] = {22, 3, 1, 2, 0}; /* of a record */
	struct ticket slow = {.is_fault = 0};
	int fd = arrive(&slow);
	time_t began = time(NULL);
	char byte;

	(void)state;
	assert_int_equal(write(fd, begun, sizeof begun), sizeof begun);
	ticket_dismiss(&slow);
	expect_news(&slow, TICKET_DISMISSED);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	for (;;) {
		const struct timespec moment = {0, 200000000};

		nanosleep(&moment, NULL);
		ticket_dismiss(&slow);
		if (!next_news(&slow, TICKET_DISMISSED))
			break;
		assert_true(time(NULL) - began < PATIENCE);
	}
	expect_news(&slow, TICKET_LEFT);
	expect_news(&slow, TICKET_DISMISSED);
	assert_true(time(NULL) - began >= 4);
	close(fd);
}

static void
a_wish_that_comes_too_late_harms_nobody(void **state)
{
	static const char *const echo_only[] = {"echo/1", NULL};
	struct ticket session = {.is_fault = 0}, gone = session;
	struct client one;

	(void)state;
	assert_int_equal(dial_with(&one, echo_only, &session), 1);
	say(&one, "first");
	expect(&one, "first");
	/* Main has not looked at the news yet. */
	ticket_dismiss(&session);
	expect_news(&session, TICKET_SHAKEN);
	assert_null(session.handshake);
	expect_news(&session, TICKET_DISMISSED);
	say(&one, "still there");
	expect(&one, "still there");
	hang_up(&one);
	expect_news(&session, TICKET_LEFT);
	close(arrive(&gone));
	expect_news(&gone, TICKET_LEFT);
	ticket_dismiss(&gone);
	expect_news(&gone, TICKET_DISMISSED);
}

static void
a_front_is_ticked_and_drained(void **state)
{
	static const char *const both[] = {"echo/1", "inbox/1", NULL};
	static const char *const echo_only[] = {"echo/1", NULL};
	struct drain_order *drain_all = calloc(1, sizeof *drain_all);
	struct message *report;
	struct client one, silent;

	(void)state;
	assert_int_equal(dial(&one, echo_only), 1);
	expect(&one, "tick");
	/* The receiver's order counts: this one is inbox/1's, and is told why it must go. */
	assert_int_equal(dial(&silent, both), 1);
	assert_non_null(drain_all);
	drain_all->message.kind = WORKER_DRAIN;
	drain_all->connections = UINT64_C(250) * 1000000;
	mailbox_post(worker_mailbox(worker), &drain_all->message);
	expect(&one, "bye");
	/* So many come back by and by. */
	expect(&silent, " stopping");
	assert_int_equal(strncmp(heard, "GOAWAY ", 7), 0);
	assert_in_range(strtol(heard + 7, NULL, 10), 1, 1000000);
	hang_up(&one);
	hang_up(&silent);
	report = mailbox_wait(main_box, PATIENCE * 1000);
	assert_non_null(report);
	assert_int_equal(report->kind, WORKER_DRAINED);
	free(report);
	worker_join(worker);
	/* Main counts them when they come, and there is none here. */
	assert_int_equal(stats_get(worker_stats(worker), STAT_NOW_CONNECTIONS) + 12, 0);
	assert_int_equal(stats_get(worker_stats(worker), STAT_CONNECTIONS), 12);
	worker_free(worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_front_gets_the_connections_of_its_name),
	    cmocka_unit_test(main_hears_of_a_handshake_and_of_the_end),
	    cmocka_unit_test(a_silent_handshake_makes_way_when_it_is_asked),
	    cmocka_unit_test(a_handshake_under_way_stays_for_some_seconds),
	    cmocka_unit_test(a_wish_that_comes_too_late_harms_nobody),
	    cmocka_unit_test(a_front_is_ticked_and_drained),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
