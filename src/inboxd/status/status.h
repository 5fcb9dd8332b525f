/* SPDX-License-Identifier: ISC */
/*
 * The status socket: HTTP over a UNIX socket, served on the main thread.  inboxd(8), "STATUS", has
 * the pages, which are read-only, and the one thing that may be asked to be done:
 *
 *	/status   JSON: version, pid, since, counters and gauges by name
 *	/inboxes  JSON: each inbox with its folder, limits, and what waits in it; of the survey
 *	/clients  JSON: each queue with its marks, a part at a time; asked of the commit thread
 *	/metrics  Prometheus text format 0.0.4
 *	/healthz  "ok", or 503 and why no client is served
 *	/forget   POST: a client's queues are forgotten; asked of the commit thread, and allowed to
 *	          root and the receiver's own user alone
 *
 * It knows nothing of threads: what it needs it asks through struct status_source
 * (source.h).
 */
#ifndef INBOXD_STATUS_STATUS_H
#define INBOXD_STATUS_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/why.h"

struct client_view;
struct event_base;
struct forget_answer;
struct status;
struct status_source;

/*
 * Listens on `path` with `mode`, and serves.  A socket file that nobody
 * listens on any more is taken over; one that is served is an error.
 * NULL, with the reason in `why`.
 */
MUST_CHECK struct status *status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, struct why *why);
/* Also removes the socket file. */
void status_close(struct status *status);

/* The answer to source.clients(): takes `views` (malloc'ed; NULL: out of memory).  `next`:
 * where those begin that found no room; 0: there are none. */
void status_clients(struct status *status, struct client_view *views, size_t count,
    uint64_t next);
/* The answer to source.count(): source.inbox() has what is known. */
void status_counted(struct status *status);
/* The answer to source.forget(). */
void status_forgotten(struct status *status, const struct forget_answer *answer);

#endif
