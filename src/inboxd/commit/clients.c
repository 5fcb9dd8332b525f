/* SPDX-License-Identifier: ISC */
/*
 * Queues stand in an array in order of arrival, and in a tree by (identity,
 * queue): tsearch(3), which is enough for one look-up a connection.  A queue's
 * entries are a sorted array: numbers come nearly in order, so adding is
 * appending, and settling cuts off the head.
 */
#include "inboxd/commit/clients.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"

struct clients {
	void *tree;
	struct queue **queues;
	size_t count, room;
};

struct clients *
clients_new(void)
{
	return must_alloc(sizeof(struct clients));
}

static int
compare(const void *a, const void *b)
{
	const struct queue *x = a, *y = b;
	int order = strcmp(x->identity, y->identity);

	return order ? order : strcmp(x->id, y->id);
}

void
clients_free(struct clients *clients)
{
	if (!clients)
		return;
	for (size_t i = 0; i < clients->count; i++) {
		struct queue *queue = clients->queues[i];
		tdelete(queue, &clients->tree, compare);
		for (size_t j = 0; j < queue->count; j++)
			free(queue->entries[j]);
		free(queue->entries);
		free(queue->superseded);
		free(queue);
	}
	free(clients->queues);
	free(clients);
}

struct queue *
clients_find(struct clients *clients, const char *identity, const char *id)
{
	struct queue wanted;
	struct queue **node;

	snprintf(wanted.identity, sizeof wanted.identity, "%s", identity);
	snprintf(wanted.id, sizeof wanted.id, "%s", id);
	node = tfind(&wanted, &clients->tree, compare);
	return node ? *node : NULL;
}

struct queue *
clients_add(struct clients *clients, const char *identity, const char *id, uint64_t settled)
{
	struct queue *queue = must_alloc(sizeof *queue);

	snprintf(queue->identity, sizeof queue->identity, "%s", identity);
	snprintf(queue->id, sizeof queue->id, "%s", id);
	queue->settled = settled;
	if (!tsearch(queue, &clients->tree, compare))
		fatal(EX_OSERR, "out_of_memory", "what=queues");
	clients->queues = must_grow(
	    clients->queues, clients->count, &clients->room, sizeof *clients->queues);
	clients->queues[clients->count++] = queue;
	return queue;
}

size_t
clients_count(const struct clients *clients)
{
	return clients->count;
}

struct queue *
clients_at(const struct clients *clients, size_t i)
{
	return clients->queues[i];
}

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
	queue->settled = record->settled;
	queue->figures = record->figures;
}
