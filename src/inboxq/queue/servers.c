/* SPDX-License-Identifier: ISC */
#include "inboxq/queue/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxq/queue/backoff.h"
#include "lib/spread.h"

#define SECOND INT64_C(1000000)

struct server {
	char *name;
	unsigned id;
	struct backoff backoff;
	int64_t due;   /* it may be tried from then on */
	int64_t asked; /* so long it asked for itself */
	int64_t ended; /* the last try; 0: none yet */
	int has_failed; /* since it stored an item, or ever */
};

struct servers {
	struct server *all;
	size_t count;
	unsigned ids; /* given so far */
	uint64_t min, max; /* seconds */
	struct spread spread;
	struct backoff own; /* for what is our own trouble */
	int64_t hold;  /* none is tried before */
};

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct servers *
servers_new(char *const *names, size_t count, uint64_t min, uint64_t max)
{
	struct servers *servers = calloc(1, sizeof *servers);

	if (!servers)
		return NULL;
	servers->min = min;
	servers->max = max;
	servers->own.wait = min;
	spread_begin(&servers->spread);
	servers->all = calloc(count ? count : 1, sizeof *servers->all);
	if (!servers->all)
		goto fail;
	for (; servers->count < count; servers->count++) {
		struct server *server = &servers->all[servers->count];

		server->name = strdup(names[servers->count]);
		if (!server->name)
			goto fail;
		server->id = servers->ids++;
		server->backoff.wait = min;
	}
	return servers;
fail:
	servers_free(servers);
	return NULL;
}

void
servers_free(struct servers *servers)
{
	if (!servers)
		return;
	for (size_t i = 0; i < servers->count; i++)
		free(servers->all[i].name);
	free(servers->all);
	free(servers);
}

void
servers_seed(struct servers *servers, uint64_t seed)
{
	servers->spread.state = seed;
}

static const struct server *
find(const struct servers *servers, const char *name)
{
	for (size_t i = 0; i < servers->count; i++)
		if (strcmp(servers->all[i].name, name) == 0)
			return &servers->all[i];
	return NULL;
}

/* The limits may be others now. */
static uint64_t
within(const struct servers *servers, uint64_t wait)
{
	if (wait < servers->min)
		return servers->min;
	return wait < servers->max ? wait : servers->max;
}

void
servers_take_over(struct servers *servers, const struct servers *old)
{
	servers->ids = old->ids;
	servers->hold = old->hold;
	servers->spread = old->spread;
	servers->own.wait = within(servers, old->own.wait);
	for (size_t i = 0; i < servers->count; i++) {
		struct server *server = &servers->all[i];
		const struct server *before = find(old, server->name);

		if (before) {
			server->id = before->id;
			server->backoff.wait = within(servers, before->backoff.wait);
			server->due = before->due;
			server->asked = before->asked;
			server->ended = before->ended;
			server->has_failed = before->has_failed;
		} else {
			server->id = servers->ids++;
		}
	}
}

size_t
servers_count(const struct servers *servers)
{
	return servers->count;
}

const char *
servers_name(const struct servers *servers, size_t which)
{
	return servers->all[which].name;
}

void
servers_print(const struct servers *servers, char *dst, size_t room)
{
	static const char more[] = " ...";
	size_t len = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < servers->count; i++) {
		size_t rest = i + 1 < servers->count ? strlen(more) : 0;
		const char *name = servers->all[i].name;

		if (len + (i > 0) + strlen(name) + rest >= room) {
			snprintf(dst + len, room - len, "%s", i > 0 ? more : more + 1);
			return;
		}
		len += (size_t)snprintf(dst + len, room - len, "%s%s", i > 0 ? " " : "", name);
	}
}

unsigned
servers_id(const struct servers *servers, size_t which)
{
	return servers->all[which].id;
}

size_t
servers_better(const struct servers *servers, size_t which, int64_t now)
{
	for (size_t i = 0; i < which && i < servers->count; i++)
		if (servers->all[i].due <= now)
			return i;
	return SERVERS_NONE;
}

size_t
servers_next(const struct servers *servers, int64_t now)
{
	return now < servers->hold ? SERVERS_NONE
	                           : servers_better(servers, servers->count, now);
}

int
servers_may_try(const struct servers *servers, size_t which, int64_t now)
{
	return servers->all[which].due <= now;
}

int
servers_is_away(const struct servers *servers, size_t which, int64_t now)
{
	return servers->all[which].asked > now;
}

int64_t
servers_due(const struct servers *servers)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < servers->count; i++)
		if (servers->all[i].due < first)
			first = servers->all[i].due;
	return later(first, servers->hold);
}

void
servers_stored(struct servers *servers, size_t which)
{
	servers->all[which].backoff.wait = servers->min;
	servers->all[which].has_failed = 0;
	servers->own.wait = servers->min;
}

void
servers_failed(struct servers *servers, size_t which, int64_t now)
{
	struct server *server = &servers->all[which];
	int64_t wait = (int64_t)backoff_next(&server->backoff, &servers->spread, servers->min,
	    servers->max);

	server->due = now + later(wait, SERVERS_FLOOR);
	server->ended = now;
	server->has_failed = 1;
}

int
servers_has_failed(const struct servers *servers, size_t which)
{
	return servers->all[which].has_failed;
}

void
servers_away(struct servers *servers, size_t which, int64_t now, uint64_t seconds)
{
	struct server *server = &servers->all[which];

	servers_failed(servers, which, now);
	server->asked =
	    now + (int64_t)spread_wait(&servers->spread, seconds * (uint64_t)SECOND);
	server->due = later(server->due, server->asked);
}

void
servers_left(struct servers *servers, size_t which)
{
	servers->all[which].due = 0;
}

void
servers_rest(struct servers *servers, size_t which, int64_t now)
{
	struct server *server = &servers->all[which];

	server->due = now + SERVERS_FLOOR;
	server->ended = now;
}

void
servers_wait(struct servers *servers, int64_t until)
{
	servers->hold = later(servers->hold, until);
}

void
servers_pause(struct servers *servers, int64_t now)
{
	uint64_t most = servers->min * (uint64_t)SECOND;

	servers_wait(servers, now + (int64_t)spread_draw(&servers->spread, 0, most));
}

void
servers_hold(struct servers *servers, int64_t now)
{
	int64_t wait = (int64_t)backoff_next(&servers->own, &servers->spread, servers->min,
	    servers->max);

	servers_wait(servers, now + later(wait, SERVERS_FLOOR));
}

void
servers_hurry(struct servers *servers, int64_t now)
{
	servers->hold = 0;
	for (size_t i = 0; i < servers->count; i++) {
		struct server *server = &servers->all[i];
		int64_t soonest = server->ended ? server->ended + SERVERS_FLOOR : 0;

		if (server->due > now)
			server->due = later(server->asked, soonest);
	}
}
