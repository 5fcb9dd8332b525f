/* SPDX-License-Identifier: ISC */
/* See client.h. */
#include "config.h"

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "lib/clock.h"
#include "lib/little.h"
#include "wire.h"

#define BACKOFF_FIRST 0.5 /* seconds; doubled at each failure in a row, ... */
#define BACKOFF_LAST 30.0
#define SOON 0.1          /* seconds, about: comes back after a fault of its own */

static void on_timer(evutil_socket_t fd, short what, void *arg);

static int64_t
in_seconds(const struct client *c, double seconds)
{
	return c->crew->now + (int64_t)(seconds * (double)CLOCK_SECOND);
}

/* ---- waking */

void
client_wake_by(struct client *c, int64_t at)
{
	if (c->wake == 0 || at < c->wake)
		c->wake = at;
}

/* The timer is moved only where it would come too late. */
static void
arm(struct client *c)
{
	int64_t left = c->wake - c->crew->now;
	struct timeval tv;

	if (c->wake == 0 || (c->armed != 0 && c->armed <= c->wake))
		return;
	if (left < 0)
		left = 0;
	tv.tv_sec = (time_t)(left / CLOCK_SECOND);
	tv.tv_usec = (suseconds_t)(left % CLOCK_SECOND);
	if (event_add(&c->timer, &tv) < 0)
		run_die("out of memory");
	c->armed = c->wake;
}

void
client_wake_at_once(struct client *c)
{
	c->state = CLIENT_RESTING;
	c->wake = c->crew->now;
	c->armed = 0;
	arm(c);
}

int
client_is_finished(const struct client *c, int64_t now)
{
	const struct options *options = c->crew->run->options;

	if (atomic_load(&c->crew->run->begin) == 0) /* it joins the others first, whatever it has */
		return 0;
	if (c->low < c->next || (c->upload.n != 0 && !c->large_done))
		return 0;
	if (options->large && c->index == 0 && !c->large_done)
		return 0;
	return (c->next > options->items && !options->large) || run_is_over(c->crew->run, now);
}

static void
done(struct client *c)
{
	c->state = CLIENT_DONE;
	c->wake = c->armed = 0;
	event_del(&c->timer);
	crew_leave(c->crew);
}

/* ---- connections */

static void
rest(struct client *c, double seconds)
{
	c->state = CLIENT_RESTING;
	c->wake = in_seconds(c, seconds);
	/* With nothing to send again it waits for its next item. */
	if (c->waiting == 0 && c->wake < c->next_at)
		c->wake = c->next_at;
	c->armed = 0;
	arm(c);
}

static void
drop_wire(struct client *c, int reset)
{
	wire_free(c->wire, reset);
	c->wire = NULL;
	c->here = 0;
	client_take_back(c);
	crew_give_place(c->crew);
}

void
client_leave(struct client *c, double seconds, int reset)
{
	drop_wire(c, reset);
	if (client_is_finished(c, c->crew->now))
		done(c);
	else
		rest(c, seconds);
}

void
client_fail(struct client *c, int reset)
{
	double wait = BACKOFF_FIRST;

	for (unsigned i = 0; i < c->failures && wait < BACKOFF_LAST; i++)
		wait *= 2.0;
	c->failures++;
	client_leave(c, wait * (0.5 + dice_unit(&c->crew->dice)), reset);
}

static void
on_open(void *ctx)
{
	struct client *c = ctx;
	struct crew *crew = c->crew;

	crew->now = clock_monotonic();
	c->heard_at = crew->now;
	if (!fault_is_raw(c)) {
		crew->tally.count[COUNT_HANDSHAKES]++;
		tally_time(&crew->tally, SERIES_CONNECT, crew->now - c->connected_at);
	}
	if (fault_on_open(c)) {
		arm(c);
		return;
	}
	if (crew->run->options->handshakes) {
		c->state = CLIENT_LEAVING;
		wire_finish(c->wire);
		return;
	}
	client_say_hello(c);
	client_pump(c);
	arm(c);
}

static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	struct client *c = ctx;
	size_t used;

	c->crew->now = c->heard_at = clock_monotonic();
	used = client_hear(ctx, data, len);
	arm(c);
	return used;
}

static void
on_drained(void *ctx)
{
	struct client *c = ctx;

	/* A slow writer has no word to wait for yet. */
	c->crew->now = c->heard_at = clock_monotonic();
	client_pump(c);
	arm(c);
}

/* --handshakes: what ends in order was an item. */
static void
count_round(struct client *c)
{
	struct crew *crew = c->crew;

	tally_time(&crew->tally, SERIES_ROUND, crew->now - c->connected_at);
	atomic_store(&crew->run->end, crew->now);
	c->low = ++c->next;
}

static void
on_close(void *ctx, int was_open)
{
	struct client *c = ctx;
	struct crew *crew = c->crew;

	crew->now = clock_monotonic();
	if (c->state == CLIENT_STALLED || c->fault >= FAULT_SILENT) {
		client_leave(c, SOON * (0.5 + dice_unit(&crew->dice)), 0);
	} else if (c->state == CLIENT_LEAVING) {
		if (crew->run->options->handshakes)
			count_round(c);
		client_leave(c, c->away, 0);
	} else {
		crew->tally.count[was_open ? COUNT_BROKEN : COUNT_NO_HANDSHAKE]++;
		client_fail(c, 0);
	}
}

/* Many clients, as if from many machines: each has its own loopback address, by its index. */
static int
bind_source(const struct client *c, int fd)
{
	struct sockaddr_in from = {.sin_family = AF_INET};
	uint64_t sources = c->crew->run->options->sources;
	int on = 1;

	if (sources == 0 || c->crew->run->to.ss_family != AF_INET)
		return 0;
	from.sin_addr.s_addr = htonl(UINT32_C(0x7f000000) + 256 + (uint32_t)(c->index % sources));
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return bind(fd, (struct sockaddr *)&from, sizeof from);
}

/* A socket that is connecting, or -1. */
static int
start_connecting(const struct client *c)
{
	const struct run *run = c->crew->run;
	int fd = socket(run->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, unsent = 128 * 1024;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	/* As inboxq does: what a large item has in the kernel is before the small ones. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (bind_source(c, fd) == 0 &&
	    (connect(fd, (const struct sockaddr *)&run->to, run->to_len) == 0 ||
	    errno == EINPROGRESS))
		return fd;
	close(fd);
	return -1;
}

static SSL *
make_ssl(const struct client *c)
{
	const struct options *options = c->crew->run->options;
	SSL *ssl = SSL_new(c->crew->ctx);

	if (!ssl || mint_use(c->crew->run->mint, ssl, c->index % options->certificates) < 0 ||
	    (!options->no_verify && SSL_set1_host(ssl, options->name) != 1) ||
	    SSL_set_tlsext_host_name(ssl, options->name) != 1)
		run_die("a connection cannot be made: out of memory, or bad --name");
	SSL_set_connect_state(ssl);
	return ssl;
}

static void
connect_now(struct client *c)
{
	static const struct wire_events events = {on_open, on_read, on_drained, on_close};
	struct crew *crew = c->crew;
	int fd = start_connecting(c);

	crew->tally.count[COUNT_CONNECTIONS]++;
	c->connected_at = c->heard_at = crew->now;
	c->fault = (unsigned char)fault_draw(c);
	c->away = 0.0;
	c->state = CLIENT_JOINING;
	if (fd < 0) {
		crew->tally.count[COUNT_NO_CONNECT]++;
		client_fail(c, 0);
		return;
	}
	c->wire = wire_new(crew->base, fd, fault_is_raw(c) ? NULL : make_ssl(c), &events, c);
	if (!c->wire)
		run_die("out of memory");
	c->wake = 0;
	client_wake_by(c, in_seconds(c, crew->run->options->patience));
	arm(c);
}

static void
connect_in_turn(struct client *c)
{
	c->wake = 0;
	if (crew_take_place(c->crew, c))
		connect_now(c);
	else
		c->state = CLIENT_IN_LINE;
}

/* ---- time passes */

/* A peer that says nothing for so long is given up. */
static int
is_out_of_patience(struct client *c)
{
	int64_t until = c->heard_at +
	    (int64_t)(c->crew->run->options->patience * (double)CLOCK_SECOND);
	int is_waiting = c->state == CLIENT_JOINING || c->state == CLIENT_LEAVING || c->flying > 0;

	client_wake_by(c, until);
	return is_waiting && c->crew->now >= until;
}

static void
look_at_connection(struct client *c)
{
	c->wake = 0;
	if (c->state == CLIENT_STALLED) {
		client_leave(c, SOON * (0.5 + dice_unit(&c->crew->dice)),
		    (int)dice_below(&c->crew->dice, 2));
		return;
	}
	if (is_out_of_patience(c)) {
		c->crew->tally.count[COUNT_NO_WORD]++;
		run_complain(c->crew->run, "client %llu: no word for too long, in state %d",
		    (unsigned long long)c->index + 1, c->state);
		client_fail(c, 1);
		return;
	}
	client_pump(c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;

	(void)fd, (void)what;
	c->crew->now = clock_monotonic();
	c->armed = 0;
	if (c->wake > c->crew->now) {
		arm(c);
		return;
	}
	if (c->state == CLIENT_RESTING && client_is_finished(c, c->crew->now))
		done(c);
	else if (c->state == CLIENT_RESTING)
		connect_in_turn(c);
	else if (c->wire)
		look_at_connection(c);
	arm(c);
}

void
client_look_up(struct client *c)
{
	c->crew->now = clock_monotonic();
	if (c->state == CLIENT_RESTING && client_is_finished(c, c->crew->now))
		done(c);
	else if (c->state == CLIENT_READY)
		client_pump(c);
	arm(c);
}

/* ---- a life */

void
client_make(struct client *c, struct crew *crew, uint64_t index)
{
	const struct options *options = crew->run->options;
	int64_t begin = atomic_load(&crew->run->begin);
	int64_t first = begin ? begin : clock_monotonic();

	memset(c, 0, sizeof *c);
	c->crew = crew;
	c->index = index;
	c->origin = options->identical ? 0 : index + 1;
	little_put64(c->queue_id, dice_of(options->seed, c->origin, 2));
	little_put64(c->queue_id + 8, dice_of(options->seed, c->origin, 3));
	c->next = c->low = c->told = 1;
	c->window = options->window < options->items || options->large ? options->window :
	    options->items ? options->items : 1;
	c->ring = calloc(c->window, sizeof *c->ring);
	if (!c->ring)
		run_die("out of memory");
	event_assign(&c->timer, crew->base, -1, 0, on_timer, c);
	c->wake = first + (int64_t)(options->ramp * dice_unit(&crew->dice) * (double)CLOCK_SECOND);
	c->next_at = c->wake;
	crew->now = clock_monotonic();
	arm(c);
}

void
client_end(struct client *c)
{
	struct entry entry = {.n = 0};

	event_del(&c->timer);
	wire_free(c->wire, 1);
	mint_identity(entry.identity, sizeof entry.identity,
	    c->index % c->crew->run->options->certificates);
	client_queue_text(c, entry.queue);
	for (uint64_t n = c->low; n < c->next; n++) {
		const struct slot *slot = client_slot(c, n);

		if (slot->state != SLOT_WAITING && slot->state != SLOT_FLYING)
			continue;
		entry.n = n;
		entry.size = items_get(&c->crew->run->items, c->origin, n).size;
		memcpy(entry.sha256, slot->sha256, DIGEST_SIZE);
		if (!slot->heard)
			book_add(&c->crew->book, &entry, BOOK_UNHEARD, 1);
	}
	free(c->ring);
}
