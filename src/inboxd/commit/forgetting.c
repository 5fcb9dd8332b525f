/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/forgetting.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"

/* How many are looked at for one whose last item is stored.  What is under way for so long that
 * more were seen last before it is in trouble, and new items are put off anyway. */
#define LOOK_MAX 64

#define WAIT_MAX 3600 /* seconds */

/* ---- one queue */

static int
is_under_way(const struct forgetting *f, const struct queue *queue)
{
	return queue->last_seq > ledger_stored(f->ledger);
}

static void
tell_log(struct forgetting *f, const struct queue *queue, const char *reason, uint64_t unseen)
{
	static const char format[] =
	    "client=%s queue=%s reason=%s settled=%llu unsettled=%zu gaps=%llu "
	    "unseen=%llu";
	unsigned long long settled = queue->settled, gaps = gaps_unknown(&queue->gaps);

	if (strcmp(reason, "command") == 0)
		log_event(LOG_NOTICE, "queue_forgotten", format, queue->identity, queue->id, reason,
		    settled, queue->entries.items, gaps, (unsigned long long)unseen);
	else
		log_limited(&f->gate, LOG_NOTICE, "queue_forgotten", format, queue->identity,
		    queue->id, reason, settled, queue->entries.items, gaps,
		    (unsigned long long)unseen);
}

/* The record, and its end. */
static void
forget(struct forgetting *f, struct queue *queue, const char *reason, enum counter counter)
{
	struct record record = {.type = RECORD_QUEUE};

	assert(queue->holds == 0 && !is_under_way(f, queue));
	queue_record(queue, &record);
	record.forgotten = clock_utc();
	snprintf(record.reason, sizeof record.reason, "%s", reason);
	ledger_append(f->ledger, &record);
	tell_log(f, queue, reason, ledger_age(f->ledger) - queue->age);
	stats_add(f->stats, counter, 1);
	stats_sub(f->stats, STAT_NOW_QUEUES, 1);
	stats_sub(f->stats, STAT_NOW_UNSETTLED, queue->entries.items);
	stats_sub(f->stats, STAT_NOW_SKIPS, queue->entries.skips);
	stats_sub(f->stats, STAT_NOW_GAPS, gaps_unknown(&queue->gaps));
	if (queue->came > f->came)
		f->came = queue->came;
	clients_remove(f->clients, queue);
}

/* ---- by age and by room */

/* Of those that rest the one unseen for longest of whom nothing is under way; NULL: there is
 * none. */
static struct queue *
find_oldest(const struct forgetting *f)
{
	struct queue *queue = NULL;

	for (int i = 0; i < LOOK_MAX; i++) {
		queue = clients_longest_unseen(f->clients, queue);
		if (!queue || !is_under_way(f, queue))
			return queue;
	}
	return NULL;
}

/* Likewise of one client: it has to be walked, as far as its queues go. */
static struct queue *
find_oldest_of(const struct forgetting *f, const char *identity)
{
	struct client *client = clients_find_client(f->clients, identity);
	struct queue *queue = NULL, *oldest = NULL;

	while (client && (queue = client_next(client, queue))) {
		if (queue->rests && !is_under_way(f, queue) &&
		    (!oldest || queue_is_longer_unseen(queue, oldest)))
			oldest = queue;
	}
	return oldest;
}

/* Seconds until the queue's time has come; UINT64_MAX: it never does. */
static uint64_t
time_left(const struct forgetting *f, const struct queue *queue)
{
	uint64_t unseen = ledger_age(f->ledger) - queue->age;

	if (f->limits->forget == 0)
		return UINT64_MAX;
	return unseen < f->limits->forget ? f->limits->forget - unseen : 0;
}

static int
are_too_many(const struct forgetting *f)
{
	return clients_count(f->clients) > f->limits->most[LIMIT_QUEUES];
}

void
forgetting_in_steps(struct forgetting *f)
{
	int64_t now = clock_monotonic();
	struct queue *queue;

	if (!f || now < f->next)
		return;
	f->next = now + CLOCK_SECOND;
	for (int i = 0; i < FORGETTING_STEP && (queue = find_oldest(f)); i++) {
		if (time_left(f, queue) == 0)
			forget(f, queue, "age", STAT_FORGOTTEN_AGE);
		else if (are_too_many(f))
			forget(f, queue, "room", STAT_FORGOTTEN_ROOM);
		else
			break;
	}
}

int
forgetting_wait(const struct forgetting *f)
{
	const struct queue *queue = f ? find_oldest(f) : NULL;
	uint64_t left;

	if (!queue)
		return -1; /* before there is one a message comes */
	left = are_too_many(f) ? 0 : time_left(f, queue);
	if (left == UINT64_MAX)
		return -1;
	if (left == 0)
		left = 1;
	return left < WAIT_MAX ? (int)left * 1000 : WAIT_MAX * 1000;
}

int
forgetting_by_room(struct forgetting *f, enum limit limit, const char *identity)
{
	struct queue *queue = NULL;

	if (limit == LIMIT_QUEUES)
		queue = find_oldest(f);
	if (limit == LIMIT_CLIENT_QUEUES)
		queue = find_oldest_of(f, identity);
	if (queue)
		forget(f, queue, "room", STAT_FORGOTTEN_ROOM);
	return queue != NULL;
}

/* ---- by hand */

/* Is the queue in the way, and worse than what was met before? */
static void
judge(const struct forgetting *f, const struct queue *queue, int force,
    struct forget_answer *answer)
{
	enum forget_outcome outcome = FORGET_DONE;

	if (queue->holds > 0)
		outcome = FORGET_CONNECTED;
	else if (is_under_way(f, queue))
		outcome = FORGET_UNDER_WAY;
	else if (queue->entries.items > 0 && !force)
		outcome = FORGET_UNSETTLED;
	answer->queues++;
	answer->unsettled += queue->entries.items;
	if (outcome == FORGET_DONE || answer->outcome == FORGET_CONNECTED)
		return;
	answer->outcome = outcome;
	snprintf(answer->queue, sizeof answer->queue, "%s", queue->id);
}

/* The first one that is wished behind `queue`; NULL: there is none. */
static struct queue *
next_wished(const struct client *client, const struct queue *queue, const struct forget_wish *wish)
{
	struct queue *next = client_next(client, queue);

	while (next && strncmp(next->id, wish->queue, strlen(wish->queue)) != 0)
		next = client_next(client, next);
	return next;
}

static void
judge_all(const struct forgetting *f, const struct client *client,
    const struct forget_wish *wish, struct forget_answer *answer)
{
	const struct queue *queue = NULL;

	while (client && (queue = next_wished(client, queue, wish)))
		judge(f, queue, wish->force, answer);
	if (answer->queues == 0)
		answer->outcome = FORGET_UNKNOWN;
	else if (answer->queues > 1 && wish->queue[0])
		answer->outcome = FORGET_AMBIGUOUS;
}

void
forgetting_by_wish(struct forgetting *f, struct forget *wanted)
{
	struct forget_answer *answer = &wanted->answer;
	const struct client *client;
	struct queue *queue, *next;

	memset(answer, 0, sizeof *answer);
	answer->outcome = f ? FORGET_DONE : FORGET_FULL;
	if (!f)
		return;
	client = clients_find_client(f->clients, wanted->wish.identity);
	judge_all(f, client, &wanted->wish, answer);
	if (answer->outcome != FORGET_DONE)
		return;
	/* The client goes with the last of its queues. */
	for (queue = next_wished(client, NULL, &wanted->wish); queue; queue = next) {
		next = next_wished(client, queue, &wanted->wish);
		forget(f, queue, "command", STAT_FORGOTTEN_COMMAND);
	}
}
