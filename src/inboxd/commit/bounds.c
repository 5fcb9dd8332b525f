/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/bounds.h"

/* One that takes its queue over from an older one makes room for itself: that one is told to go,
 * which takes it a while.  So many may be on their way at once. */
#define GOING_MAX 32

static int
has_session(const struct limits *limits, const struct client *client, const struct queue *queue)
{
	uint64_t most = limits->most[LIMIT_CLIENT_CONNECTIONS];
	int takes_over = queue && queue->superseded;

	if (!client)
		return 1;
	return (takes_over || client->speaking < most) && client->sessions < most + GOING_MAX;
}

enum limit
bounds_of_session(const struct limits *limits, const struct clients *clients,
    const struct client *client, const struct queue *queue)
{
	if (!has_session(limits, client, queue))
		return LIMIT_CLIENT_CONNECTIONS;
	if (queue)
		return LIMIT_NONE;
	if (client && client->count >= limits->most[LIMIT_CLIENT_QUEUES])
		return LIMIT_CLIENT_QUEUES;
	if (clients_count(clients) >= limits->most[LIMIT_QUEUES])
		return LIMIT_QUEUES;
	return LIMIT_NONE;
}

/* Which of the three is reached, if there are so many of each, and `times` as many may be? */
static enum limit
reached(const struct limits *limits, uint64_t times, size_t queue, size_t client, size_t all)
{
	if (queue >= times * limits->most[LIMIT_UNSETTLED])
		return LIMIT_UNSETTLED;
	if (client >= times * limits->most[LIMIT_CLIENT_UNSETTLED])
		return LIMIT_CLIENT_UNSETTLED;
	if (all >= times * limits->most[LIMIT_ALL_UNSETTLED])
		return LIMIT_ALL_UNSETTLED;
	return LIMIT_NONE;
}

enum limit
bounds_of_item(const struct limits *limits, const struct queue *queue)
{
	const struct client *client = queue->client;

	return reached(
	    limits, 1, queue->entries.items, client->items, clients_items(client->clients));
}

enum limit
bounds_of_skip(const struct limits *limits, const struct queue *queue)
{
	const struct client *client = queue->client;

	return reached(limits, LIMITS_SKIPS_AN_ITEM, queue->entries.skips, client->skips,
	    clients_skips(client->clients));
}

/* Ten times as much is no overflow: the limits are far from it. */
static int
is_new(int *is_near, const struct bounds_near *near)
{
	int was_near = *is_near;

	if (near->now * 10 >= near->most * 9)
		*is_near = 1;
	else if (near->now * 10 < near->most * 8)
		*is_near = 0;
	return *is_near && !was_near;
}

int
bounds_are_near(struct bounds_watch *watch, const struct limits *limits,
    const struct clients *clients, struct bounds_near *out)
{
	const uint64_t queues = limits->most[LIMIT_QUEUES];
	const uint64_t items = limits->most[LIMIT_ALL_UNSETTLED];
	const struct bounds_near watched[BOUNDS_WATCHED] = {
	    {LIMIT_QUEUES, "queues", clients_count(clients), queues},
	    {LIMIT_ALL_UNSETTLED, "items", clients_items(clients), items},
	    {LIMIT_ALL_UNSETTLED, "skips", clients_skips(clients),
	        items * LIMITS_SKIPS_AN_ITEM},
	};

	for (size_t i = 0; i < BOUNDS_WATCHED; i++) {
		*out = watched[i];
		if (is_new(&watch->is_near[i], out))
			return 1;
	}
	return 0;
}
