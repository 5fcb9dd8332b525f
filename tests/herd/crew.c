/* SPDX-License-Identifier: ISC */
/* See crew.h. */
#include "config.h"

#include "crew.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>

#include "client.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/proto.h"

static const struct timeval tick = {0, 10000};

int
crew_take_place(struct crew *crew, struct client *client)
{
	if (crew->open < crew->open_most) {
		if (++crew->open > crew->most_open)
			crew->most_open = crew->open;
		return 1;
	}
	client->next_waiting = NULL;
	if (crew->last)
		crew->last->next_waiting = client;
	else
		crew->first = client;
	crew->last = client;
	return 0;
}

/* The next of the line gets it, from the loop: connections that end at once must not recurse. */
void
crew_give_place(struct crew *crew)
{
	struct client *client = crew->first;

	crew->open--;
	if (!client)
		return;
	crew->first = client->next_waiting;
	if (!crew->first)
		crew->last = NULL;
	client_wake_at_once(client);
}

void
crew_leave(struct crew *crew)
{
	if (--crew->left == 0)
		event_base_loopbreak(crew->base);
}

/* Those that rest must hear that the clock has started, or that the time is over. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct crew *crew = arg;
	int begun = atomic_load(&crew->run->begin) != 0, is_over;
	int64_t now = clock_monotonic();

	(void)fd, (void)what;
	is_over = run_is_over(crew->run, now);
	if (begun == crew->told_begin && is_over == crew->told_over)
		return;
	crew->told_begin = begun;
	crew->told_over = is_over;
	for (uint64_t i = 0; i < crew->count && crew->left > 0; i++)
		client_look_up(&crew->clients[i]);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct crew *crew = arg;

	(void)fd, (void)what;
	event_base_loopbreak(crew->base);
}

/* It is another receiver than the one meant, and no further try will mend that. */
static int
on_verified(int is_good, X509_STORE_CTX *store)
{
	if (!is_good)
		run_die("the receiver's certificate: %s (--name, --pki, or --no-verify)",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	return is_good;
}

static void
make_context(struct crew *crew)
{
	static const unsigned char alpn[] = "\7" PROTO_ALPN;
	const struct options *options = crew->run->options;
	char ca[512];

	snprintf(ca, sizeof ca, "%s/ca.crt", options->pki);
	crew->ctx = SSL_CTX_new(TLS_client_method());
	if (!crew->ctx || SSL_CTX_set_min_proto_version(crew->ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_alpn_protos(crew->ctx, alpn, sizeof alpn - 1) != 0 ||
	    SSL_CTX_load_verify_file(crew->ctx, ca) != 1)
		run_die("no TLS context: %s", ERR_error_string(ERR_get_error(), NULL));
	SSL_CTX_set_options(crew->ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(crew->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(crew->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (!options->no_verify)
		SSL_CTX_set_verify(crew->ctx, SSL_VERIFY_PEER, on_verified);
}

static uint64_t
share(uint64_t all, uint64_t from, uint64_t step)
{
	return (all + step - 1 - from) / step;
}

static void
make(struct crew *crew, uint64_t from, uint64_t step)
{
	const struct options *options = crew->run->options;

	crew->digest = digest_new();
	crew->room = malloc(ITEM_CHUNK);
	crew->count = crew->left = share(options->clients, from, step);
	crew->clients = calloc(crew->count, sizeof *crew->clients);
	crew->open_most = share(options->open, from, step);
	crew->dice.state = dice_of(options->seed, from, 1);
	if (!crew->digest || !crew->room || !crew->clients)
		run_die("out of memory");
	make_context(crew);
	for (uint64_t i = 0; i < crew->count; i++)
		client_make(&crew->clients[i], crew, from + i * step);
}

static void
run_clients(struct crew *crew, uint64_t from, uint64_t step)
{
	const struct options *options = crew->run->options;
	struct timeval limit = {(time_t)options->limit, 0};
	struct event ticking, ending;

	make(crew, from, step);
	event_assign(&ticking, crew->base, -1, EV_PERSIST, on_tick, crew);
	event_assign(&ending, crew->base, -1, 0, on_limit, crew);
	if (event_add(&ticking, &tick) < 0 || event_add(&ending, &limit) < 0)
		run_die("out of memory");
	crew->told_begin = atomic_load(&crew->run->begin) != 0;
	event_base_dispatch(crew->base);
	event_del(&ticking);
	event_del(&ending);
	for (uint64_t i = 0; i < crew->count; i++)
		client_end(&crew->clients[i]);
}

static void
clear(struct crew *crew)
{
	free(crew->clients);
	free(crew->room);
	digest_free(crew->digest);
	SSL_CTX_free(crew->ctx);
	event_base_free(crew->base);
	tally_free(&crew->tally);
	book_free(&crew->book);
}

/* ---- the threads */

struct worker {
	pthread_t thread;
	struct crew crew;
	uint64_t from, step;
};

struct crews {
	uint64_t count;
	struct worker worker[];
};

static void *
work(void *arg)
{
	struct worker *worker = arg;

	run_clients(&worker->crew, worker->from, worker->step);
	return NULL;
}

struct crews *
crews_start(struct run *run)
{
	uint64_t count = run->options->threads;
	struct crews *crews = calloc(1, sizeof *crews + count * sizeof crews->worker[0]);

	if (!crews)
		run_die("out of memory");
	crews->count = count;
	for (uint64_t i = 0; i < count; i++) {
		struct worker *worker = &crews->worker[i];

		worker->from = i;
		worker->step = count;
		worker->crew.run = run;
		worker->crew.base = loop_new(EVENT_BASE_FLAG_NOLOCK); /* see loop.h */
		if (!worker->crew.base ||
		    pthread_create(&worker->thread, NULL, work, worker) != 0)
			run_die("no thread, or no event loop, can be made");
	}
	return crews;
}

void
crews_join(struct crews *crews, struct tally *tally, struct book *book)
{
	for (uint64_t i = 0; i < crews->count; i++) {
		struct worker *worker = &crews->worker[i];

		pthread_join(worker->thread, NULL);
		tally_add(tally, &worker->crew.tally);
		book_join(book, &worker->crew.book);
		clear(&worker->crew);
	}
	free(crews);
}
