/* SPDX-License-Identifier: ISC */
/*
 * The status socket.  What the pages say, and their JSON, is in pages.c; the HTTP in http.c;
 * how the socket comes to be, in local.c.
 *
 * Requests are answered at once; only /clients waits for the commit thread and /inboxes for
 * the survey, as waiters that hold their request until the answer comes or PATIENCE is over.
 *
 * Rejected: a TCP port, which any local user and any web page in a browser on
 * this host could reach; the file's mode says who may ask.
 */
#include "config.h"

#include "inboxd/status/status.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inboxd/status/http.h"
#include "inboxd/status/local.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/source.h"
#include "lib/log.h"
#include "lib/parse.h"

#define PATIENCE 10 /* seconds for an answer of the commit thread */

enum asked { CLIENTS, INBOXES, ASKED };

struct waiter {
	struct status *status;
	struct event *timer;
	struct http_request *req; /* NULL: place is free */
	enum asked page;
	uint64_t ticket; /* in order of arrival */
	uint64_t from;   /* of /clients */
};

struct status {
	struct http *http;
	struct status_source source;
	int64_t since;
	uint64_t last_ticket;
	uint64_t asked[ASKED]; /* the ticket up to which the page is asked for; 0: no question is
	                          under way */
	struct waiter waiting[HTTP_CONNECTIONS];
	struct log_gate gate;
	struct local socket;
};

static int64_t
seconds_now(void)
{
	return (int64_t)time(NULL);
}

#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* ---- pages */

static void
serve_status(struct status *status, struct http_request *req)
{
	uint64_t values[STATS_COUNT] = {0};

	status->source.stats(status->source.ctx, values);
	http_reply_page(req, HTTP_JSON, pages_status(values, status->since, seconds_now(),
	                                        status->source.reload_error(status->source.ctx)));
}

static void
serve_metrics(struct status *status, struct http_request *req)
{
	uint64_t values[STATS_COUNT] = {0};
	int openmetrics = http_accepts(req, "application/openmetrics-text");

	status->source.stats(status->source.ctx, values);
	http_reply_page(req, openmetrics ? TYPE_OPENMETRICS : TYPE_PROMETHEUS,
	    pages_metrics(&status->source, values, openmetrics));
}

static void
serve_healthz(struct status *status, struct http_request *req)
{
	struct why why;

	if (!status->source.trouble(status->source.ctx, &why)) {
		http_reply(req, 200, HTTP_TEXT, "ok\n");
		return;
	}
	why_say(&why, "%s\n", why.text);
	http_reply(req, 503, HTTP_TEXT, why.text);
}

/* ---- pages that another thread is asked for */

/* Frees the place; the caller replies. */
static struct http_request *
waiter_end(struct waiter *waiter)
{
	struct http_request *req = waiter->req;

	waiter->req = NULL;
	event_del(waiter->timer);
	return req;
}

/* The one that has waited longest for this page, or NULL. */
static struct waiter *
first_waiter(struct status *status, enum asked page)
{
	struct waiter *first = NULL;

	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct waiter *waiter = &status->waiting[i];
		if (waiter->req && waiter->page == page &&
		    (!first || waiter->ticket < first->ticket))
			first = waiter;
	}
	return first;
}

/* One question a page is under way at a time: so what waits in other threads, and what
 * their answers take, is bounded, whoever asks how often. */
static void
ask(struct status *status, enum asked page)
{
	struct waiter *first = first_waiter(status, page);

	if (!first || status->asked[page])
		return;
	if (page == CLIENTS) {
		status->asked[CLIENTS] = first->ticket;
		status->source.clients(status->source.ctx, first->from);
	} else {
		status->asked[INBOXES] = status->last_ticket; /* one count is for all of them */
		status->source.count(status->source.ctx);
	}
}

static void
reply_inboxes(struct status *status, struct http_request *req)
{
	http_reply_page(req, HTTP_JSON, pages_inboxes(&status->source, seconds_now()));
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *waiter = arg;
	struct http_request *req = waiter_end(waiter);

	(void)fd;
	(void)what;
	if (waiter->page == INBOXES) {
		reply_inboxes(waiter->status, req);
		return;
	}
	log_limited(&waiter->status->gate, LOG_WARNING, "status_late", "page=/clients seconds=%d",
	    PATIENCE);
	http_reply(req, 504, HTTP_TEXT, "the commit thread is busy, ask again\n");
}

static void
wait_for(struct status *status, struct http_request *req, enum asked page, uint64_t from,
    int seconds)
{
	const struct timeval patience = {seconds, 0};
	struct waiter *waiter = status->waiting;

	while (waiter->req) /* there are as many as requests */
		waiter++;
	if (event_add(waiter->timer, &patience) == -1) {
		http_reply(req, 500, HTTP_TEXT, "out of memory\n");
		return;
	}
	waiter->req = req;
	waiter->page = page;
	waiter->from = from;
	waiter->ticket = ++status->last_ticket;
	ask(status, page);
}

static void
serve_clients(struct status *status, struct http_request *req)
{
	static const char key[] = "from=";
	const char *query = http_query(req);
	uint64_t from = 0;

	if (query && (strncmp(query, key, sizeof key - 1) != 0 ||
	        parse_u64(query + sizeof key - 1, strlen(query + sizeof key - 1), INT64_MAX,
	            &from) == -1))
		http_reply(req, 400, HTTP_TEXT, "it takes ?from=N, a number, and nothing else\n");
	else
		wait_for(status, req, CLIENTS, from, PATIENCE);
}

static void
serve_inboxes(struct status *status, struct http_request *req)
{
	wait_for(status, req, INBOXES, 0, STATUS_COUNT_PATIENCE);
}

void
status_clients(struct status *status, struct client_view *views, size_t count, uint64_t next)
{
	struct waiter *waiter = first_waiter(status, CLIENTS);
	uint64_t ticket = status->asked[CLIENTS];

	status->asked[CLIENTS] = 0;
	/* Unless who asked has lost patience. */
	if (waiter && waiter->ticket == ticket)
		http_reply_page(waiter_end(waiter), HTTP_JSON,
		    !views ? NULL : pages_clients(views, count, next, seconds_now()));
	free(views);
	ask(status, CLIENTS);
}

void
status_counted(struct status *status)
{
	uint64_t ticket = status->asked[INBOXES];
	struct waiter *waiter;

	status->asked[INBOXES] = 0;
	while ((waiter = first_waiter(status, INBOXES)) && waiter->ticket <= ticket)
		reply_inboxes(status, waiter_end(waiter));
	ask(status, INBOXES);
}

/* ---- requests */

static const struct page {
	const char *path;
	void (*serve)(struct status *, struct http_request *);
} pages[] = {
    {"/status", serve_status},
    {"/clients", serve_clients},
    {"/inboxes", serve_inboxes},
    {"/metrics", serve_metrics},
    {"/healthz", serve_healthz},
};

static void
on_request(void *ctx, struct http_request *req)
{
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		if (strcmp(http_path(req), pages[i].path) == 0) {
			pages[i].serve(ctx, req);
			return;
		}
	}
	http_reply(req, 404, HTTP_TEXT,
	    "no such page: there are /status /clients /inboxes /metrics /healthz\n");
}

/* ---- opening and closing */

/* 0, or -1: memory is out. */
static int
serve_on(struct status *status, struct event_base *base, int fd)
{
	status->http = http_open(base, fd, on_request, status);
	if (!status->http)
		return -1;
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct waiter *waiter = &status->waiting[i];
		waiter->status = status;
		waiter->timer = evtimer_new(base, on_patience, waiter);
		if (!waiter->timer)
			return -1;
	}
	return 0;
}

struct status *
status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, struct why *why)
{
	struct status *status = calloc(1, sizeof *status);

	if (!status) {
		why_say(why, "out of memory");
		return NULL;
	}
	status->source = *source;
	status->since = seconds_now();
	int fd = local_listen(&status->socket, path, mode, why);
	if (fd == -1)
		goto fail;
	if (serve_on(status, base, fd) == -1) {
		why_say(why, "out of memory");
		goto fail;
	}
	return status;

fail:
	status_close(status);
	return NULL;
}

void
status_close(struct status *status)
{
	if (!status)
		return;
	local_remove(&status->socket);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct waiter *waiter = &status->waiting[i];
		if (waiter->req)
			http_reply(waiter_end(waiter), 503, HTTP_TEXT, "the receiver stops\n");
		if (waiter->timer)
			event_free(waiter->timer);
	}
	http_close(status->http);
	free(status);
}
