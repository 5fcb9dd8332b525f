/* SPDX-License-Identifier: ISC */
/*
 * The receiver's order of syncs, and nothing else of it: one thread makes drafts, appends
 * their lines to a ledger, and writes their frames with one sync, which is the acknowledgement;
 * another one makes them durable and visible behind it, as many at once as have come meanwhile.
 *
 *	fresh      acknowledged; the draft is in tmp/
 *	durable    the publisher's syncfs had the draft
 *	marked     the journal's next sync said so; only now it is renamed
 *	published  the next syncfs had the name
 *	free       the journal's next sync said so: the frame's place may be used again
 *
 * Each is a prefix of the items, so one number tells it.  Where LAG_MAX items are not free the
 * acknowledging thread waits, and where it waits, or has nothing more to do, it writes marks alone;
 * the clock stops when all is free.  So the rate is one that could be kept up for ever.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "lib/disk.h"
#include "raw.h"

#define LAG_MAX 8192 /* items: of batches of one block each, half of the ring */
#define GATHER 1024   /* items: the publisher syncs so many at once, or */
#define GATHER_MS 10  /* what has come in so many milliseconds */

struct order {
	struct raw *raw;
	struct ring ring;
	int ledger;
	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t moved;
	unsigned long fresh, marked, free; /* the acknowledging thread's */
	unsigned long durable, published;  /* the publisher's */
	int is_over;                       /* nothing fresh will come */
};

static void
wait_for_news(struct order *order)
{
	pthread_cond_wait(&order->moved, &order->lock);
}

static void
lock(struct order *order)
{
	pthread_mutex_lock(&order->lock);
}

static void
unlock(struct order *order)
{
	pthread_cond_broadcast(&order->moved);
	pthread_mutex_unlock(&order->lock);
}

/* ---- the publisher */

/* Waits until there is something to make durable or visible, and a mark for the latter; 0 when
 * all is published. */
static int
wait_for_work(struct order *order)
{
	int has_work;

	lock(order);
	while (order->marked < order->durable ||
	    (order->published == order->fresh && !order->is_over))
		wait_for_news(order);
	has_work = order->published < order->fresh;
	unlock(order);
	return has_work;
}

/* A sync of few items costs as much as one of many, and holds up those who make drafts. */
static unsigned long
gather(struct order *order)
{
	struct timespec nap = {0, 1000000};
	unsigned long fresh = 0;

	for (int naps = 0; naps < GATHER_MS; naps++) {
		int is_enough;

		lock(order);
		fresh = order->fresh;
		is_enough = order->is_over || fresh - order->durable >= GATHER;
		unlock(order);
		if (is_enough)
			break;
		nanosleep(&nap, NULL);
	}
	return fresh;
}

static void *
publish(void *ctx)
{
	struct order *order = ctx;
	unsigned long renamed = 0, durable = 0;

	while (wait_for_work(order)) {
		for (; renamed < durable; renamed++)
			raw_publish(order->raw, renamed);
		durable = gather(order);
		if (disk_sync_fs(order->ledger) < 0)
			raw_die("syncfs");
		lock(order);
		order->durable = durable;
		order->published = renamed;
		unlock(order);
	}
	return NULL;
}

/* ---- the acknowledging thread */

/* With `count` new items, or with marks alone. */
static void
sync_batch(struct order *order, unsigned long count)
{
	unsigned long durable, published;

	lock(order);
	durable = order->durable;
	published = order->published;
	unlock(order);
	ring_add(&order->ring, order->fresh, count);
	lock(order);
	order->fresh += count;
	order->marked = durable;
	order->free = published;
	unlock(order);
}

/* Writes marks until no more than `most` items are not free. */
static void
wait_for_room(struct order *order, unsigned long most)
{
	while (order->fresh - order->free > most) {
		lock(order);
		while (order->marked == order->durable && order->free == order->published)
			wait_for_news(order);
		unlock(order);
		sync_batch(order, 0);
	}
}

static void
acknowledge(struct order *order, double begin)
{
	struct raw *raw = order->raw;
	double last = begin;

	while (raw_goes_on(raw, begin)) {
		wait_for_room(order, LAG_MAX - raw->batch);
		for (unsigned long i = 0; i < raw->batch; i++) {
			if (close(raw_create(raw, raw->done + i)) < 0)
				raw_die("close");
		}
		raw_add_lines(order->ledger, raw->batch);
		sync_batch(order, raw->batch);
		raw->done += raw->batch;
		raw_add_lap(raw, &last);
	}
	lock(order);
	order->is_over = 1;
	unlock(order);
	wait_for_room(order, 0);
}

void
measure_journal(struct raw *raw)
{
	struct order order = {.raw = raw};
	pthread_t publisher;
	double begin;

	ring_open(&order.ring, raw, RING_WRITTEN);
	order.ledger = raw_open_lines(raw);
	pthread_mutex_init(&order.lock, NULL);
	pthread_cond_init(&order.moved, NULL);
	begin = raw_now();
	errno = pthread_create(&publisher, NULL, publish, &order);
	if (errno)
		raw_die("thread");
	acknowledge(&order, begin);
	raw->took = raw_now() - begin;
	pthread_join(publisher, NULL);
	pthread_cond_destroy(&order.moved);
	pthread_mutex_destroy(&order.lock);
	close(order.ledger);
	ring_close(&order.ring);
}
