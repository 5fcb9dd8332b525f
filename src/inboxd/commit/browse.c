/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/browse.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/expected.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/missing.h"

#define USEC_PER_SEC 1000000
#define NEVER (1u << CLIENT_NEVER_CAME)

/* ---- a queue's state */

/* Whoever is connected is seen. */
static int64_t
queue_seen(const struct queue *queue, int64_t now)
{
	return queue->superseded ? now : queue->figures.hello.seen;
}

static int64_t
client_seen(const struct client *client, int64_t now)
{
	const struct queue *queue = NULL;
	int64_t seen = client->speaking > 0 ? now : 0;

	while (seen < now && (queue = client_next(client, queue)))
		if (queue->figures.hello.seen > seen)
			seen = queue->figures.hello.seen;
	return seen;
}

/* `seen`: client_seen(). */
static unsigned
states_of(const struct queue *queue, int64_t seen, const struct site *site, int64_t now)
{
	const struct client_rules rules = {site->settings->silent, site->settings->behind};
	const struct kept_figures *kept = &queue->figures;
	const struct client_facts facts = {
	    .seen = queue_seen(queue, now) / USEC_PER_SEC,
	    .client_seen = seen / USEC_PER_SEC,
	    .pending = kept->hello.backlog.pending,
	    .oldest = (int64_t)kept->hello.backlog.pending_oldest,
	    .last_stored = kept->tally.last_stored / USEC_PER_SEC,
	    .gaps = gaps_unknown(&queue->gaps),
	};

	return client_states_of(&facts, &rules, now / USEC_PER_SEC);
}

/* ---- a page */

struct browsing {
	const struct clients *clients;
	struct view *view;
	int64_t now;
	size_t work;
	const struct client *client; /* the last one looked at, */
	int64_t seen;                /* and when it was seen */
};

static int
is_wanted(const struct view *view, const char *identity, unsigned states)
{
	const struct view_filter *filter = &view->filter;

	return (!filter->states || filter->states & states) &&
	    (!filter->match[0] || fnmatch(filter->match, identity, FNM_NOESCAPE) == 0);
}

static struct client_view *
add_view(struct browsing *b, const char *identity, unsigned states)
{
	struct client_view *out = &b->view->views[b->view->count++];

	snprintf(out->identity, sizeof out->identity, "%s", identity);
	out->states = states;
	return out;
}

static void
look_at(struct browsing *b, const struct queue *queue)
{
	struct client_view *out;
	unsigned states;

	b->work++;
	if (b->client != queue->client) {
		b->client = queue->client;
		b->seen = client_seen(b->client, b->now);
		b->work += b->client->count;
	}
	states = states_of(queue, b->seen, b->view->site, b->now);
	if (!is_wanted(b->view, queue->identity, states))
		return;
	out = add_view(b, queue->identity, states);
	snprintf(out->queue, sizeof out->queue, "%s", queue->id);
	out->connected = queue->superseded != NULL;
	out->settled = queue->settled;
	out->unsettled = queue->entries.items;
	queue_figures(queue, &out->figures);
	out->figures.hello.seen = queue_seen(queue, b->now);
	missing_show(queue, out);
}

static int
is_full(const struct browsing *b)
{
	return b->view->count == VIEWS_MAX || b->work >= BROWSE_WORK;
}

/* Where the page ends; 0: with the last queue. */
static uint64_t
look_at_queues(struct browsing *b, uint64_t from)
{
	const struct queue *queue = clients_from(b->clients, from);

	for (; queue; queue = clients_next(b->clients, queue)) {
		if (is_full(b))
			return queue->arrival;
		look_at(b, queue);
	}
	return 0;
}

static uint64_t
look_at_expected(struct browsing *b, uint64_t from)
{
	const struct expected *expected = b->view->site->expected;
	size_t count = expected_count(expected);

	for (uint64_t i = from; i < count; i++) {
		const char *identity = expected_at(expected, i);
		if (is_full(b))
			return BROWSE_EXPECTED + i;
		b->work++;
		if (is_wanted(b->view, identity, NEVER) &&
		    !clients_find_client(b->clients, identity))
			add_view(b, identity, NEVER);
	}
	return 0;
}

/* One client, whose queues are counted from 0 by their ids. */
static uint64_t
look_at_client(struct browsing *b, uint64_t from)
{
	const char *identity = b->view->filter.identity;
	const struct client *client = clients_find_client(b->clients, identity);
	const struct queue *queue = NULL;

	if (!client && from == 0 && expected_has(b->view->site->expected, identity) &&
	    is_wanted(b->view, identity, NEVER))
		add_view(b, identity, NEVER);
	for (uint64_t i = 0; client && (queue = client_next(client, queue)); i++) {
		if (i < from)
			continue;
		if (is_full(b))
			return i;
		look_at(b, queue);
	}
	return 0;
}

void
browse_page(const struct clients *clients, struct view *view, int64_t now)
{
	const unsigned states = view->filter.states;
	struct browsing b = {.clients = clients, .view = view, .now = now};
	uint64_t from = view->from;

	view->count = 0;
	view->next = 0;
	view->views = calloc(VIEWS_MAX, sizeof *view->views);
	if (!view->views)
		return;
	if (view->filter.identity[0]) {
		view->next = look_at_client(&b, from);
		return;
	}
	if (from < BROWSE_EXPECTED && states != NEVER)
		view->next = look_at_queues(&b, from);
	if (view->next == 0 && (!states || states & NEVER))
		view->next = look_at_expected(&b,
		    from < BROWSE_EXPECTED ? 0 : from - BROWSE_EXPECTED);
}

/* ---- a census */

static void
count_client(struct census_counts *counts, const struct client *client, const struct site *site,
    int64_t now)
{
	int64_t seen = client_seen(client, now);
	const struct queue *queue = NULL;
	unsigned states = 0;
	int failed = 0;

	while ((queue = client_next(client, queue))) {
		states |= states_of(queue, seen, site, now);
		failed |= queue->figures.hello.backlog.failed > 0;
	}
	counts->states[client_state_worst(states)]++;
	counts->ages[client_age_of(seen / USEC_PER_SEC, now / USEC_PER_SEC)]++;
	counts->failed += (uint64_t)failed;
}

/* Both are in the order of their names; so those between two clients never came. */
void
browse_census(const struct clients *clients, struct census *census, int64_t now)
{
	const struct expected *expected = census->site->expected;
	uint64_t *never_came = &census->counts.states[CLIENT_NEVER_CAME];
	const struct client *client;
	size_t work = 0;

	while (work < BROWSE_CENSUS_WORK &&
	    (client = clients_behind(clients, census->behind))) {
		size_t at = expected_from(expected, client->identity);
		*never_came += at - census->at;
		census->at = at + (size_t)(at < expected_count(expected) &&
		    strcmp(expected_at(expected, at), client->identity) == 0);
		count_client(&census->counts, client, census->site, now);
		snprintf(census->behind, sizeof census->behind, "%s", client->identity);
		work += client->count;
	}
	if (work >= BROWSE_CENSUS_WORK)
		return;
	*never_came += expected_count(expected) - census->at;
	census->is_whole = 1;
}
