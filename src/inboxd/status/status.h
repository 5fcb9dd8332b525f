/* SPDX-License-Identifier: ISC */
/*
 * The status socket: HTTP over a UNIX socket, served on the main thread.  inboxd(8), "STATUS", has
 * the pages, which are read-only, and what may be asked to be done (wish.h):
 *
 *	/status   JSON: version, pid, since, counters and gauges by name; of the lookout
 *	/inboxes  JSON: each inbox with its folder, limits, and what waits in it; of the survey
 *	/clients  JSON: each queue with its marks, a part at a time; asked of the commit thread
 *	/metrics  Prometheus text format 0.0.4
 *	/healthz  "ok", or 503 and why no new client is served
 *	/forget   POST: a client's queues are forgotten; asked of the commit thread
 *	/gap      POST: what a client is missing is known; likewise
 *
 * It knows nothing of threads: what it needs it asks through struct status_source
 * (source.h).
 */
#ifndef INBOXD_STATUS_STATUS_H
#define INBOXD_STATUS_STATUS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/status/wish.h"
#include "lib/attr.h"
#include "lib/health.h"
#include "lib/why.h"

struct client_view;
struct event_base;
struct http_request;
struct status;
struct status_source;

/*
 * Listens on `path` with `mode`, and serves.  A socket file that nobody
 * listens on any more is taken over; one that is served is an error.
 * NULL, with the reason in `why`.
 */
MUST_CHECK struct status *status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, struct why *why);
/* Serves on `fd`, which listens on a UNIX socket that is not ours to remove; takes it in any
 * case. */
MUST_CHECK struct status *status_open_on(
    struct event_base *base, int fd, const struct status_source *source, struct why *why);
/* What is most wrong now, and its sentence, as problems_worst(). */
enum health_severity status_worst(struct status *status, char text[HEALTH_TEXT_ROOM]);
/* A page for somebody who has asked elsewhere: 1, and the request is taken; 0: there is no such
 * page.  Nothing can be wished here. */
MUST_CHECK int status_serve(struct status *status, struct http_request *request);
/* Also removes the socket file that status_open() made. */
void status_close(struct status *status);

/* The answer to source.clients(): takes `views` (malloc'ed; NULL: out of memory).  `next`:
 * where those begin that found no room; 0: there are none. */
void status_clients(struct status *status, struct client_view *views, size_t count,
    uint64_t next);
/* The answer to source.count(): source.inbox() has what is known. */
void status_counted(struct status *status);
/* The answer to source.look(): source.differs() has what was seen. */
void status_looked(struct status *status);
/* The answer to source.wish(): takes `text`, a page of JSON where `code`, of HTTP, is 200, else a
 * line for people without its end; NULL: out of memory. */
void status_done(struct status *status, enum wish_kind kind, int code, char *text);

#endif
