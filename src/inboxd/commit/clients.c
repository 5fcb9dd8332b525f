/* SPDX-License-Identifier: ISC */
/*
 * Queues stand in three orders, each a tree: by name, by arrival, and those that rest by when
 * they were seen.
 */
#include "inboxd/commit/clients.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"

struct clients {
	struct tree by_name, by_arrival, by_seen;
	size_t count;
	uint64_t arrivals;
};

struct clients *
clients_new(void)
{
	return must_alloc(sizeof(struct clients));
}

/* ---- the three orders */

struct queue_name {
	const char *identity, *id;
};

static int
compare_names(const void *key, const struct node *node)
{
	const struct queue_name *name = key;
	const struct queue *queue = tree_entry(node, const struct queue, by_name);
	int order = strcmp(name->identity, queue->identity);

	return order ? order : strcmp(name->id, queue->id);
}

static int
compare_arrivals(const void *key, const struct node *node)
{
	const uint64_t *arrival = key;
	const struct queue *queue = tree_entry(node, const struct queue, by_arrival);

	return (*arrival > queue->arrival) - (*arrival < queue->arrival);
}

/* Two may have been seen at one time. */
static int
compare_seen(const void *key, const struct node *node)
{
	const struct queue *a = key, *b = tree_entry(node, const struct queue, by_seen);
	int64_t seen = a->figures.hello.seen, other = b->figures.hello.seen;

	return seen == other ? compare_arrivals(&a->arrival, &b->by_arrival)
			     : (seen > other) - (seen < other);
}

/* After each change of what it depends on. */
static void
update_rest(struct queue *queue)
{
	struct tree *resting = &queue->clients->by_seen;
	int rests = queue->holds == 0 && !queue->entries.tree.root;

	if (rests == queue->rests)
		return;
	queue->rests = rests;
	if (rests)
		tree_add(resting, &queue->by_seen, queue, compare_seen);
	else
		tree_remove(resting, &queue->by_seen, queue, compare_seen);
}

/* ---- queues */

static void
free_queue(struct queue *queue)
{
	entries_clear(&queue->entries);
	free(queue->superseded);
	free(queue);
}

void
clients_free(struct clients *clients)
{
	struct queue *queue, *next;

	if (!clients)
		return;
	for (queue = clients_next(clients, NULL); queue; queue = next) {
		next = clients_next(clients, queue);
		tree_remove(&clients->by_arrival, &queue->by_arrival, &queue->arrival,
		    compare_arrivals);
		free_queue(queue);
	}
	free(clients);
}

struct queue *
clients_find(struct clients *clients, const char *identity, const char *id)
{
	const struct queue_name name = {identity, id};
	struct node *node = tree_find(&clients->by_name, &name, compare_names);

	return node ? tree_entry(node, struct queue, by_name) : NULL;
}

struct queue *
clients_add(struct clients *clients, const char *identity, const char *id, uint64_t settled)
{
	struct queue *queue = must_alloc(sizeof *queue);
	const struct queue_name name = {identity, id};

	snprintf(queue->identity, sizeof queue->identity, "%s", identity);
	snprintf(queue->id, sizeof queue->id, "%s", id);
	queue->clients = clients;
	queue->settled = settled;
	queue->arrival = clients->arrivals++;
	tree_add(&clients->by_name, &queue->by_name, &name, compare_names);
	tree_add(&clients->by_arrival, &queue->by_arrival, &queue->arrival, compare_arrivals);
	update_rest(queue);
	clients->count++;
	return queue;
}

void
clients_remove(struct clients *clients, struct queue *queue)
{
	const struct queue_name name = {queue->identity, queue->id};

	assert(queue->holds == 0 && !queue->superseded);
	tree_remove(&clients->by_name, &queue->by_name, &name, compare_names);
	tree_remove(
	    &clients->by_arrival, &queue->by_arrival, &queue->arrival, compare_arrivals);
	if (queue->rests)
		tree_remove(&clients->by_seen, &queue->by_seen, queue, compare_seen);
	clients->count--;
	free_queue(queue);
}

size_t
clients_count(const struct clients *clients)
{
	return clients->count;
}

struct queue *
clients_from(const struct clients *clients, uint64_t arrival)
{
	struct node *node = tree_from(&clients->by_arrival, &arrival, compare_arrivals);

	return node ? tree_entry(node, struct queue, by_arrival) : NULL;
}

struct queue *
clients_next(const struct clients *clients, const struct queue *queue)
{
	return clients_from(clients, queue ? queue->arrival + 1 : 0);
}

struct queue *
clients_longest_unseen(const struct clients *clients)
{
	struct node *node = tree_first(&clients->by_seen);

	return node ? tree_entry(node, struct queue, by_seen) : NULL;
}

void
queue_hold(struct queue *queue)
{
	queue->holds++;
	update_rest(queue);
}

void
queue_release(struct queue *queue)
{
	assert(queue->holds > 0);
	queue->holds--;
	update_rest(queue);
}

void
queue_see(struct queue *queue, int64_t when)
{
	struct tree *resting = &queue->clients->by_seen;

	if (queue->rests)
		tree_remove(resting, &queue->by_seen, queue, compare_seen);
	queue->figures.hello.seen = when;
	if (queue->rests)
		tree_add(resting, &queue->by_seen, queue, compare_seen);
}

/* ---- entries */

struct known *
queue_find(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE])
{
	return entries_find(&queue->entries, number, inbox, sha256);
}

int
queue_has_used(const struct queue *queue, uint64_t number)
{
	return number < queue->settled || entries_have_item(&queue->entries, number);
}

struct known *
queue_add_item(struct queue *queue, const struct record *accept)
{
	struct known *known = entries_add_item(&queue->entries, accept);

	update_rest(queue);
	return known;
}

int
queue_add_skip(struct queue *queue, uint64_t number)
{
	if (number < queue->settled || !entries_add_skip(&queue->entries, number))
		return 0;
	update_rest(queue);
	return 1;
}

int
queue_void(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE], uint64_t seq)
{
	struct known *known =
	    entries_find_accept(&queue->entries, number, inbox, sha256, seq);

	if (!known)
		return 0;
	entries_remove(&queue->entries, known);
	update_rest(queue);
	return 1;
}

int
is_jump(uint64_t first, uint64_t last)
{
	return last - first >= CLIENTS_JUMP;
}

uint64_t
queue_settle(struct queue *queue, uint64_t number,
    void (*on_gap)(void *ctx, struct queue *queue, uint64_t first, uint64_t last), void *ctx)
{
	uint64_t next = queue->settled, missing = 0, known = 0;
	struct known *entry;

	while (known < number) {
		entry = entries_next(&queue->entries, NULL);
		known = entry && entry->number < number ? entry->number : number;
		if (known > next) {
			missing += is_jump(next, known - 1) ? 1 : known - next;
			on_gap(ctx, queue, next, known - 1);
		}
		if (known >= next)
			next = known + 1;
		if (known < number)
			entries_remove(&queue->entries, entry);
	}
	if (number > queue->settled)
		queue->settled = number;
	update_rest(queue);
	return missing;
}

void
queue_record(const struct queue *queue, struct record *out)
{
	out->type = RECORD_QUEUE;
	snprintf(out->identity, sizeof out->identity, "%s", queue->identity);
	snprintf(out->queue, sizeof out->queue, "%s", queue->id);
	out->settled = queue->settled;
	out->figures = queue->figures;
}

void
queue_restore(struct queue *queue, const struct record *record)
{
	queue_see(queue, record->figures.hello.seen);
	queue->settled = record->settled;
	queue->figures = record->figures;
}
