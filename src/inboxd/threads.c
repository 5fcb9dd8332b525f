/* SPDX-License-Identifier: ISC */
#include "inboxd/threads.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/root.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/commit.h"
#include "inboxd/fronts.h"
#include "inboxd/recover/recover.h"
#include "inboxd/serve/ticket.h"
#include "inboxd/serve/worker.h"
#include "inboxd/status/lookout.h"
#include "inboxd/status/survey.h"
#include "lib/address.h"
#include "lib/inherit.h"
#include "lib/log.h"
#include "lib/notify.h"

static int
thread_failed(const char *which)
{
	char why[128];

	snprintf(why, sizeof why, "cannot start the %s thread: %s", which, strerror(errno));
	return start_failed(EX_OSERR, "start_failed", why);
}

/* Each draft on its way to new/ may hold a descriptor, and connections need some, too. */
static uint64_t
lag_max(void)
{
	uint64_t quarter = inherit_limit(RLIMIT_NOFILE) / 4;

	return quarter < THREADS_LAG_MAX ? quarter : THREADS_LAG_MAX;
}

static int
start_commit(struct threads *threads, struct site *site, struct root *root, uint32_t start,
    unsigned number)
{
	const struct settings *settings = site->settings;
	struct commit_setup wanted = {
	    .root = root->fd,
	    .hold = root->hold,
	    .sync = settings->sync,
	    .books = {
	        .ledger_size = settings->ledger_size,
	        .ledger_days = settings->ledger_days,
	    },
	    .start = start,
	    .number = number,
	    .patience = THREADS_PATIENCE * (int64_t)notify_watchdog_interval(),
	    .lag_max = lag_max(),
	};
	struct why error;
	struct clients *clients = clients_new();
	struct recovered recovered;
	int code = recover_run(site, root, clients, &recovered, &error);

	limits_set(&wanted.books.limits, settings);
	if (code)
		return start_failed(code, "recovery_failed", error.text);
	threads->commit =
	    commit_start(&wanted, clients, recovered.ledger, recovered.writer);
	return threads->commit ? 0 : thread_failed("commit");
}

static int
start_workers(struct threads *threads, struct site *site, const struct root *root,
    uint32_t start, size_t count)
{
	struct worker_setup wanted = {
	    .start = start,
	    .queue = site->settings->queue / count,
	    .root = root->fd,
	    .id = root->id,
	    .fronts = fronts,
	    .commit = commit_mailbox(threads->commit),
	    .main = threads->main,
	    .staying = &threads->staying,
	    .opens = &threads->opens,
	};

	threads->workers = must_alloc(count * sizeof(struct worker *));
	for (size_t i = 0; i < count; i++) {
		wanted.number = (unsigned)i;
		threads->workers[i] = worker_start(&wanted, site);
		if (!threads->workers[i])
			return thread_failed("worker");
		threads->count++;
	}
	return 0;
}

int
threads_start(struct threads *threads, struct site *site, struct root *root,
    struct mailbox *main)
{
	uint64_t count = site->settings->workers;
	uint32_t start;
	int code;

	threads->main = main;
	if (count == 0) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		count = cores < 1 ? 1 : cores > 64 ? 64 : (uint64_t)cores;
	}
	if (getentropy(&start, sizeof start) < 0)
		return start_failed(EX_OSERR, "start_failed", strerror(errno));
	code = start_commit(threads, site, root, start, (unsigned)count);
	if (code == 0)
		code = start_workers(threads, site, root, start, count);
	if (code)
		return code;
	threads->survey = survey_start(site, main);
	if (!threads->survey)
		return thread_failed("survey");
	threads->lookout = lookout_start(site, main);
	return threads->lookout ? 0 : thread_failed("lookout");
}

void
threads_stop(struct threads *threads)
{
	survey_stop(threads->survey);
	lookout_stop(threads->lookout);
	for (size_t i = 0; i < threads->count; i++)
		worker_join(threads->workers[i]);
	commit_stop(threads->commit);
	threads->commit = NULL;
	for (size_t i = 0; i < threads->count; i++)
		worker_free(threads->workers[i]);
	free(threads->workers);
	threads->count = 0;
}

uint64_t
threads_count(const struct threads *threads, enum counter which)
{
	uint64_t sum = 0;

	if (threads->commit)
		sum += commit_count(threads->commit, which);
	for (size_t i = 0; i < threads->count; i++)
		sum += stats_get(worker_stats(threads->workers[i]), which);
	return sum;
}

void
threads_give(struct threads *threads, struct ticket *ticket, int fd, const struct sockaddr *peer)
{
	struct newcomer *newcomer = must_alloc(sizeof *newcomer);

	newcomer->message.kind = WORKER_CONNECTION;
	newcomer->fd = fd;
	address_print(peer, newcomer->peer);
	newcomer->ticket = ticket;
	ticket->came = ++threads->came;
	ticket->worker = worker_mailbox(threads->workers[threads->next]);
	mailbox_post(ticket->worker, &newcomer->message);
	threads->next = (threads->next + 1) % threads->count;
}

void
threads_set_short(struct threads *threads, int is_short)
{
	for (size_t i = 0; i < threads->count; i++) {
		struct shortage *message = must_alloc(sizeof *message);
		message->message.kind = WORKER_SHORT;
		message->is_short = is_short;
		mailbox_post(worker_mailbox(threads->workers[i]), &message->message);
	}
}

void
threads_ask(struct threads *threads, struct request *request, enum commit_message kind,
    void (*take_back)(struct request *request), void *asker)
{
	request_fill(request, kind, threads->main, take_back, asker);
	mailbox_post(commit_mailbox(threads->commit), &request->message);
}

void
threads_probe(struct threads *threads, size_t number)
{
	struct probe *probe = must_alloc(sizeof *probe);

	probe->message.kind = WORKER_PROBE;
	probe->number = number;
	mailbox_post(worker_mailbox(threads->workers[number]), &probe->message);
}

static void
free_request(struct request *request)
{
	free(request);
}

void
threads_set_site(struct threads *threads, struct site *site)
{
	struct new_limits *news = must_alloc(sizeof *news);

	limits_set(&news->limits, site->settings);
	threads_ask(threads, &news->request, COMMIT_LIMITS, free_request, NULL);
	for (size_t i = 0; i < threads->count; i++) {
		struct new_site *message = must_alloc(sizeof *message);
		message->message.kind = WORKER_SITE;
		message->site = site_ref(site);
		mailbox_post(worker_mailbox(threads->workers[i]), &message->message);
	}
	survey_set_site(threads->survey, site);
	lookout_set_site(threads->lookout, site);
}

void
threads_drain(struct threads *threads, uint64_t connections)
{
	for (size_t i = 0; i < threads->count; i++) {
		struct drain_order *order = must_alloc(sizeof *order);
		order->message.kind = WORKER_DRAIN;
		order->connections = connections;
		mailbox_post(worker_mailbox(threads->workers[i]), &order->message);
	}
}

int
threads_have_drained(struct threads *threads, struct message *message)
{
	assert(message->kind == WORKER_DRAINED);
	free(message);
	return ++threads->drained == threads->count;
}
