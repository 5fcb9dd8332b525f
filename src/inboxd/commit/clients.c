/* SPDX-License-Identifier: ISC */
/*
 * Queues stand in three orders, each a tree: by arrival; those that rest by when they were seen;
 * and by name, which is two trees, one of clients and one of each client's queues.  A fleet has
 * about as many clients as queues, but a client's identity is longer than all that a tree costs.
 */
#include "inboxd/commit/clients.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"

struct clients {
	struct tree by_identity; /* of struct client */
	struct tree by_arrival, by_seen;
	size_t count, items, skips;
	uint64_t gaps_unknown;
	uint64_t arrivals;
};

struct clients *
clients_new(void)
{
	return must_alloc(sizeof(struct clients));
}

/* ---- the orders */

static int
compare_identities(const void *key, const struct node *node)
{
	return strcmp(key, tree_entry(node, const struct client, by_identity)->identity);
}

static int
compare_ids(const void *key, const struct node *node)
{
	return strcmp(key, tree_entry(node, const struct queue, by_id)->id);
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

	if (a->age != b->age)
		return a->age > b->age ? 1 : -1;
	return seen == other ? compare_arrivals(&a->arrival, &b->by_arrival)
			     : (seen > other) - (seen < other);
}

/* After each change of what it depends on. */
static void
update_rest(struct queue *queue)
{
	struct tree *resting = &queue->client->clients->by_seen;
	short rests = queue->holds == 0 && !queue->entries.tree.root;

	if (rests == queue->rests)
		return;
	queue->rests = rests;
	if (rests)
		tree_add(resting, &queue->by_seen, queue, compare_seen);
	else
		tree_remove(resting, &queue->by_seen, queue, compare_seen);
}

/* After each change of a queue's entries, which were as `before` says. */
static void
update_entries(struct queue *queue, const struct entries *before)
{
	struct client *client = queue->client;
	size_t items = queue->entries.items - before->items;
	size_t skips = queue->entries.skips - before->skips;

	client->items += items;
	client->skips += skips;
	client->clients->items += items;
	client->clients->skips += skips;
	update_rest(queue);
}

/* ---- clients and their queues */

struct client *
clients_find_client(const struct clients *clients, const char *identity)
{
	struct node *node = tree_find(&clients->by_identity, identity, compare_identities);

	return node ? tree_entry(node, struct client, by_identity) : NULL;
}

struct client *
clients_behind(const struct clients *clients, const char *identity)
{
	struct node *node = tree_behind(&clients->by_identity, identity, compare_identities);

	return node ? tree_entry(node, struct client, by_identity) : NULL;
}

static struct client *
find_or_add_client(struct clients *clients, const char *identity)
{
	struct client *client = clients_find_client(clients, identity);
	size_t size = strlen(identity) + 1;

	if (client)
		return client;
	client = must_alloc(sizeof *client + size);
	client->clients = clients;
	memcpy(client->identity, identity, size);
	tree_add(&clients->by_identity, &client->by_identity, client->identity,
	    compare_identities);
	return client;
}

struct queue *
clients_find(struct clients *clients, const char *identity, const char *id)
{
	struct client *client = clients_find_client(clients, identity);
	struct node *node = client ? tree_find(&client->queues, id, compare_ids) : NULL;

	return node ? tree_entry(node, struct queue, by_id) : NULL;
}

struct queue *
clients_add(struct clients *clients, const char *identity, const char *id, uint64_t settled)
{
	struct queue *queue = must_alloc(sizeof *queue);
	struct client *client = find_or_add_client(clients, identity);

	snprintf(queue->id, sizeof queue->id, "%s", id);
	queue->client = client;
	queue->identity = client->identity;
	queue->settled = settled;
	queue->arrival = clients->arrivals++;
	tree_add(&client->queues, &queue->by_id, queue->id, compare_ids);
	tree_add(&clients->by_arrival, &queue->by_arrival, &queue->arrival, compare_arrivals);
	update_rest(queue);
	client->count++;
	clients->count++;
	return queue;
}

static void
free_client(struct client *client)
{
	tree_remove(&client->clients->by_identity, &client->by_identity, client->identity,
	    compare_identities);
	free(client);
}

static void
free_queue(struct queue *queue)
{
	struct client *client = queue->client;
	struct clients *clients = client->clients;
	const struct entries before = queue->entries;
	const uint64_t gaps_before = gaps_unknown(&queue->gaps);

	entries_clear(&queue->entries);
	update_entries(queue, &before);
	gaps_clear(&queue->gaps);
	queue_count_gaps(queue, gaps_before);
	if (queue->rests)
		tree_remove(&clients->by_seen, &queue->by_seen, queue, compare_seen);
	tree_remove(&client->queues, &queue->by_id, queue->id, compare_ids);
	tree_remove(
	    &clients->by_arrival, &queue->by_arrival, &queue->arrival, compare_arrivals);
	free(queue->superseded);
	free(queue->figures.texts);
	free(queue);
	clients->count--;
	if (--client->count == 0)
		free_client(client);
}

void
clients_remove(struct clients *clients, struct queue *queue)
{
	assert(queue->holds == 0 && !queue->superseded);
	assert(queue->client->clients == clients);
	free_queue(queue);
}

void
clients_free(struct clients *clients)
{
	struct queue *queue;

	if (!clients)
		return;
	while ((queue = clients_next(clients, NULL)))
		free_queue(queue);
	free(clients);
}

size_t
clients_count(const struct clients *clients)
{
	return clients->count;
}

size_t
clients_items(const struct clients *clients)
{
	return clients->items;
}

size_t
clients_skips(const struct clients *clients)
{
	return clients->skips;
}

uint64_t
clients_gaps_unknown(const struct clients *clients)
{
	return clients->gaps_unknown;
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
clients_longest_unseen(const struct clients *clients, const struct queue *queue)
{
	struct node *node = queue ? tree_behind(&clients->by_seen, queue, compare_seen)
	                          : tree_first(&clients->by_seen);

	return node ? tree_entry(node, struct queue, by_seen) : NULL;
}

int
queue_is_longer_unseen(const struct queue *queue, const struct queue *than)
{
	return compare_seen(queue, &than->by_seen) < 0;
}

struct queue *
client_next(const struct client *client, const struct queue *queue)
{
	struct node *node = queue ? tree_behind(&client->queues, queue->id, compare_ids)
	                          : tree_first(&client->queues);

	return node ? tree_entry(node, struct queue, by_id) : NULL;
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
queue_see(struct queue *queue, int64_t when, uint64_t age)
{
	struct tree *resting = &queue->client->clients->by_seen;

	if (queue->rests)
		tree_remove(resting, &queue->by_seen, queue, compare_seen);
	queue->figures.hello.seen = when;
	queue->age = age;
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
	return entries_have_item(&queue->entries, number) ||
	    (number < queue->settled && !gaps_find(&queue->gaps, number));
}

struct known *
queue_add_item(struct queue *queue, const struct record *accept)
{
	const struct entries before = queue->entries;
	struct known *known = entries_add_item(&queue->entries, accept);

	queue->last_seq = accept->seq;
	update_entries(queue, &before);
	return known;
}

int
queue_add_skip(struct queue *queue, uint64_t number)
{
	const struct entries before = queue->entries;

	if (number < queue->settled || !entries_add_skip(&queue->entries, number))
		return 0;
	update_entries(queue, &before);
	return 1;
}

int
queue_void(struct queue *queue, uint64_t number, const char *inbox,
    const unsigned char sha256[DIGEST_SIZE], uint64_t seq)
{
	const struct entries before = queue->entries;
	struct known *known =
	    entries_find_accept(&queue->entries, number, inbox, sha256, seq);

	if (!known)
		return 0;
	entries_remove(&queue->entries, known);
	update_entries(queue, &before);
	return 1;
}

void
queue_count_gaps(struct queue *queue, uint64_t unknown_before)
{
	queue->client->clients->gaps_unknown += gaps_unknown(&queue->gaps) - unknown_before;
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
	const struct entries before = queue->entries;
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
	update_entries(queue, &before);
	return missing;
}

/* ---- figures */

/* Whoever adds to the one has to think of the other. */
_Static_assert(offsetof(struct hello, agent) == sizeof(((struct kept_figures *)0)->hello),
    "all of struct hello is kept");

static const char *
agent_of(const struct kept_figures *kept)
{
	return kept->texts ? kept->texts : "";
}

static const char *
address_of(const struct kept_figures *kept)
{
	return kept->texts ? kept->texts + strlen(kept->texts) + 1 : "";
}

/* One client comes again and again by one agent, and mostly from one address. */
static void
set_texts(struct kept_figures *kept, const struct hello *hello)
{
	size_t agent = strlen(hello->agent) + 1, address = strlen(hello->address) + 1;

	if (strcmp(agent_of(kept), hello->agent) == 0 &&
	    strcmp(address_of(kept), hello->address) == 0)
		return;
	free(kept->texts);
	kept->texts = NULL;
	if (agent + address == 2)
		return;
	kept->texts = must_alloc(agent + address);
	memcpy(kept->texts, hello->agent, agent);
	memcpy(kept->texts + agent, hello->address, address);
}

void
queue_set_hello(struct queue *queue, const struct hello *hello)
{
	queue->figures.hello.backlog = hello->backlog;
	set_texts(&queue->figures, hello);
}

void
queue_figures(const struct queue *queue, struct figures *out)
{
	const struct kept_figures *kept = &queue->figures;

	memset(out, 0, sizeof *out);
	out->hello.seen = kept->hello.seen;
	out->hello.backlog = kept->hello.backlog;
	snprintf(out->hello.agent, sizeof out->hello.agent, "%s", agent_of(kept));
	snprintf(out->hello.address, sizeof out->hello.address, "%s", address_of(kept));
	out->tally = kept->tally;
}

void
queue_record(const struct queue *queue, struct record *out)
{
	out->type = RECORD_QUEUE;
	snprintf(out->identity, sizeof out->identity, "%s", queue->identity);
	snprintf(out->queue, sizeof out->queue, "%s", queue->id);
	out->settled = queue->settled;
	queue_figures(queue, &out->figures);
	out->age = queue->age;
}

void
queue_restore(struct queue *queue, const struct record *record)
{
	queue_see(queue, record->figures.hello.seen, record->age);
	queue->settled = record->settled;
	queue_set_hello(queue, &record->figures.hello);
	queue->figures.tally = record->figures.tally;
}
