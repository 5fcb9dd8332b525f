/* SPDX-License-Identifier: ISC */
/*
 * The status socket: evhttp on a UNIX socket.  What the pages say, and their
 * JSON, is in pages.c; how the socket comes to be, in local.c.
 *
 * GET and HEAD of exact paths; all else is 404, 405 or 400.
 * Requests are small (HEADERS_MAX, BODY_MAX), and answered at once; only
 * /clients waits for the commit thread and /inboxes for the survey, as one of WAITING_MAX
 * waiters that hold their request until the answer comes or PATIENCE is over.
 *
 * A waiting request stays ours even when its connection fails: evhttp then
 * unlinks it from the connection and leaves it to evhttp_send_reply() to free
 * it.  So each waiter is ended by exactly one reply, and no close callback is
 * needed, which could not tell a request that lives from one that is freed.
 *
 * Rejected: a TCP port, which any local user and any web page in a browser on
 * this host could reach; the file's mode says who may ask.
 */
#include "config.h"

#include "inboxd/status/status.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/status/local.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/source.h"
#include "lib/log.h"
#include "lib/parse.h"

#define HEADERS_MAX 8192 /* bytes */
#define BODY_MAX 1024    /* bytes, read and dropped */
#define TIMEOUT 15       /* seconds without progress on a connection */
#define WAITING_MAX 16
#define PATIENCE 10      /* seconds for an answer of the commit thread */
#define COUNT_PATIENCE 3 /* and for one of the survey; behind them the last count is told */
#define PAUSE 1          /* seconds without accept after it failed */

enum asked { CLIENTS, INBOXES, ASKED };

struct waiter {
	struct status *status;
	struct event *timer;
	struct evhttp_request *req; /* NULL: place is free */
	enum asked page;
	uint64_t ticket; /* in order of arrival */
	uint64_t from;   /* of /clients */
};

struct status {
	struct evhttp *http;
	struct evconnlistener *listener; /* of http */
	struct event *resume;
	struct status_source source;
	int64_t since;
	uint64_t last_ticket;
	uint64_t asked[ASKED]; /* the ticket up to which the page is asked for; 0: no question is
	                          under way */
	struct waiter waiting[WAITING_MAX];
	struct log_gate gate;
	struct local socket;
};

static int64_t
seconds_now(void)
{
	return (int64_t)time(NULL);
}

/* ---- replies */

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

static const char *
reason_of(int code)
{
	switch (code) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	}
	return "Internal Server Error";
}

/* Ends the request.  The length is always said, so a client can tell a reply
 * that was cut; evhttp would leave it out for HTTP/1.0, and would send the
 * body of a HEAD. */
static void
reply(struct evhttp_request *req, int code, const char *type, const char *text)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	struct evbuffer *body = evbuffer_new();
	char length[24];

	if (body && evhttp_request_get_command(req) != EVHTTP_REQ_HEAD &&
	    evbuffer_add(body, text, strlen(text)) == -1) {
		evbuffer_free(body);
		body = NULL;
	}
	if (!body) {
		code = 500;
		text = "";
	}
	snprintf(length, sizeof(length), "%zu", strlen(text));
	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Content-Length", length);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_send_reply(req, code, reason_of(code), body);
	if (body)
		evbuffer_free(body);
}

/* Takes `text`; NULL: memory is out. */
static void
reply_page(struct evhttp_request *req, const char *type, char *text)
{
	if (!text)
		reply(req, 500, TYPE_TEXT, "out of memory\n");
	else
		reply(req, 200, type, text);
	free(text);
}

/* ---- pages */

static void
serve_status(struct status *status, struct evhttp_request *req)
{
	uint64_t values[STATS_COUNT] = {0};

	status->source.stats(status->source.ctx, values);
	reply_page(req, TYPE_JSON, pages_status(values, status->since, seconds_now()));
}

static void
serve_metrics(struct status *status, struct evhttp_request *req)
{
	uint64_t values[STATS_COUNT] = {0};
	const char *accept =
	    evhttp_find_header(evhttp_request_get_input_headers(req), "Accept");
	int openmetrics =
	    accept && strcasestr(accept, "application/openmetrics-text");

	status->source.stats(status->source.ctx, values);
	reply_page(req, openmetrics ? TYPE_OPENMETRICS : TYPE_PROMETHEUS,
	    pages_metrics(&status->source, values, openmetrics));
}

static void
serve_healthz(struct status *status, struct evhttp_request *req)
{
	char why[STATUS_TROUBLE_ROOM], text[STATUS_TROUBLE_ROOM + 1];

	if (!status->source.trouble(status->source.ctx, why)) {
		reply(req, 200, TYPE_TEXT, "ok\n");
		return;
	}
	snprintf(text, sizeof text, "%s\n", why);
	reply(req, 503, TYPE_TEXT, text);
}

/* ---- pages that another thread is asked for */

/* Frees the place; the caller replies. */
static struct evhttp_request *
waiter_end(struct waiter *waiter)
{
	struct evhttp_request *req = waiter->req;

	waiter->req = NULL;
	event_del(waiter->timer);
	return req;
}

/* The one that has waited longest for this page, or NULL. */
static struct waiter *
first_waiter(struct status *status, enum asked page)
{
	struct waiter *first = NULL;

	for (size_t i = 0; i < WAITING_MAX; i++) {
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
reply_inboxes(struct status *status, struct evhttp_request *req)
{
	reply_page(req, TYPE_JSON, pages_inboxes(&status->source, seconds_now()));
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *waiter = arg;
	struct evhttp_request *req = waiter_end(waiter);

	(void)fd;
	(void)what;
	if (waiter->page == INBOXES) {
		reply_inboxes(waiter->status, req);
		return;
	}
	log_limited(&waiter->status->gate, LOG_WARNING, "status_late", "page=/clients seconds=%d",
	    PATIENCE);
	reply(req, 504, TYPE_TEXT, "the commit thread is busy, ask again\n");
}

static void
wait_for(struct status *status, struct evhttp_request *req, enum asked page, uint64_t from,
    int seconds)
{
	const struct timeval patience = {seconds, 0};
	struct waiter *waiter = NULL;

	for (size_t i = 0; i < WAITING_MAX && !waiter; i++)
		if (!status->waiting[i].req)
			waiter = &status->waiting[i];
	if (!waiter || event_add(waiter->timer, &patience) == -1) {
		reply(req, 503, TYPE_TEXT, "too many wait for this page, ask again\n");
		return;
	}
	waiter->req = req;
	waiter->page = page;
	waiter->from = from;
	waiter->ticket = ++status->last_ticket;
	ask(status, page);
}

static void
serve_clients(struct status *status, struct evhttp_request *req)
{
	static const char key[] = "from=";
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(req));
	uint64_t from = 0;

	if (query && (strncmp(query, key, sizeof(key) - 1) != 0 ||
	        parse_u64(query + sizeof(key) - 1, strlen(query + sizeof(key) - 1), INT64_MAX,
	            &from) == -1))
		reply(req, 400, TYPE_TEXT, "it takes ?from=N, a number, and nothing else\n");
	else
		wait_for(status, req, CLIENTS, from, PATIENCE);
}

static void
serve_inboxes(struct status *status, struct evhttp_request *req)
{
	wait_for(status, req, INBOXES, 0, COUNT_PATIENCE);
}

void
status_clients(struct status *status, struct client_view *views, size_t count, uint64_t next)
{
	struct waiter *waiter = first_waiter(status, CLIENTS);
	uint64_t ticket = status->asked[CLIENTS];

	status->asked[CLIENTS] = 0;
	/* Unless who asked has lost patience. */
	if (waiter && waiter->ticket == ticket)
		reply_page(waiter_end(waiter), TYPE_JSON,
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
	void (*serve)(struct status *, struct evhttp_request *);
} pages[] = {
    {"/status", serve_status},
    {"/clients", serve_clients},
    {"/inboxes", serve_inboxes},
    {"/metrics", serve_metrics},
    {"/healthz", serve_healthz},
};

static void
on_request(struct evhttp_request *req, void *arg)
{
	struct status *status = arg;
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	if (!path) {
		reply(req, 400, TYPE_TEXT, "the request has no path\n");
		return;
	}
	if ((evhttp_request_get_command(req) & (EVHTTP_REQ_GET | EVHTTP_REQ_HEAD)) == 0) {
		evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
		reply(req, 405, TYPE_TEXT, "all pages are read-only: GET or HEAD\n");
		return;
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (strcmp(path, pages[i].path) == 0) {
			pages[i].serve(status, req);
			return;
		}
	}
	reply(req, 404, TYPE_TEXT,
	    "no such page: there are /status /clients /inboxes /metrics /healthz\n");
}

/* What on_accept_failed() belongs to: the argument that it gets is evhttp's.  A process has
 * one status socket. */
static struct status *serving;

/* Without this, libevent would try again at once, for as long as there is no
 * descriptor. */
static void
on_accept_failed(struct evconnlistener *listener, void *http)
{
	const struct timeval pause = {PAUSE, 0};
	struct status *status = serving;

	(void)http;
	log_limited(&status->gate, LOG_WARNING, "status_accept_failed", "error=\"%s\"",
	    strerror(errno));
	if (event_add(status->resume, &pause) == 0)
		evconnlistener_disable(listener);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = {PAUSE, 0};
	struct status *status = arg;

	(void)fd;
	(void)what;
	if (evconnlistener_enable(status->listener) == -1 &&
	    event_add(status->resume, &pause) == -1)
		log_event(LOG_ERR, "status_closed", "error=\"out of memory\"");
}

/* ---- opening and closing */

/* 0, or -1: memory is out. */
static int
serve_on(struct status *status, struct event_base *base, int fd)
{
	status->resume = evtimer_new(base, on_resume, status);
	status->http = evhttp_new(base);
	if (!status->resume || !status->http)
		goto fail;
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiter *waiter = &status->waiting[i];
		waiter->status = status;
		waiter->timer = evtimer_new(base, on_patience, waiter);
		if (!waiter->timer)
			goto fail;
	}
	evhttp_set_timeout(status->http, TIMEOUT);
	evhttp_set_max_headers_size(status->http, HEADERS_MAX);
	evhttp_set_max_body_size(status->http, BODY_MAX);
	evhttp_set_default_content_type(status->http, NULL);
	/* All that evhttp knows: on_request() refuses them better. */
	evhttp_set_allowed_methods(status->http,
	    EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
	        EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
	        EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(status->http, on_request, status);

	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(status->http, fd);
	if (!bound)
		goto fail;
	status->listener = evhttp_bound_socket_get_listener(bound);
	serving = status;
	evconnlistener_set_error_cb(status->listener, on_accept_failed);
	return 0;

fail:
	close(fd);
	return -1;
}

struct status *
status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, char why[STATUS_WHY_ROOM])
{
	struct status *status = calloc(1, sizeof(*status));

	if (!status) {
		snprintf(why, STATUS_WHY_ROOM, "out of memory");
		return NULL;
	}
	status->source = *source;
	status->since = seconds_now();
	int fd = local_listen(&status->socket, path, mode, why, STATUS_WHY_ROOM);
	if (fd == -1)
		goto fail;
	if (serve_on(status, base, fd) == -1) {
		snprintf(why, STATUS_WHY_ROOM, "out of memory");
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
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiter *waiter = &status->waiting[i];
		if (waiter->req)
			reply(waiter_end(waiter), 503, TYPE_TEXT, "the receiver stops\n");
		if (waiter->timer)
			event_free(waiter->timer);
	}
	if (status->http)
		evhttp_free(status->http);
	if (status->resume)
		event_free(status->resume);
	free(status);
}
