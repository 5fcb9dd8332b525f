/* SPDX-License-Identifier: ISC */
#include "inboxd/census.h"

#include <event2/event.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/site.h"
#include "inboxd/base/stats.h"
#include "inboxd/commit/request.h"
#include "inboxd/threads.h"
#include "lib/clock.h"
#include "lib/log.h"

/* At most so often when somebody looks; and no larger a part of the time. */
#define LOOK_EVERY CLOCK_SECOND
#define LOOK_PART 20

_Static_assert(STAT_CLIENTS_NEVER_CAME - STAT_CLIENTS_UP_TO_DATE == CLIENT_NEVER_CAME,
    "a row a state, in their order");
_Static_assert(STAT_SEEN_OLDER - STAT_SEEN_HOUR == CLIENT_AGE_OLDER,
    "a row a class, in their order");

static void
keep(struct census_taker *taker, const struct census_counts *counts)
{
	struct stats *stats = taker->stats;

	for (int i = 0; i < CLIENT_STATES; i++)
		stats_set(stats, (enum counter)(STAT_CLIENTS_UP_TO_DATE + i), counts->states[i]);
	for (int i = 0; i < CLIENT_AGES; i++)
		stats_set(stats, (enum counter)(STAT_SEEN_HOUR + i), counts->ages[i]);
	stats_set(stats, STAT_CLIENTS_FAILED, counts->failed);
	stats_set(stats, STAT_CLIENTS_COUNTED, (uint64_t)(clock_utc() / CLOCK_SECOND));
}

void
census_drop(struct request *request)
{
	struct census *census = (struct census *)request;

	site_unref(census->site);
	free(census);
}

static void take(struct census_taker *taker);

static void
on_part(struct request *request)
{
	struct census_taker *taker = request->asker;
	struct census *census = (struct census *)request;
	int is_old; /* there was a reload meanwhile */

	if (!census->is_whole) {
		threads_ask(taker->threads, request, COMMIT_CENSUS, on_part, taker);
		return;
	}
	taker->is_under_way = 0;
	taker->took = clock_monotonic() - taker->asked;
	keep(taker, &census->counts);
	log_event(LOG_DEBUG, "census", "microseconds=%lld", (long long)taker->took);
	is_old = census->site != *taker->site;
	census_drop(request);
	if (is_old)
		take(taker);
}

static void
take(struct census_taker *taker)
{
	struct census *census;

	if (taker->is_under_way)
		return;
	census = must_alloc(sizeof *census);
	census->site = site_ref(*taker->site);
	taker->is_under_way = 1;
	taker->asked = clock_monotonic();
	threads_ask(taker->threads, &census->request, COMMIT_CENSUS, on_part, taker);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct census_taker *taker = arg;
	const struct timeval every = {CENSUS_EVERY, 0};

	(void)fd, (void)what;
	take(taker);
	if (event_add(taker->timer, &every) < 0)
		log_event(LOG_WARNING, "no_census", "error=\"out of memory\"");
}

void
census_look(struct census_taker *taker)
{
	int64_t rest = LOOK_PART * taker->took;

	if (clock_monotonic() - taker->asked >= (rest > LOOK_EVERY ? rest : LOOK_EVERY))
		take(taker);
}

void
census_anew(struct census_taker *taker)
{
	event_active(taker->timer, EV_TIMEOUT, 0);
}

int
census_open(struct census_taker *taker, struct event_base *base)
{
	const struct timeval now = {0, 0};

	taker->timer = event_new(base, -1, 0, on_timer, taker);
	return taker->timer && event_add(taker->timer, &now) == 0 ? 0 : -1;
}

void
census_close(struct census_taker *taker)
{
	if (taker->timer)
		event_free(taker->timer);
}
