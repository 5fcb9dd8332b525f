/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/worker.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/thread.h"
#include "inboxd/commit/commit.h"
#include "inboxd/drafts/partial.h"
#include "inboxd/serve/front.h"
#include "inboxd/serve/handshake.h"
#include "inboxd/serve/shop.h"
#include "inboxd/serve/ticket.h"
#include "lib/clock.h"
#include "lib/loop.h"

#define EXPIRE_EVERY 3600 /* seconds */
#define RECHECKS 200       /* guests a tick */

struct worker {
	struct shop shop; /* what its guests see of it; first, see of_shop() */
	struct worker_setup setup;
	struct event *inbound, *tick;
	struct mailbox *in;
	pthread_t thread;
	uint64_t expire_at; /* monotonic seconds */
	int is_drained;     /* main has been told */
};

static struct worker *
of_shop(struct shop *shop)
{
	return (struct worker *)shop;
}

static void
report_if_drained(struct worker *worker)
{
	struct message *report;

	if (!worker->shop.draining || worker->shop.guests || worker->is_drained)
		return;
	worker->is_drained = 1;
	report = must_alloc(sizeof *report);
	report->kind = WORKER_DRAINED;
	mailbox_post(worker->setup.main, report);
	event_base_loopbreak(worker->shop.base);
}

static void
send_message(struct shop *shop, struct message *message)
{
	mailbox_post(of_shop(shop)->setup.commit, message);
}

static void
tell_main(struct shop *shop, struct message *message)
{
	mailbox_post(of_shop(shop)->setup.main, message);
}

static void
on_empty(struct shop *shop)
{
	report_if_drained(of_shop(shop));
}

static void
on_newcomer(struct worker *worker, struct newcomer *newcomer)
{
	int is_served = 0;

	if (worker->shop.draining)
		close(newcomer->fd);
	else
		is_served = handshake_start(&worker->shop, newcomer->fd, newcomer->peer,
		    newcomer->ticket) == 0;
	if (!is_served) {
		stats_sub(&worker->shop.stats, STAT_NOW_CONNECTIONS, 1);
		ticket_left(&worker->shop, newcomer->ticket);
	}
	free(newcomer);
}

/* Each worker for itself; the first one tells the world. */
static void
look_at_space(struct worker *worker)
{
	struct space *space = &worker->shop.space;
	int has_changed = space_look(
	    space, worker->setup.root, worker->shop.site->settings, worker->shop.now);

	if (worker->setup.number != 0)
		return;
	stats_set(&worker->shop.stats, STAT_NOW_FREE_BYTES, space->bytes);
	stats_set(&worker->shop.stats, STAT_NOW_FREE_INODES, space->inodes);
	stats_set(&worker->shop.stats, STAT_NOW_FULL, (uint64_t)space->state);
	if (has_changed)
		log_event(space->state == SPACE_ROOM ? LOG_NOTICE : LOG_ERR, "space",
		    "takes=%s free_bytes=%llu free_inodes=%llu", space_text(space->state),
		    (unsigned long long)space->bytes, (unsigned long long)space->inodes);
}

static void
on_site(struct worker *worker, struct new_site *message)
{
	site_unref(worker->shop.site);
	worker->shop.site = message->site;
	worker->shop.site_number++;
	look_at_space(worker); /* its marks count at once */
	free(message);
}

static void
on_drain(struct worker *worker, struct drain_order *order)
{
	struct guest *guest, *next;

	worker->shop.draining = 1;
	worker->shop.leaving = order->connections;
	free(order);
	for (guest = worker->shop.guests; guest; guest = next) {
		next = guest->next;
		guest->front->drain(guest);
	}
	report_if_drained(worker);
}

/* It may have come too late: the handshake is done, or over; or it is under way. */
static void
on_dismiss(struct worker *worker, struct message *message)
{
	struct ticket *ticket = ticket_of(message);

	if (ticket->handshake)
		handshake_dismiss(ticket->handshake);
	message->kind = TICKET_DISMISSED;
	mailbox_post(worker->setup.main, message);
}

static void
on_shortage(struct worker *worker, struct shortage *shortage)
{
	worker->shop.is_short = shortage->is_short;
	free(shortage);
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
		on_drain(worker, (struct drain_order *)message);
		break;
	case TICKET_DISMISS:
		on_dismiss(worker, message);
		break;
	case WORKER_PROBE:
		message->kind = WORKER_PRESENT;
		mailbox_post(worker->setup.main, message);
		break;
	case WORKER_SHORT:
		on_shortage(worker, (struct shortage *)message);
		break;
	default:
		if (!request_return(message))
			assert(0 && "a message for a worker");
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
	worker->shop.now = (uint64_t)clock_seconds();
}

/* Once an hour, by the first worker. */
static void
expire_partials(struct worker *worker)
{
	if (worker->setup.number != 0 || worker->shop.now < worker->expire_at)
		return;
	worker->expire_at = worker->shop.now + EXPIRE_EVERY;
	for (size_t i = 0; i < worker->shop.site->inbox_count; i++)
		partial_expire(
		    &worker->shop.site->inboxes[i], worker->shop.site->settings->partial);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct guest *guest, *next;

	(void)fd, (void)what;
	read_clock(worker);
	worker->shop.awake++; /* by one, however long it took to come here */
	expire_partials(worker);
	look_at_space(worker);
	worker->shop.rechecks = RECHECKS;
	log_tell_left_out(&worker->shop.gate);
	for (guest = worker->shop.guests; guest; guest = next) {
		next = guest->next;
		guest->front->tick(guest);
	}
}

static void *
run(void *arg)
{
	struct worker *worker = arg;

	if (event_base_dispatch(worker->shop.base) < 0)
		fatal(EX_OSERR, "event_loop_failed", "worker=%u", worker->setup.number);
	return NULL;
}

static void
free_worker(struct worker *worker)
{
	if (worker->tick)
		event_free(worker->tick);
	if (worker->inbound)
		event_free(worker->inbound);
	if (worker->shop.base)
		event_base_free(worker->shop.base);
	mailbox_free(worker->in);
	site_unref(worker->shop.site);
	free(worker);
}

struct worker *
worker_start(const struct worker_setup *setup, struct site *site)
{
	const struct timeval second = {1, 0};
	struct worker *worker = must_alloc(sizeof *worker);
	int error;

	worker->setup = *setup;
	worker->shop.site = site_ref(site);
	spread_begin(&worker->shop.spread);
	worker->shop.namer.start = setup->start;
	worker->shop.namer.worker = setup->number;
	read_clock(worker);
	look_at_space(worker);
	worker->in = worker->shop.replies = mailbox_new();
	worker->shop.share.room = setup->queue;
	worker->shop.send = send_message;
	worker->shop.tell = tell_main;
	worker->shop.staying = setup->staying;
	worker->shop.opens = setup->opens;
	worker->shop.fronts = setup->fronts;
	worker->shop.id = setup->id;
	worker->shop.on_empty = on_empty;
	/* No other thread touches it. */
	worker->shop.base = loop_new(EVENT_BASE_FLAG_NOLOCK);
	if (!worker->in || !worker->shop.base)
		goto fail;
	worker->inbound = event_new(worker->shop.base, mailbox_fd(worker->in), EV_READ | EV_PERSIST,
	    on_inbound, worker);
	worker->tick = event_new(worker->shop.base, -1, EV_PERSIST, on_tick, worker);
	if (!worker->inbound || !worker->tick || event_add(worker->inbound, NULL) < 0 ||
	    event_add(worker->tick, &second) < 0)
		goto fail;
	if (thread_start(&worker->thread, run, worker) == 0)
		return worker;
fail:
	error = errno;
	free_worker(worker);
	errno = error;
	return NULL;
}

void
worker_join(struct worker *worker)
{
	thread_join(worker->thread);
}

void
worker_free(struct worker *worker)
{
	struct message *message, *next;

	/* What main sent while the last guest left. */
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
	return &worker->shop.stats;
}
