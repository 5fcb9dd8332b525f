/* SPDX-License-Identifier: ISC */
/*
 * Queues stand in three orders, each a tree: by name, by arrival, and those that rest by when
 * they were seen.  A queue's entries are a sorted array: numbers come nearly in order, so adding
 * is appending, and settling cuts off the head.
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
	int rests = queue->holds == 0 && queue->count == 0;

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
	for (size_t j = 0; j < queue->count; j++)
		free(queue->entries[j]);
	free(queue->entries);
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

/* Where the first entry with this number or a higher one stands. */
static size_t
position(const struct queue *queue, uint64_t number)
{
	size_t low = 0, high = queue->count;

	if (high > 0 && queue->entries[high - 1]->number < number)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (queue->entries[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct known *
queue_find(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE])
{
	for (size_t i = position(queue, number);
	     i < queue->count && queue->entries[i]->number == number; i++) {
		struct known *entry = queue->entries[i];
		if (!entry->is_skip && memcmp(entry->sha256, sha256, DIGEST_SIZE) == 0 &&
		    strcmp(entry->inbox, inbox) == 0)
			return entry;
	}
	return NULL;
}

int
queue_has_used(const struct queue *queue, uint64_t number)
{
	if (number < queue->settled)
		return 1;
	for (size_t i = position(queue, number);
	     i < queue->count && queue->entries[i]->number == number; i++) {
		if (!queue->entries[i]->is_skip)
			return 1;
	}
	return 0;
}

static void
insert(struct queue *queue, struct known *entry)
{
	size_t at = position(queue, entry->number);

	queue->entries =
	    must_grow(queue->entries, queue->count, &queue->room, sizeof *queue->entries);
	memmove(&queue->entries[at + 1], &queue->entries[at],
	    (queue->count - at) * sizeof *queue->entries);
	queue->entries[at] = entry;
	queue->count++;
	update_rest(queue);
}

struct known *
queue_add_item(struct queue *queue, const struct record *accept)
{
	size_t inbox = strlen(accept->inbox) + 1, name = strlen(accept->name) + 1;
	struct known *entry = must_alloc(sizeof *entry + inbox + name);
	char *texts = (char *)(entry + 1);

	entry->number = accept->n;
	entry->seq = accept->seq;
	entry->size = accept->size;
	entry->time = accept->time;
	memcpy(entry->sha256, accept->sha256, DIGEST_SIZE);
	entry->inbox = memcpy(texts, accept->inbox, inbox);
	entry->name = memcpy(texts + inbox, accept->name, name);
	insert(queue, entry);
	queue->items++;
	return entry;
}

int
queue_add_skip(struct queue *queue, uint64_t number)
{
	size_t at = position(queue, number);
	struct known *entry;

	if (number < queue->settled ||
	    (at < queue->count && queue->entries[at]->number == number))
		return 0;
	entry = must_alloc(sizeof *entry);
	entry->number = number;
	entry->is_skip = 1;
	entry->inbox = entry->name = "";
	insert(queue, entry);
	return 1;
}

void
queue_remove(struct queue *queue, struct known *entry)
{
	size_t at = position(queue, entry->number);

	while (queue->entries[at] != entry)
		at++;
	if (!entry->is_skip)
		queue->items--;
	free(entry);
	queue->count--;
	memmove(&queue->entries[at], &queue->entries[at + 1],
	    (queue->count - at) * sizeof *queue->entries);
	update_rest(queue);
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
	size_t end = position(queue, number);
	uint64_t next = queue->settled, missing = 0;

	for (size_t i = 0; i <= end; i++) {
		uint64_t known = i < end ? queue->entries[i]->number : number;
		if (known > next) {
			missing += is_jump(next, known - 1) ? 1 : known - next;
			on_gap(ctx, queue, next, known - 1);
		}
		if (known >= next)
			next = i < end ? known + 1 : known;
	}
	for (size_t i = 0; i < end; i++) {
		if (!queue->entries[i]->is_skip)
			queue->items--;
		free(queue->entries[i]);
	}
	queue->count -= end;
	if (end > 0)
		memmove(queue->entries, queue->entries + end,
		    queue->count * sizeof *queue->entries);
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
