/* SPDX-License-Identifier: ISC */
#include "inboxd/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/commit.h"
#include "inboxd/fatal.h"
#include "inboxd/partial.h"
#include "inboxd/session.h"
#include "inboxd/space.h"

#define EXPIRE_EVERY 3600 /* seconds */
#define RECHECKS 200       /* sessions a tick */

struct worker {
	struct worker_settings settings;
	struct site *site;
	struct event_base *base;
	struct event *inbound, *tick;
	struct mailbox *in;
	struct stats stats;
	struct namer namer;
	struct log_gate gate;
	pthread_t thread;
	struct session *sessions;
	uint64_t items; /* and notices: handed over and not come back */
	uint64_t waiting, waiting_items; /* sessions that wait for room; what they have of it */
	uint64_t now, expire_at; /* monotonic seconds */
	struct space space;
	uint64_t site_number;
	unsigned rechecks; /* that this tick still allows */
	int draining, is_drained; /* is_drained: main has been told */
};

static void
report_if_drained(struct worker *worker)
{
	struct message *report;

	if (!worker->draining || worker->sessions || worker->is_drained)
		return;
	worker->is_drained = 1;
	report = must_alloc(sizeof *report);
	report->kind = WORKER_DRAINED;
	mailbox_post(worker->settings.main, report);
	event_base_loopbreak(worker->base);
}

static void
on_newcomer(struct worker *worker, struct newcomer *newcomer)
{
	struct session *session = NULL;

	if (worker->draining)
		close(newcomer->fd);
	else
		session = session_new(worker, newcomer->fd, newcomer->crowded);
	if (session)
		session_link(&worker->sessions, session);
	else
		stats_sub(&worker->stats, STAT_NOW_CONNECTIONS, 1);
	free(newcomer);
}

/* Each worker for itself; the first one tells the world. */
static void
look_at_space(struct worker *worker)
{
	struct space *space = &worker->space;
	int has_changed = space_look(
	    space, worker->settings.root, worker->site->settings, worker->now);

	if (worker->settings.number != 0)
		return;
	stats_set(&worker->stats, STAT_NOW_FREE_BYTES, space->bytes);
	stats_set(&worker->stats, STAT_NOW_FREE_INODES, space->inodes);
	stats_set(&worker->stats, STAT_NOW_FULL, (uint64_t)space->state);
	if (has_changed)
		log_event(space->state == SPACE_ROOM ? LOG_NOTICE : LOG_ERR, "space",
		    "takes=%s free_bytes=%llu free_inodes=%llu", space_text(space->state),
		    (unsigned long long)space->bytes, (unsigned long long)space->inodes);
}

static void
on_site(struct worker *worker, struct new_site *message)
{
	site_unref(worker->site);
	worker->site = message->site;
	worker->site_number++;
	look_at_space(worker); /* its marks count at once */
	free(message);
}

static void
on_drain(struct worker *worker)
{
	struct session *session, *next;

	worker->draining = 1;
	for (session = worker->sessions; session; session = next) {
		next = session_next(session);
		session_drain(session);
	}
	report_if_drained(worker);
}

static void
on_message(struct worker *worker, struct message *message)
{
	switch (message->kind) {
	case WORKER_CONNECTION:
		on_newcomer(worker, (struct newcomer *)message);
		break;
	case WORKER_SITE:
		on_site(worker, (struct new_site *)message);
		break;
	case WORKER_DRAIN:
		free(message);
		on_drain(worker);
		break;
	case COMMIT_JOIN:
		session_on_join((struct join *)message);
		break;
	case COMMIT_ITEM:
		session_on_item((struct item *)message);
		break;
	case COMMIT_SETTLED:
	case COMMIT_SKIP:
		session_on_noted((struct notice *)message);
		break;
	case COMMIT_LEAVE:
		session_on_left((struct notice *)message);
		break;
	case COMMIT_SUPERSEDED:
		session_on_superseded((struct notice *)message);
		break;
	}
}

static void
on_inbound(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct message *message, *next;

	(void)fd, (void)what;
	for (message = mailbox_take(worker->in); message; message = next) {
		next = message->next;
		on_message(worker, message);
	}
}

static void
read_clock(struct worker *worker)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	worker->now = (uint64_t)now.tv_sec;
}

/* Once an hour, by the first worker. */
static void
expire_partials(struct worker *worker)
{
	if (worker->settings.number != 0 || worker->now < worker->expire_at)
		return;
	worker->expire_at = worker->now + EXPIRE_EVERY;
	for (size_t i = 0; i < worker->site->inbox_count; i++)
		(void)partial_expire(
		    &worker->site->inboxes[i], worker->site->settings->partial);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct session *session, *next;

	(void)fd, (void)what;
	read_clock(worker);
	expire_partials(worker);
	look_at_space(worker);
	worker->rechecks = RECHECKS;
	for (session = worker->sessions; session; session = next) {
		next = session_next(session);
		session_tick(session);
	}
}

static void *
run(void *arg)
{
	struct worker *worker = arg;

	if (event_base_dispatch(worker->base) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=%u", worker->settings.number);
	return NULL;
}

static void
free_worker(struct worker *worker)
{
	if (worker->tick)
		event_free(worker->tick);
	if (worker->inbound)
		event_free(worker->inbound);
	if (worker->base)
		event_base_free(worker->base);
	mailbox_free(worker->in);
	site_unref(worker->site);
	free(worker);
}

/* A base that no other thread touches needs no locks. */
static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config && event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

struct worker *
worker_start(const struct worker_settings *settings, struct site *site)
{
	const struct timeval second = {1, 0};
	struct worker *worker = must_alloc(sizeof *worker);
	sigset_t all, before;
	int rc;

	worker->settings = *settings;
	worker->site = site_ref(site);
	worker->namer.start = settings->start;
	worker->namer.worker = settings->number;
	read_clock(worker);
	look_at_space(worker);
	worker->in = mailbox_new();
	worker->base = new_base();
	if (!worker->in || !worker->base)
		goto fail;
	worker->inbound = event_new(worker->base, mailbox_fd(worker->in), EV_READ | EV_PERSIST,
	    on_inbound, worker);
	worker->tick = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
	if (!worker->inbound || !worker->tick || event_add(worker->inbound, NULL) < 0 ||
	    event_add(worker->tick, &second) < 0)
		goto fail;
	/* Signals are main's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return worker;
	errno = rc;
fail:
	rc = errno;
	free_worker(worker);
	errno = rc;
	return NULL;
}

void
worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

void
worker_free(struct worker *worker)
{
	struct message *message, *next;

	/* What main sent while the last session went. */
	for (message = mailbox_take(worker->in); message; message = next) {
		next = message->next;
		on_message(worker, message);
	}
	free_worker(worker);
}

struct mailbox *
worker_mailbox(struct worker *worker)
{
	return worker->in;
}

const struct stats *
worker_stats(const struct worker *worker)
{
	return &worker->stats;
}

struct event_base *
worker_base(struct worker *worker)
{
	return worker->base;
}

struct site *
worker_site(struct worker *worker)
{
	return worker->site;
}

struct stats *
worker_counters(struct worker *worker)
{
	return &worker->stats;
}

struct namer *
worker_namer(struct worker *worker)
{
	return &worker->namer;
}

struct log_gate *
worker_gate(struct worker *worker)
{
	return &worker->gate;
}

uint64_t
worker_now(const struct worker *worker)
{
	return worker->now;
}

void
worker_send(struct worker *worker, struct message *message)
{
	mailbox_post(worker->settings.commit, message);
}

int
worker_has_room(const struct worker *worker, uint64_t held, int waits)
{
	uint64_t others = worker->items - worker->waiting_items - (waits ? 0 : held);
	uint64_t sharers = worker->waiting + (waits ? 0 : 1);

	return held == 0 || (worker->items < worker->settings.queue &&
	    held < (worker->settings.queue - others) / sharers);
}

void
worker_count_item(struct worker *worker, int difference, int waits)
{
	worker->items += (uint64_t)(int64_t)difference;
	if (waits)
		worker->waiting_items += (uint64_t)(int64_t)difference;
}

void
worker_count_waiting(struct worker *worker, int difference, uint64_t held)
{
	worker->waiting += (uint64_t)(int64_t)difference;
	worker->waiting_items += difference > 0 ? held : 0 - held;
}

struct space *
worker_space(struct worker *worker)
{
	return &worker->space;
}

uint64_t
worker_site_number(const struct worker *worker)
{
	return worker->site_number;
}

int
worker_may_recheck(struct worker *worker)
{
	if (worker->rechecks == 0)
		return 0;
	worker->rechecks--;
	return 1;
}

int
worker_is_draining(const struct worker *worker)
{
	return worker->draining;
}

void
worker_forget(struct worker *worker, struct session *session)
{
	session_unlink(&worker->sessions, session);
	report_if_drained(worker);
}
