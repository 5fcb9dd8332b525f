/* SPDX-License-Identifier: ISC */
/*
 * A load generator that speaks inbox/1: many connections on one event loop,
 * each with a queue of its own and so many PUTs in flight, as fast as answers
 * come.  The handshakes are done before the clock starts.
 *
 * usage: load HOST PORT CA CERTIFICATE KEY INBOX CONNECTIONS WINDOW SIZE SECONDS ITEMS
 *            [LARGE [PACE]]
 * (it stops after SECONDS or ITEMS, and waits for what is in flight; LARGE: an item of so many
 * bytes is uploaded by OPEN on the first connection beside the others, and it stops when that one
 * is stored; PACE: each connection sends so many items a second, in turn with the others, and not
 * as many as it may).
 *
 * Prints "<stored> <seconds> <p50> <p99> <max> <begin> <large>": items but for the large one,
 * the latencies from a PUT's writing to its STORED in microseconds, when it began (seconds of
 * CLOCK_MONOTONIC), and the seconds of the large item (0: none).  Any answer but STORED is an
 * error: a benchmark of refusals is none.
 */
#include "config.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/conn.h"
#include "lib/digest.h"
#include "lib/proto.h"
#include "lib/tls.h"
#include "lib/why.h"

#define WINDOW_MAX 65536
#define SETTLE_EVERY 64 /* numbers */
#define LARGE_NUMBER (UINT64_C(1) << 40) /* above all others, so that it holds up no window */
#define FRAME_BELOW 65536 /* bytes of output: where more wait no DATA is added, as in inboxq */

struct run {
	struct event_base *base;
	struct tls *tls;
	struct digest *digest;
	const char *host, *port, *inbox;
	uint64_t connections, window, size, most;
	double seconds, pace;
	/* What happens. */
	uint64_t ready, sent, stored, closed;
	double begin, end;
	uint32_t *latency; /* `room` of them, microseconds */
	uint64_t room;
	unsigned char *bytes; /* an item's */
	/* The large item: its size (0: none), the next byte to send, when it was stored, and a
	 * frame of it. */
	uint64_t large, large_at;
	double large_end;
	unsigned char frame[PROTO_DATA_MAX];
};

struct link {
	struct run *run;
	struct conn *conn;
	char queue[PROTO_QUEUE_LEN + 1];
	uint64_t next, low, told; /* to send; all below are answered; last SETTLED */
	uint64_t finished;        /* QUIT has been said */
	int has_large, is_sending; /* the large item is this one's; the answer was SEND */
	double *sent_at;          /* by number modulo window; 0: answered */
	double phase;             /* of its pace: 0 to 1 */
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", what, why);
	exit(1);
}

static void
say(struct link *link, const struct proto_line *line)
{
	char text[PROTO_LINE_MAX + 1];

	conn_write(link->conn, text, proto_format(line, text));
}

static void
say_hello(struct link *link)
{
	struct proto_line line;

	proto_line_start(&line, VERB_HELLO);
	proto_set_number(&line, FIELD_VERSION, PROTO_VERSION);
	proto_set_text(&line, FIELD_QUEUE, link->queue);
	proto_set_number(&line, FIELD_SETTLED, 1);
	proto_set_text(&line, FIELD_AGENT, "bench");
	say(link, &line);
}

/* PUT or OPEN of the item that is `bytes` again and again, up to its size. */
static void
say_item(struct link *link, enum proto_verb verb, uint64_t number, uint64_t size,
    const unsigned char *bytes, size_t len)
{
	struct run *run = link->run;
	unsigned char digest[DIGEST_SIZE];
	char hex[DIGEST_TEXT_ROOM];
	struct proto_line line;

	if (digest_start(run->digest) < 0)
		die("digest", "failed");
	for (uint64_t done = 0; done < size; done += len) {
		if (digest_add(run->digest, bytes, size - done < len ? size - done : len) < 0)
			die("digest", "failed");
	}
	if (digest_end(run->digest, digest) < 0)
		die("digest", "failed");
	digest_print(hex, digest);
	proto_line_start(&line, verb);
	proto_set_number(&line, FIELD_NUMBER, number);
	proto_set_text(&line, FIELD_INBOX, run->inbox);
	proto_set_number(&line, FIELD_SIZE, size);
	proto_set_text(&line, FIELD_SHA256, hex);
	say(link, &line);
}

/* Each item has other bytes, so that none is known by its digest. */
static void
say_put(struct link *link)
{
	struct run *run = link->run;

	if (run->size >= sizeof run->sent)
		memcpy(run->bytes, &run->sent, sizeof run->sent);
	say_item(link, VERB_PUT, link->next, run->size, run->bytes, run->size);
	conn_write(link->conn, run->bytes, run->size);
	link->sent_at[link->next++ % run->window] = now();
	run->sent++;
}

/* The next DATA of the large item, where little waits before it. */
static void
send_large(struct link *link)
{
	struct run *run = link->run;
	struct proto_line line;
	uint64_t len;

	while (link->is_sending && run->large_at < run->large &&
	    conn_pending(link->conn) < FRAME_BELOW) {
		len = run->large - run->large_at;
		if (len > PROTO_DATA_MAX)
			len = PROTO_DATA_MAX;
		proto_line_start(&line, VERB_DATA);
		proto_set_number(&line, FIELD_NUMBER, LARGE_NUMBER);
		proto_set_number(&line, FIELD_OFFSET, run->large_at);
		proto_set_number(&line, FIELD_LENGTH, len);
		say(link, &line);
		conn_write(link->conn, run->frame, len);
		run->large_at += len;
	}
}

static int
is_over(const struct run *run)
{
	if (run->large)
		return run->large_end > 0.0;
	return run->sent >= run->most || now() - run->begin >= run->seconds;
}

/* Does the pace allow the next one? */
static int
is_due(const struct link *link)
{
	const struct run *run = link->run;

	return run->pace <= 0.0 ||
	    now() >= run->begin + ((double)(link->next - 1) + link->phase) / run->pace;
}

/* As many PUTs as fit; in the end SETTLED and QUIT. */
static void
go_on(struct link *link)
{
	struct run *run = link->run;
	struct proto_line line;

	if (run->ready < run->connections || link->finished)
		return;
	while (link->next < link->low + run->window && is_due(link) && !is_over(run))
		say_put(link);
	send_large(link);
	if (link->low > link->told && (link->low == link->next ||
	    link->low - link->told >= SETTLE_EVERY)) {
		proto_line_start(&line, VERB_SETTLED);
		proto_set_number(&line, FIELD_NUMBER, link->low);
		say(link, &line);
		link->told = link->low;
	}
	if (link->low == link->next && is_over(run)) {
		proto_line_start(&line, VERB_QUIT);
		say(link, &line);
		link->finished = 1;
	}
}

static void
on_stored(struct link *link, uint64_t n)
{
	struct run *run = link->run;
	double *sent_at = &link->sent_at[n % run->window];

	if (n < link->low || n >= link->next || *sent_at == 0.0)
		die("STORED", "for a number that is not in flight");
	run->end = now();
	if (run->stored == run->room) {
		run->room = run->room ? 2 * run->room : 65536;
		run->latency = realloc(run->latency, run->room * sizeof *run->latency);
		if (!run->latency)
			die("latencies", "out of memory");
	}
	run->latency[run->stored++] = (uint32_t)((run->end - *sent_at) * 1e6);
	*sent_at = 0.0;
	while (link->low < link->next && link->sent_at[link->low % run->window] == 0.0)
		link->low++;
}

static void
on_line(struct link *link, const struct proto_line *line, const char *text, size_t len)
{
	struct run *run = link->run;
	char shown[PROTO_LINE_MAX + 1];

	if (line->verb == VERB_STORED && line->number[FIELD_NUMBER] == LARGE_NUMBER) {
		run->large_end = now();
	} else if (line->verb == VERB_STORED) {
		on_stored(link, line->number[FIELD_NUMBER]);
	} else if (line->verb == VERB_SEND) {
		run->large_at = line->number[FIELD_OFFSET];
		link->is_sending = 1;
	} else if (line->verb == VERB_READY) {
		if (link->has_large) /* its digest takes a while */
			say_item(link, VERB_OPEN, LARGE_NUMBER, run->large, run->frame,
			    sizeof run->frame);
		if (++run->ready == run->connections)
			run->begin = now();
	} else if (line->verb != VERB_WAIT && line->verb != VERB_BYE) {
		snprintf(shown, sizeof shown, "%.*s", (int)len, text);
		die("unexpected answer", shown);
	}
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct link *link = ctx;
	struct proto_error error;
	struct proto_line line;
	size_t used = 0;
	int n;

	while ((n = proto_find_line(data + used, len - used, &error)) > 0) {
		const char *text = (const char *)data + used;
		size_t text_len = (size_t)n - 1;

		if (proto_parse(text, text_len, PROTO_SERVER, &line, &error) < 0)
			die("answer", error.text);
		on_line(link, &line, text, text_len);
		used += (size_t)n;
	}
	if (n < 0)
		die("answer", error.text);
	go_on(link);
	return used;
}

static void
on_open(void *ctx)
{
	say_hello(ctx);
}

/* Answers, not output, are what all but the large item waits for. */
static void
on_drained(void *ctx)
{
	send_large(ctx);
}

static void
on_idle(void *ctx)
{
	(void)ctx;
	die("connection", "idle for 60 seconds");
}

static void
on_close(void *ctx, const char *error)
{
	struct link *link = ctx;

	if (error || !link->finished)
		die("connection", error ? error : "closed by the receiver");
	conn_free(link->conn);
	link->conn = NULL;
	if (++link->run->closed == link->run->connections)
		event_base_loopbreak(link->run->base);
}

static int
connect_to(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	int rc = getaddrinfo(host, port, &hints, &found);
	int fd = -1, on = 1, unsent = 128 * 1024;

	if (rc != 0)
		die(host, gai_strerror(rc));
	for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(found);
	if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die(host, strerror(errno));
	/* As inboxq does: what a large item has in the kernel is before the small ones. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
#endif
	return fd;
}

static void
start_link(struct run *run, struct link *link)
{
	static const struct conn_events events = {
	    on_open, on_read, on_drained, on_idle, on_close};
	unsigned char id[PROTO_QUEUE_LEN / 2];
	struct conn_link wire = {.peer = run->host, .host = run->host};

	link->run = run;
	link->next = link->low = link->told = 1;
	link->sent_at = calloc(run->window, sizeof *link->sent_at);
	if (!link->sent_at || getrandom(id, sizeof id, 0) != sizeof id)
		die("start", strerror(errno));
	for (size_t i = 0; i < sizeof id; i++)
		snprintf(link->queue + 2 * i, 3, "%02x", id[i]);
	wire.fd = connect_to(run->host, run->port);
	link->conn = conn_new(run->base, run->tls, &wire, &events, link);
	if (!link->conn)
		die("connection", "out of memory");
	conn_set_idle(link->conn, 60);
}

/* Links that were READY before the last one wait for it, or for their pace, and all must
 * notice that the time is over. */
static void
on_tick(evutil_socket_t fd, short what, void *ctx)
{
	struct link *links = ctx;
	struct run *run = links[0].run;

	(void)fd;
	(void)what;
	for (uint64_t i = 0; i < run->connections; i++) {
		if (links[i].conn)
			go_on(&links[i]);
	}
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
report(struct run *run)
{
	uint64_t n = run->stored;

	if (n == 0)
		die("run", "nothing was stored");
	qsort(run->latency, n, sizeof *run->latency, compare);
	printf("%" PRIu64 " %.6f %" PRIu32 " %" PRIu32 " %" PRIu32 " %.6f %.6f\n", n,
	    run->end - run->begin, run->latency[n / 2], run->latency[n * 99 / 100],
	    run->latency[n - 1], run->begin, run->large ? run->large_end - run->begin : 0.0);
	fflush(stdout);
}

static int
read_arguments(struct run *run, struct tls_settings *tls, int argc, char **argv)
{
	if (argc < 12 || argc > 14)
		return -1;
	run->host = argv[1];
	run->port = argv[2];
	tls->ca = argv[3];
	tls->certificate = argv[4];
	tls->key = argv[5];
	run->inbox = argv[6];
	run->connections = strtoull(argv[7], NULL, 10);
	run->window = strtoull(argv[8], NULL, 10);
	run->size = strtoull(argv[9], NULL, 10);
	run->seconds = atof(argv[10]);
	run->most = strtoull(argv[11], NULL, 10);
	run->large = argc > 12 ? strtoull(argv[12], NULL, 10) : 0;
	run->pace = argc > 13 ? atof(argv[13]) : 0.0;
	memset(run->frame, 'l', sizeof run->frame);
	return run->connections > 0 && run->window > 0 && run->window <= WINDOW_MAX &&
	    run->most > 0 && run->seconds > 0.0 ? 0 : -1;
}

int
main(int argc, char **argv)
{
	struct timeval tick = {0, 5000};
	static const char *const alpn[] = {PROTO_ALPN, NULL};
	struct tls_settings settings = {.alpn = alpn};
	static struct run run;
	struct why error;
	struct link *links;
	struct event *timer;

	if (read_arguments(&run, &settings, argc, argv) < 0) {
		fprintf(stderr, "usage: load HOST PORT CA CERTIFICATE KEY INBOX "
		    "CONNECTIONS WINDOW SIZE SECONDS ITEMS [LARGE [PACE]]\n");
		return 64;
	}
	run.tls = tls_new(&settings, &error);
	if (!run.tls)
		die("tls", error.text);
	run.base = event_base_new();
	run.digest = digest_new();
	run.bytes = calloc(1, run.size + 1);
	links = calloc(run.connections, sizeof *links);
	if (!run.base || !run.digest || !run.bytes || !links)
		die("start", "out of memory");
	for (uint64_t i = 0; i < run.connections; i++) {
		links[i].phase = (double)i / (double)run.connections;
		start_link(&run, &links[i]);
	}
	links[0].has_large = run.large > 0;
	timer = event_new(run.base, -1, EV_PERSIST, on_tick, links);
	if (!timer || event_add(timer, &tick) < 0)
		die("timer", "out of memory");
	event_base_dispatch(run.base);
	report(&run);

	event_free(timer);
	for (uint64_t i = 0; i < run.connections; i++)
		free(links[i].sent_at);
	free(links);
	free(run.bytes);
	free(run.latency);
	digest_free(run.digest);
	tls_unref(run.tls);
	event_base_free(run.base);
	return 0;
}
