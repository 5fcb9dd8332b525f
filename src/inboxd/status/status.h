/* SPDX-License-Identifier: ISC */
/*
 * The status socket: read-only HTTP over a UNIX socket, served by evhttp on
 * the main thread.  inboxd(8), "STATUS", has the pages.
 *
 *	/status   JSON: version, pid, since, counters and gauges by name
 *	/inboxes  JSON: each inbox with its folder, limits, and what waits in it
 *	/clients  JSON: each queue with its marks; asked of the commit thread
 *	/metrics  Prometheus text format 0.0.4
 *	/healthz  "ok"
 *
 * It knows nothing of threads: what it needs it asks through `struct
 * status_source`.
 */
#ifndef INBOXD_STATUS_STATUS_H
#define INBOXD_STATUS_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/stats.h"
#include "lib/attr.h"

struct client_view;
struct event_base;
struct inbox_view;
struct status;

#define STATUS_SCHEMA 1

struct status_source {
	/* The sum over all threads. */
	void (*stats)(void *ctx, uint64_t values[STATS_COUNT]);
	/* The i-th inbox; 0, or -1 behind the last. */
	int (*inbox)(void *ctx, size_t i, struct inbox_view *out);
	/* Asks for all clients; status_clients() brings the answer, with the
	 * same ticket. */
	void (*clients)(void *ctx, uint64_t ticket);
	void *ctx;
};

/*
 * Listens on `path` with `mode`, and serves.  A socket file that nobody
 * listens on any more is taken over; one that is served is an error.
 * NULL, with the reason in `why`.
 */
#define STATUS_WHY_ROOM 256
MUST_CHECK struct status *status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, char why[STATUS_WHY_ROOM]);
/* Also removes the socket file. */
void status_close(struct status *status);

/* Takes `views` (malloc'ed; NULL: out of memory).  A ticket that nobody waits
 * for any more is fine. */
void status_clients(struct status *status, uint64_t ticket, struct client_view *views,
    size_t count);

#endif
