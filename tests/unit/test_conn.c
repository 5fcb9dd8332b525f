/* SPDX-License-Identifier: ISC */
/* Both ends of a connection on one event loop, over loopback TCP. */
#include "lib/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "certs.h"
#include "lib/proto.h"
#include "lib/tls.h"
#include "lib/tls_words.h"
#include "lib/why.h"

#define PATIENCE 20 /* seconds that any test may wait */
#define CHUNK_MAX (256 * 1024 + 4 * CONN_CHUNK)

static char dir[64];
static struct event_base *base;
static struct tls *server_tls, *client_tls;

/* One end, with what came and what it does when it comes. */
struct end {
	struct conn *conn;
	int opened, closed, idles, drained, reads;
	char error[256]; /* "" for NULL */
	unsigned char head[4096]; /* what came first */
	size_t got, got_in_turn, most_in_turn;
	int bad;             /* a byte was not what pattern() says */
	int check;           /* compare with pattern() */
	size_t use_most;     /* bytes used a call; 0: all */
	int is_slow;         /* looks at its time before each byte */
	size_t most_in_read;
	int pause_each;      /* pause at each on_read */
	int free_at_open, free_at_read, free_at_drained, free_at_idle;
	const char *at_open; /* written at on_open */
	int finish_at_read;  /* says "bye" and finishes */
	size_t to_send;      /* bytes of pattern, topped up at on_drained */
	size_t sent;
	int keep;            /* do not free at on_close */
};

int64_t __real_clock_monotonic(void);
int64_t __wrap_clock_monotonic(void);

static int64_t clock_step, clock_ahead; /* each look at the clock puts it on, microseconds */

int64_t
__wrap_clock_monotonic(void)
{
	clock_ahead += clock_step;
	return __real_clock_monotonic() + clock_ahead;
}

static unsigned char
pattern(size_t i)
{
	return (unsigned char)(i ^ (i >> 8) ^ (i >> 16));
}

static void
let_go(struct end *e)
{
	conn_free(e->conn);
	e->conn = NULL;
}

static void
top_up(struct end *e)
{
	unsigned char chunk[40000];
	size_t len = e->to_send - e->sent < sizeof(chunk) ? e->to_send - e->sent : sizeof(chunk);

	for (size_t i = 0; i < len; i++)
		chunk[i] = pattern(e->sent + i);
	e->sent += len;
	conn_write(e->conn, chunk, len);
}

static void
on_open(void *ctx)
{
	struct end *e = ctx;

	e->opened++;
	if (e->free_at_open) {
		let_go(e);
		return;
	}
	if (e->at_open != NULL)
		conn_write(e->conn, e->at_open, strlen(e->at_open));
	top_up(e);
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct end *e = ctx;
	size_t use = e->use_most > 0 && e->use_most < len ? e->use_most : len;

	e->reads++;
	if (e->is_slow) {
		for (use = 1; use < len && !conn_must_yield(e->conn);)
			use++;
		if (use > e->most_in_read)
			e->most_in_read = use;
	}
	for (size_t i = 0; i < use; i++) {
		if (e->check && data[i] != pattern(e->got + i))
			e->bad = 1;
		if (e->got + i < sizeof(e->head) - 1)
			e->head[e->got + i] = data[i];
	}
	e->got += use;
	e->got_in_turn += use;
	if (e->pause_each)
		conn_pause(e->conn);
	if (e->finish_at_read) {
		conn_write(e->conn, "bye", 3);
		conn_finish(e->conn, 5);
		conn_write(e->conn, "too late", 8);
	}
	if (e->free_at_read)
		let_go(e);
	return use;
}

static void
on_drained(void *ctx)
{
	struct end *e = ctx;

	e->drained++;
	if (e->free_at_drained)
		let_go(e);
	else
		top_up(e);
}

static void
on_idle(void *ctx)
{
	struct end *e = ctx;

	e->idles++;
	if (e->free_at_idle)
		let_go(e);
}

static void
on_close(void *ctx, const char *error)
{
	struct end *e = ctx;

	assert_int_equal(e->closed, 0);
	e->closed++;
	snprintf(e->error, sizeof(e->error), "%s", error != NULL ? error : "");
	if (!e->keep)
		let_go(e);
}

static const struct conn_events events = {on_open, on_read, on_drained, on_idle, on_close};

static struct conn *
new_end(int fd, struct tls *tls, const char *host, struct end *end)
{
	const struct conn_link link = {fd, "127.0.0.1:7", host};

	return conn_new(base, tls, &link, &events, end);
}


static long long
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
on_nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

/* One turn of the loop, of 20 ms at most. */
static void
turn(void)
{
	struct timeval short_while = {0, 20000};

	event_base_once(base, -1, EV_TIMEOUT, on_nothing, NULL, &short_while);
	event_base_loop(base, EVLOOP_ONCE);
}

/* Runs the loop until `condition` holds; a test that waits too long fails. */
#define UNTIL(condition)                                                    \
	do {                                                                \
		long long until_ = now_ms() + PATIENCE * 1000;              \
		while (!(condition)) {                                      \
			if (now_ms() > until_)                              \
				fail_msg("waited in vain: %s", #condition); \
			turn();                                             \
		}                                                           \
	} while (0)

static void
set_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

/* A listener's address is where[0]; fds gets both ends of a connection. */
static int
make_listener(struct sockaddr_in *where)
{
	socklen_t len = sizeof(*where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(where, 0, sizeof(*where));
	where->sin_family = AF_INET;
	where->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)where, sizeof(*where)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)where, &len), 0);
	return fd;
}

static void
make_pair(int fds[2])
{
	struct sockaddr_in where;
	int listener = make_listener(&where);

	fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[1], (struct sockaddr *)&where, sizeof(where)), 0);
	fds[0] = accept(listener, NULL, NULL);
	assert_true(fds[0] != -1);
	close(listener);
	set_nonblocking(fds[0]);
	set_nonblocking(fds[1]);
}

static void
start_with(struct end *server, struct end *client, struct tls *tls, const char *host)
{
	int fds[2];

	make_pair(fds);
	server->conn = new_end(fds[0], server_tls, NULL, server);
	client->conn = new_end(fds[1], tls, host, client);
	assert_non_null(server->conn);
	assert_non_null(client->conn);
}

static void
start(struct end *server, struct end *client)
{
	start_with(server, client, client_tls, "cap.example");
}

static void
stop_both(struct end *server, struct end *client)
{
	let_go(server);
	let_go(client);
}

static void
carries_lines_both_ways(void **state)
{
	struct end server = {.at_open = "READY"}, client = {.at_open = "HELLO"};
	char name[IDENTITY_MAX + 1];
	struct why why;

	(void)state;
	start(&server, &client);
	UNTIL(server.got == 5 && client.got == 5);
	assert_string_equal(server.head, "HELLO");
	assert_string_equal(client.head, "READY");
	assert_int_equal(server.opened, 1);
	assert_int_equal(server.drained, 1);
	assert_int_equal(conn_pending(server.conn), 0);
	assert_memory_equal(conn_peer_address(server.conn), "127.0.0.1:", 10);
	assert_int_equal(conn_peer_identity(server.conn, IDENTITY_CN, name, &why), 0);
	assert_string_equal(name, "c1");
	stop_both(&server, &client);
}

static void
sends_what_was_written_before_the_handshake(void **state)
{
	struct end server = {0}, client = {0};

	(void)state;
	start(&server, &client);
	conn_write(client.conn, "HELLO", 5);
	conn_write(client.conn, " 1", 2);
	assert_int_equal(conn_pending(client.conn), 7);
	UNTIL(server.got == 7);
	assert_string_equal(server.head, "HELLO 1");
	stop_both(&server, &client);
}

/* A record costs 22 bytes beside its text, which shows in what waits to be read. */
static void
makes_one_record_of_many_small_writes(void **state)
{
	struct end server = {0}, client = {0};
	int fds[2], waiting = 0;

	(void)state;
	make_pair(fds);
	server.conn = new_end(fds[0], server_tls, NULL, &server);
	client.conn = new_end(fds[1], client_tls, "cap.example", &client);
	UNTIL(server.opened && client.opened);
	conn_pause(client.conn);
	for (int i = 0; i < 100; i++)
		conn_write(server.conn, "STORED\n", 7);
	UNTIL(server.drained);
	assert_int_equal(ioctl(fds[1], FIONREAD, &waiting), 0);
	assert_in_range(waiting, 700, 730);
	conn_resume(client.conn);
	UNTIL(client.got == 700);
	stop_both(&server, &client);
}

static void
carries_bulk_in_order_and_tells_when_drained(void **state)
{
	struct end server = {.check = 1, .to_send = 3000000},
	    client = {.check = 1, .to_send = 12345678};

	(void)state;
	start(&server, &client);
	UNTIL(server.got == client.to_send && client.got == server.to_send);
	UNTIL(conn_taken(client.conn) == (int64_t)client.to_send);
	assert_false(server.bad || client.bad);
	assert_true(client.drained > 1);
	stop_both(&server, &client);
}

static void
gives_again_what_was_not_used(void **state)
{
	/* Nothing comes after it: the rest must come by resuming. */
	struct end server = {.check = 1, .use_most = 7001, .pause_each = 1},
	    client = {.to_send = 500000};

	(void)state;
	start(&server, &client);
	while (server.got < client.to_send) {
		int reads = server.reads;

		UNTIL(server.reads > reads);
		/* It is paused: the loop turns and nothing comes. */
		if (reads % 16 == 0)
			turn();
		assert_int_equal(server.reads, reads + 1);
		conn_resume(server.conn);
		assert_int_equal(server.reads, reads + 1);
	}
	assert_int_equal(server.got, client.to_send);
	assert_false(server.bad);
	stop_both(&server, &client);
}

static void
delivers_all_before_it_tells_of_the_end(void **state)
{
	struct end server = {.check = 1, .use_most = 30000, .pause_each = 1},
	    client = {.to_send = 100000};

	(void)state;
	start(&server, &client);
	UNTIL(client.sent == client.to_send && conn_pending(client.conn) == 0);
	let_go(&client);
	while (!server.closed) {
		if (server.conn != NULL)
			conn_resume(server.conn);
		turn();
	}
	assert_int_equal(server.got, 100000);
	assert_false(server.bad);
	assert_string_equal(server.error, "");
}

/* A peer that has megabytes ready gets its budget a turn, not the loop. */
static void
reads_no_more_than_its_budget_in_a_turn(void **state)
{
	struct end server = {.check = 1}, client = {0};
	int fds[2], room = 4 << 20;

	(void)state;
	make_pair(fds);
	(void)setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	server.conn = new_end(fds[0], server_tls, NULL, &server);
	client.conn = new_end(fds[1], client_tls, "cap.example", &client);
	UNTIL(server.opened && client.opened);
	conn_pause(server.conn);
	client.to_send = 4000000;
	while (client.sent < client.to_send)
		top_up(&client);
	for (int i = 0; i < 20; i++)
		turn();
	conn_resume(server.conn);
	while (server.got < client.to_send) {
		server.got_in_turn = 0;
		UNTIL(server.got_in_turn > 0);
		if (server.got_in_turn > server.most_in_turn)
			server.most_in_turn = server.got_in_turn;
	}
	assert_in_range(server.most_in_turn, 1, CHUNK_MAX);
	assert_false(server.bad);
	stop_both(&server, &client);
}

/* Who takes long for what has come is asked to let others have their turn, and is called again for
 * the rest, though nothing more comes. */
static void
reads_for_no_longer_than_its_time_in_a_turn(void **state)
{
	struct end server = {.check = 1, .is_slow = 1}, client = {.to_send = 60000};

	(void)state;
	start(&server, &client);
	clock_step = 10;
	while (server.got < client.to_send) {
		server.got_in_turn = 0;
		UNTIL(server.got_in_turn > 0);
		if (server.got_in_turn > server.most_in_turn)
			server.most_in_turn = server.got_in_turn;
	}
	clock_step = 0;
	assert_in_range(server.most_in_read, 1, 50);
	assert_in_range(server.most_in_turn, 1, 100);
	assert_int_equal(server.bad, 0);
	stop_both(&server, &client);
}

/* The client sends and sends; our last lines must reach it all the same. */
static void
ends_in_order_while_the_peer_still_sends(void **state)
{
	struct end server = {.finish_at_read = 1}, client = {.to_send = 8000000};

	(void)state;
	start(&server, &client);
	UNTIL(client.closed && server.closed);
	assert_string_equal(client.head, "bye");
	assert_int_equal(client.got, 3);
	assert_string_equal(server.error, "");
	assert_int_equal(server.reads, 1);
}

static void
ends_when_the_peer_does_not(void **state)
{
	struct end server = {.finish_at_read = 1}, client = {.at_open = "QUIT", .pause_each = 1,
	    .use_most = 1};
	long long start_ms;

	(void)state;
	start(&server, &client);
	UNTIL(client.opened);
	start_ms = now_ms();
	server.finish_at_read = 0;
	UNTIL(server.got == 4);
	conn_write(server.conn, "bye", 3);
	conn_finish(server.conn, 1);
	UNTIL(server.closed);
	assert_in_range(now_ms() - start_ms, 900, 5000);
	assert_string_equal(server.error, "");
	let_go(&client);
}

static void
waits_no_longer_than_linger_for_output(void **state)
{
	struct end server = {0}, client = {0};
	long long start_ms;

	(void)state;
	start(&server, &client);
	UNTIL(server.opened && client.opened);
	conn_pause(client.conn);
	server.to_send = 30000000;
	while (server.sent < server.to_send)
		top_up(&server);
	start_ms = now_ms();
	conn_finish(server.conn, 1);
	UNTIL(server.closed);
	assert_in_range(now_ms() - start_ms, 900, 5000);
	assert_string_equal(server.error, "the peer did not take our last lines");
	let_go(&client);
}

static void
ends_before_it_began(void **state)
{
	struct end server = {0}, client = {0};

	(void)state;
	start(&server, &client);
	conn_finish(client.conn, 1);
	assert_int_equal(client.closed, 0);
	UNTIL(client.closed && server.closed);
	assert_string_equal(client.error, "");
	assert_string_equal(server.error, "handshake: the peer closed the connection");
}

static void
tells_of_silence_again_and_again(void **state)
{
	struct end server = {0}, client = {0};
	long long start_ms;

	(void)state;
	start(&server, &client);
	UNTIL(server.opened && client.opened);
	conn_set_idle(server.conn, 1);
	start_ms = now_ms();
	while (now_ms() - start_ms < 700)
		turn();
	conn_write(client.conn, "PING", 4);
	UNTIL(server.got == 4);
	UNTIL(server.idles == 1);
	assert_in_range(now_ms() - start_ms, 1600, 6000);
	UNTIL(server.idles == 2);
	assert_in_range(now_ms() - start_ms, 2600, 9000);
	conn_set_idle(server.conn, 0);
	assert_int_equal(server.closed, 0);
	stop_both(&server, &client);
}

static void
ends_a_handshake_that_trickles(void **state)
{
	struct end server = {0};
	long long start_ms = now_ms();
	unsigned char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
	int fds[2], sent = 0;

	(void)state;
	make_pair(fds);
	server.conn = new_end(fds[0], server_tls, NULL, &server);
	conn_set_idle(server.conn, 1);
	while (!server.closed && now_ms() - start_ms < PATIENCE * 1000) {
		if (sent < 9 && now_ms() - start_ms > 300 * sent)
			assert_int_equal(write(fds[1], hello + sent++, 1), 1);
		turn();
	}
	assert_string_equal(server.error, "handshake: took too long");
	assert_in_range(now_ms() - start_ms, 900, 2900);
	close(fds[1]);
}

static void
may_be_freed_in_any_callback(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct end server = {.at_open = "READY", .free_at_open = i == 0,
		    .free_at_read = i == 1, .free_at_drained = i == 2, .free_at_idle = i == 3};
		struct end client = {.at_open = "HELLO"};

		start(&server, &client);
		conn_set_idle(server.conn, 1);
		UNTIL(server.conn == NULL);
		UNTIL(client.closed);
		assert_int_equal(server.closed, 0);
	}
}

static void
may_be_freed_after_the_end(void **state)
{
	struct end server = {.keep = 1}, client = {0};

	(void)state;
	start(&server, &client);
	UNTIL(server.opened && client.opened);
	let_go(&client);
	UNTIL(server.closed);
	conn_write(server.conn, "x", 1);
	conn_finish(server.conn, 1);
	conn_resume(server.conn);
	conn_set_idle(server.conn, 1);
	turn();
	let_go(&server);
	conn_free(NULL);
}

static void
tells_of_a_reset(void **state)
{
	struct end server = {0}, client = {.at_open = "HELLO"};
	struct linger now = {.l_onoff = 1};
	int fds[2];

	(void)state;
	make_pair(fds);
	server.conn = new_end(fds[0], server_tls, NULL, &server);
	client.conn = new_end(fds[1], client_tls, "cap.example", &client);
	UNTIL(server.got == 5);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	let_go(&client);
	UNTIL(server.closed);
	assert_string_equal(server.error, "read: Connection reset by peer");
}

static void
tells_why_it_cannot_connect(void **state)
{
	struct end client = {0};
	struct sockaddr_in where;
	int fd, listener = make_listener(&where);

	(void)state;
	close(listener);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&where, sizeof(where)) == -1)
		assert_int_equal(errno, EINPROGRESS);
	client.conn = new_end(fd, client_tls, "127.0.0.1", &client);
	conn_write(client.conn, "HELLO", 5);
	UNTIL(client.closed);
	assert_string_equal(client.error, "connect: Connection refused");
}

static void
connects_to_an_address(void **state)
{
	struct end server = {0}, client = {.at_open = "HELLO"};
	struct sockaddr_in where;
	int fd, listener = make_listener(&where);

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connect(fd, (struct sockaddr *)&where, sizeof(where)) == -1)
		assert_int_equal(errno, EINPROGRESS);
	client.conn = new_end(fd, client_tls, "127.0.0.1", &client);
	fd = accept(listener, NULL, NULL);
	set_nonblocking(fd);
	server.conn = new_end(fd, server_tls, NULL, &server);
	UNTIL(server.got == 5);
	assert_memory_equal(conn_peer_address(client.conn), "127.0.0.1:", 10);
	close(listener);
	stop_both(&server, &client);
}

static struct tls *
load(int server, const char *leaf, const char *ca, const char *crl)
{
	char paths[4][128];
	struct why error;
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	struct tls_settings settings = {.alpn = alpn,
	    .certificate = paths[0], .key = paths[1], .ca = paths[2],
	    .crl = crl != NULL ? paths[3] : NULL, .server = server};
	struct tls *tls;

	snprintf(paths[0], sizeof(paths[0]), "%s/%s.crt", dir, leaf);
	snprintf(paths[1], sizeof(paths[1]), "%s/%s.key", dir, leaf);
	snprintf(paths[2], sizeof(paths[2]), "%s/%s", dir, ca);
	snprintf(paths[3], sizeof(paths[3]), "%s/%s", dir, crl != NULL ? crl : "");
	tls = tls_new(&settings, &error);
	if (tls == NULL)
		fail_msg("%s", error.text);
	return tls;
}

/* A client that is refused; both ends say why, also across the alert. */
static void
refuse(const char *leaf, const char *ca, const char *host, const char *at_server,
    const char *at_client)
{
	struct tls *tls = load(0, leaf, ca, NULL);
	struct end server = {0}, client = {.at_open = "HELLO", .to_send = 200000};

	start_with(&server, &client, tls, host);
	UNTIL(server.closed && client.closed);
	assert_int_equal(server.opened, 0);
	assert_int_equal(server.got, 0);
	if (strstr(server.error, at_server) == NULL)
		fail_msg("server: \"%s\" lacks \"%s\"", server.error, at_server);
	if (strstr(client.error, at_client) == NULL)
		fail_msg("client: \"%s\" lacks \"%s\"", client.error, at_client);
	tls_unref(tls);
}

static void
refuses_whom_the_ca_did_not_sign_or_revoked(void **state)
{
	struct tls *kept = server_tls;

	(void)state;
	refuse("other", "ca.crt", "cap.example", "the peer's certificate: unable to get local",
	    "unknown ca");
	server_tls = load(1, "server", "ca.crt", "ca.crl");
	refuse("revoked", "ca.crt", "cap.example", "certificate revoked: CN = c2",
	    "certificate revoked");
	tls_unref(server_tls);
	server_tls = load(1, "server", "deep-ca.crt", "deep-revoked.crl");
	refuse("deep", "ca.crt", "cap.example", "certificate revoked: CN = middle CA",
	    "certificate revoked");
	tls_unref(server_tls);
	server_tls = kept;
	refuse("deep", "ca.crt", "cap.example",
	    "CN = c3 is signed by CN = middle CA, which is not in ca, nor was it sent",
	    "unknown ca");
}

static void
takes_whom_an_intermediate_ca_signed(void **state)
{
	struct end server = {.at_open = "READY"}, client = {.at_open = "HELLO"};
	struct tls *kept = server_tls, *tls = load(0, "deep", "ca.crt", NULL);

	(void)state;
	server_tls = load(1, "server", "deep-ca.crt", "deep.crl");
	start_with(&server, &client, tls, "cap.example");
	UNTIL(server.got == 5 && client.got == 5);
	stop_both(&server, &client);
	tls_unref(server_tls);
	tls_unref(tls);
	server_tls = kept;
}

/* A list that has run out since it was loaded is our trouble: the peer must not hear that
 * its own certificate has. */
static void
blames_no_peer_for_a_list_that_has_run_out(void **state)
{
	const struct timespec moment = {.tv_nsec = 100000000};
	struct tls *kept = server_tls;

	(void)state;
	certs_remove_dir(dir);
	certs_make_dir(dir);
	certs_write_set(dir);
	server_tls = load(1, "server", "ca.crt", "short.crl");
	for (int i = 0; i < 100 && tls_date(server_tls, TLS_CRL).until >= (int64_t)time(NULL); i++)
		nanosleep(&moment, NULL);
	refuse("client", "ca.crt", "cap.example", "the list of CN = test CA was valid until",
	    "internal error");
	tls_unref(server_tls);
	server_tls = kept;
}

static void
refuses_a_server_that_is_another(void **state)
{
	(void)state;
	refuse("client", "ca.crt", "other.example", "alert", "hostname mismatch");
	refuse("client", "ca.crt", "127.0.0.2", "alert", "IP address mismatch");
	refuse("client", "other-ca.crt", "cap.example", "unknown ca",
	    "CN = cap is signed by CN = test CA, which is not in ca, nor was it sent");
}

/* A client of OpenSSL's own, to do what ours does not. */
static void
shake_by_hand(const char *leaf, const char *alpn, int version, const char *at_server,
    const char *at_client)
{
	struct end server = {0};
	char path[128];
	struct why alert = {""};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int fds[2];

	if (leaf != NULL) {
		snprintf(path, sizeof(path), "%s/%s.crt", dir, leaf);
		assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, path), 1);
		snprintf(path, sizeof(path), "%s/%s.key", dir, leaf);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	}
	if (alpn != NULL)
		assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn,
		    (unsigned)strlen(alpn)), 0);
	SSL_CTX_set_max_proto_version(ctx, version);
	ssl = SSL_new(ctx);
	make_pair(fds);
	server.conn = new_end(fds[0], server_tls, NULL, &server);
	SSL_set_fd(ssl, fds[1]);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 500 && !server.closed && !server.opened; i++) {
		char byte;
		int rc = alert.text[0] == '\0' ? SSL_read(ssl, &byte, 1) : 1;

		if (rc <= 0 && SSL_get_error(ssl, rc) == SSL_ERROR_SSL) {
			tls_error_text(&alert);
			shutdown(fds[1], SHUT_WR);
		}
		turn();
	}
	assert_int_equal(server.opened, at_server == NULL);
	if (at_server != NULL && strstr(server.error, at_server) == NULL)
		fail_msg("server: \"%s\" lacks \"%s\"", server.error, at_server);
	if (at_client != NULL && strstr(alert.text, at_client) == NULL)
		fail_msg("client: \"%s\" lacks \"%s\"", alert.text, at_client);
	let_go(&server);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fds[1]);
}

/* A client of OpenSSL's own that is open; fds gets both ends. */
static SSL *
open_by_hand(struct end *server, int fds[2])
{
	static const unsigned char alpn[] = "\x07inbox/1";
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char path[128], byte;
	SSL *ssl;

	snprintf(path, sizeof path, "%s/client.crt", dir);
	assert_int_equal(SSL_CTX_use_certificate_file(ctx, path, SSL_FILETYPE_PEM), 1);
	snprintf(path, sizeof path, "%s/client.key", dir);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_set_alpn_protos(ctx, alpn, sizeof alpn - 1), 0);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	make_pair(fds);
	server->conn = new_end(fds[0], server_tls, NULL, server);
	SSL_set_fd(ssl, fds[1]);
	SSL_set_connect_state(ssl);
	for (int i = 0; i < 500 && !server->opened; i++) {
		(void)SSL_read(ssl, &byte, 1);
		turn();
	}
	assert_int_equal(server->opened, 1);
	return ssl;
}

static void
ask_for_keys(SSL *ssl, int times)
{
	for (int i = 0; i < times; i++) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		(void)SSL_do_handshake(ssl);
	}
}

/* TLS wants to write an answer for which there is no room: what waits to be read must not keep
 * the loop busy meanwhile. */
static void
sleeps_while_tls_cannot_write(void **state)
{
	static const char junk[4096];
	struct end server = {0};
	int fds[2], turns = 0;
	long long start_ms;
	SSL *ssl = open_by_hand(&server, fds);

	(void)state;
	for (int i = 0; i < 20; i++) { /* until the kernel has moved on what it can */
		while (send(fds[0], junk, sizeof junk, MSG_DONTWAIT) > 0)
			;
		turn();
	}
	while (send(fds[0], junk, 1, MSG_DONTWAIT) > 0)
		;
	for (int i = 0; i < 10; i++) {
		ask_for_keys(ssl, 1);
		assert_int_equal(SSL_write(ssl, "x", 1), 1);
		turn();
	}
	for (start_ms = now_ms(); now_ms() - start_ms < 400; turns++)
		turn();
	assert_in_range(turns, 1, 100); /* a busy loop makes many thousands */
	assert_int_equal(server.closed, 0);
	let_go(&server);
	SSL_free(ssl);
	close(fds[1]);
}

static void
cuts_off_who_only_asks_for_keys(void **state)
{
	struct end server = {0};
	char chunk[4096] = {0};
	int fds[2];
	SSL *ssl = open_by_hand(&server, fds);

	(void)state;
	/* With data between them they are nobody's harm. */
	for (int i = 0; i < 50; i++) {
		for (int k = 0; k < 16; k++) {
			for (int n = 0; n < 500 && SSL_write(ssl, chunk, sizeof chunk) <= 0; n++)
				turn();
		}
		ask_for_keys(ssl, 1);
		(void)SSL_read(ssl, chunk, 1);
	}
	UNTIL(server.got == (size_t)50 * 16 * sizeof chunk);
	assert_int_equal(server.closed, 0);
	for (int i = 0; i < 200 && !server.closed; i++) {
		ask_for_keys(ssl, 1);
		(void)SSL_read(ssl, chunk, 1);
		turn();
	}
	UNTIL(server.closed);
	assert_string_equal(server.error, "read: the peer sent too many key updates");
	SSL_free(ssl);
	close(fds[1]);
}

static void
refuses_a_client_without_our_protocol(void **state)
{
	(void)state;
	shake_by_hand("client", "\x07inbox/1", TLS1_3_VERSION, NULL, NULL);
	shake_by_hand("client", "\x02h2\x07inbox/1", TLS1_3_VERSION, NULL, NULL);
	shake_by_hand("client", "\x02h2", TLS1_3_VERSION, "no application protocol",
	    "no application protocol");
	shake_by_hand("client", "\x07inbox/2", TLS1_3_VERSION, "no application protocol",
	    "no application protocol");
	shake_by_hand("client", NULL, TLS1_3_VERSION, "no application protocol",
	    "no application protocol");
}

static void
refuses_a_client_without_certificate_or_with_old_tls(void **state)
{
	(void)state;
	shake_by_hand(NULL, "\x07inbox/1", TLS1_3_VERSION, "did not return a certificate",
	    "certificate required");
	shake_by_hand("client", "\x07inbox/1", TLS1_2_VERSION, "unsupported protocol",
	    "protocol version");
}

static void
knows_whether_a_handshake_is_under_way(void **state)
{
	static const unsigned char begun[] = {22, 3, 1, 2, 0}; /* of a record */
	struct end e = {0};
	int fds[2];

	(void)state;
	make_pair(fds);
	e.conn = new_end(fds[0], server_tls, NULL, &e);
	assert_false(conn_has_spoken(e.conn, 5));
	assert_int_equal(write(fds[1], begun, sizeof(begun)), sizeof(begun));
	/* Not read yet, and then no seconds ago. */
	assert_true(conn_has_spoken(e.conn, 0));
	UNTIL(!conn_has_spoken(e.conn, 0));
	assert_true(conn_has_spoken(e.conn, 5));
	clock_ahead += 6000000;
	assert_false(conn_has_spoken(e.conn, 5));
	let_go(&e);
	close(fds[1]);
}

static int
setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	certs_make_dir(dir);
	certs_write_set(dir);
	base = event_base_new();
	server_tls = load(1, "server", "ca.crt", NULL);
	client_tls = load(0, "client", "ca.crt", NULL);
	return base == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	tls_unref(server_tls);
	tls_unref(client_tls);
	event_base_free(base);
	certs_remove_dir(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(carries_lines_both_ways),
	    cmocka_unit_test(sends_what_was_written_before_the_handshake),
	    cmocka_unit_test(makes_one_record_of_many_small_writes),
	    cmocka_unit_test(carries_bulk_in_order_and_tells_when_drained),
	    cmocka_unit_test(gives_again_what_was_not_used),
	    cmocka_unit_test(delivers_all_before_it_tells_of_the_end),
	    cmocka_unit_test(reads_no_more_than_its_budget_in_a_turn),
	    cmocka_unit_test(reads_for_no_longer_than_its_time_in_a_turn),
	    cmocka_unit_test(ends_in_order_while_the_peer_still_sends),
	    cmocka_unit_test(ends_when_the_peer_does_not),
	    cmocka_unit_test(waits_no_longer_than_linger_for_output),
	    cmocka_unit_test(ends_before_it_began),
	    cmocka_unit_test(tells_of_silence_again_and_again),
	    cmocka_unit_test(ends_a_handshake_that_trickles),
	    cmocka_unit_test(may_be_freed_in_any_callback),
	    cmocka_unit_test(may_be_freed_after_the_end),
	    cmocka_unit_test(tells_of_a_reset),
	    cmocka_unit_test(tells_why_it_cannot_connect),
	    cmocka_unit_test(connects_to_an_address),
	    cmocka_unit_test(refuses_whom_the_ca_did_not_sign_or_revoked),
	    cmocka_unit_test(takes_whom_an_intermediate_ca_signed),
	    cmocka_unit_test(refuses_a_server_that_is_another),
	    cmocka_unit_test(refuses_a_client_without_our_protocol),
	    cmocka_unit_test(sleeps_while_tls_cannot_write),
	    cmocka_unit_test(cuts_off_who_only_asks_for_keys),
	    cmocka_unit_test(refuses_a_client_without_certificate_or_with_old_tls),
	    cmocka_unit_test(knows_whether_a_handshake_is_under_way),
	    /* last: it makes a new CA */
	    cmocka_unit_test(blames_no_peer_for_a_list_that_has_run_out),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
