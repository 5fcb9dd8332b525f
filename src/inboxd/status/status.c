/* SPDX-License-Identifier: ISC */
/*
 * The status socket.  What the pages say, and their JSON, is in pages.c; the HTTP in http.c;
 * how the socket comes to be, in local.c.
 *
 * Requests are answered at once; only /clients and wishes (wish.h) wait for the commit thread,
 * /inboxes for the survey, and /status for a moment for the lookout: waiters hold their request
 * until the answer comes or patience is over.
 *
 * Whoever may open the socket may read; to have something done takes root or our own user, by what
 * the kernel says of who asks.
 *
 * The file's mode says who may ask.  A TCP port any local user and any web page in a browser on
 * this host can reach: the console (inboxd/console) has one, where it is wanted, for the pages
 * alone.
 */
#include "config.h"

#include "inboxd/status/status.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/commit/view.h"
#include "inboxd/status/form.h"
#include "inboxd/status/http.h"
#include "inboxd/status/local.h"
#include "inboxd/status/metrics.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/problems.h"
#include "inboxd/status/source.h"
#include "inboxd/status/wish.h"
#include "lib/log.h"

#define PATIENCE 10 /* seconds for an answer of the commit thread */
#define WAITERS (2 * HTTP_CONNECTIONS) /* of our own socket, and of the console */

enum asked { CLIENTS, INBOXES, STATUS, WISHES, ASKED = (int)WISHES + (int)WISH_KINDS };

struct question {
	unsigned page; /* enum asked; of a wish WISHES and its kind */
	uint64_t from; /* of /clients */
	struct view_filter filter;
	struct wish wish;
};

struct waiter {
	struct status *status;
	struct event *timer;
	struct http_request *req; /* NULL: place is free */
	uint64_t ticket; /* in order of arrival */
	struct question question;
};

struct status {
	struct http *http;
	struct status_source source;
	int64_t since;
	uint64_t last_ticket;
	uint64_t asked[ASKED]; /* the ticket up to which the page is asked for; 0: no question is
	                          under way */
	struct waiter waiting[WAITERS];
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

enum health_severity
status_worst(struct status *status, char text[HEALTH_TEXT_ROOM])
{
	uint64_t values[STATS_CELLS] = {0};

	status->source.stats(status->source.ctx, values);
	return problems_worst(&status->source, values, seconds_now(), text);
}

static void
serve_metrics(struct status *status, struct http_request *req)
{
	uint64_t values[STATS_CELLS] = {0};
	int openmetrics = http_accepts(req, "application/openmetrics-text");

	status->source.watched(status->source.ctx);
	status->source.stats(status->source.ctx, values);
	http_reply_page(req, openmetrics ? TYPE_OPENMETRICS : TYPE_PROMETHEUS,
	    metrics_page(&status->source, values, openmetrics));
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
first_waiter(struct status *status, unsigned page)
{
	struct waiter *first = NULL;

	for (size_t i = 0; i < WAITERS; i++) {
		struct waiter *waiter = &status->waiting[i];
		if (waiter->req && waiter->question.page == page &&
		    (!first || waiter->ticket < first->ticket))
			first = waiter;
	}
	return first;
}

/* One question a page is under way at a time: so what waits in other threads, and what
 * their answers take, is bounded, whoever asks how often. */
static void
ask(struct status *status, unsigned page)
{
	struct waiter *first = first_waiter(status, page);

	if (!first || status->asked[page])
		return;
	status->asked[page] = first->ticket;
	switch (page) {
	case CLIENTS:
		status->source.clients(status->source.ctx, first->question.from,
		    &first->question.filter);
		break;
	case INBOXES:
		status->asked[INBOXES] = status->last_ticket; /* one count is for all of them */
		status->source.count(status->source.ctx);
		break;
	case STATUS:
		status->asked[STATUS] = status->last_ticket; /* so is a look */
		status->source.watched(status->source.ctx);
		status->source.look(status->source.ctx);
		break;
	default:
		status->source.wish(status->source.ctx, &first->question.wish);
		break;
	}
}

/* Of the pages that tell the last that is known where nothing newer comes in time. */
static void
reply_known(struct status *status, struct http_request *req, unsigned page)
{
	uint64_t values[STATS_CELLS] = {0};
	char *text;

	if (page == INBOXES) {
		text = pages_inboxes(&status->source, seconds_now());
	} else {
		status->source.stats(status->source.ctx, values);
		text = pages_status(&status->source, values, status->since, seconds_now());
	}
	http_reply_page(req, HTTP_JSON, text);
}

/* What they wait for is there. */
static void
reply_all(struct status *status, unsigned page)
{
	uint64_t ticket = status->asked[page];
	struct waiter *waiter;

	status->asked[page] = 0;
	while ((waiter = first_waiter(status, page)) && waiter->ticket <= ticket)
		reply_known(status, waiter_end(waiter), page);
	ask(status, page);
}

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *waiter = arg;
	struct http_request *req = waiter_end(waiter);

	(void)fd;
	(void)what;
	if (waiter->question.page == INBOXES || waiter->question.page == STATUS) {
		reply_known(waiter->status, req, waiter->question.page);
		return;
	}
	log_limited(&waiter->status->gate, LOG_WARNING, "status_late", "page=%s seconds=%d",
	    http_path(req), PATIENCE);
	http_reply(req, 504, HTTP_TEXT, waiter->question.page >= WISHES
	        ? wish_rows[waiter->question.wish.kind].late
	        : "the commit thread is busy, ask again\n");
}

static void
wait_for(struct status *status, struct http_request *req, const struct question *question,
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
	waiter->question = *question;
	waiter->ticket = ++status->last_ticket;
	ask(status, question->page);
}

static void
serve_clients(struct status *status, struct http_request *req)
{
	struct question question = {.page = CLIENTS};
	struct why why;

	if (form_read_clients(http_query(req), &question.from, &question.filter, &why) < 0) {
		why_say(&why, "%s\n", why.text);
		http_reply(req, 400, HTTP_TEXT, why.text);
	} else {
		wait_for(status, req, &question, PATIENCE);
	}
}

static void
serve_inboxes(struct status *status, struct http_request *req)
{
	const struct question question = {.page = INBOXES};

	wait_for(status, req, &question, STATUS_COUNT_PATIENCE);
}

static void
serve_status(struct status *status, struct http_request *req)
{
	const struct question question = {.page = STATUS};

	wait_for(status, req, &question, STATUS_LOOK_PATIENCE);
}

/* May who asks have something done?  And who is it? */
static int
may_act(struct status *status, const struct http_request *req, uint64_t *who, struct why *why)
{
	uid_t uid;

	if (http_peer(req, &uid) < 0) {
		why_say(why, "this system does not say who asks, so nobody may\n");
		return 0;
	}
	*who = uid;
	if (uid == 0 || uid == geteuid())
		return 1;
	log_limited(&status->gate, LOG_WARNING, "status_denied", "path=%s uid=%lu", http_path(req),
	    (unsigned long)uid);
	why_say(why, "root and the receiver's own user may, and nobody else\n");
	return 0;
}

static void
serve_wish(struct status *status, struct http_request *req, enum wish_kind kind)
{
	struct question question = {.page = WISHES + kind};
	struct why why;
	uint64_t who;

	if (!may_act(status, req, &who, &why)) {
		http_reply(req, 403, HTTP_TEXT, why.text);
	} else if (wish_read(kind, http_body(req), &question.wish, &why) < 0) {
		why_say(&why, "%s\n", why.text);
		http_reply(req, 400, HTTP_TEXT, why.text);
	} else {
		question.wish.uid = who;
		wait_for(status, req, &question, PATIENCE);
	}
}

/* The one that has waited for this answer; NULL: he has lost patience.  The next one is to be
 * asked for then. */
static struct http_request *
take_asker(struct status *status, unsigned page)
{
	struct waiter *waiter = first_waiter(status, page);
	uint64_t ticket = status->asked[page];

	status->asked[page] = 0;
	return waiter && waiter->ticket == ticket ? waiter_end(waiter) : NULL;
}

void
status_clients(struct status *status, struct client_view *views, size_t count, uint64_t next)
{
	struct http_request *req = take_asker(status, CLIENTS);

	if (req)
		http_reply_page(req, HTTP_JSON,
		    !views ? NULL : pages_clients(views, count, next, seconds_now()));
	free(views);
	ask(status, CLIENTS);
}

void
status_counted(struct status *status)
{
	reply_all(status, INBOXES);
}

void
status_looked(struct status *status)
{
	reply_all(status, STATUS);
}

void
status_done(struct status *status, enum wish_kind kind, int code, char *text)
{
	struct http_request *req = take_asker(status, WISHES + kind);
	struct why line;

	if (req && (code == 200 || !text)) {
		http_reply_page(req, HTTP_JSON, text);
		text = NULL;
	} else if (req) {
		why_say(&line, "%s\n", text);
		http_reply(req, code, HTTP_TEXT, line.text);
	}
	free(text);
	ask(status, WISHES + kind);
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

int
status_serve(struct status *status, struct http_request *req)
{
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
		if (strcmp(http_path(req), pages[i].path) == 0) {
			pages[i].serve(status, req);
			return 1;
		}
	}
	return 0;
}

static void
on_request(void *ctx, struct http_request *req)
{
	enum wish_kind kind = wish_find(http_path(req));

	if (kind != WISH_KINDS)
		serve_wish(ctx, req, kind);
	else if (!status_serve(ctx, req))
		http_reply(req, 404, HTTP_TEXT,
		    "no such page: there are /status /clients /inboxes /metrics /healthz\n");
}

static int
is_posted(const char *path)
{
	return wish_find(path) != WISH_KINDS;
}

/* ---- opening and closing */

/* 0, or -1: memory is out. */
static int
serve_on(struct status *status, struct event_base *base, int fd)
{
	const struct http_setup setup = {
	    .is_posted = is_posted, .serve = on_request, .ctx = status};

	status->http = http_open(base, fd, &setup);
	if (!status->http)
		return -1;
	for (size_t i = 0; i < WAITERS; i++) {
		struct waiter *waiter = &status->waiting[i];
		waiter->status = status;
		waiter->timer = evtimer_new(base, on_patience, waiter);
		if (!waiter->timer)
			return -1;
	}
	return 0;
}

static struct status *
new_status(const struct status_source *source, struct why *why)
{
	struct status *status = calloc(1, sizeof *status);

	if (!status) {
		why_say(why, "out of memory");
		return NULL;
	}
	status->source = *source;
	status->since = seconds_now();
	return status;
}

/* Takes `fd`.  Where it fails, it takes `status`, too. */
static struct status *
begin(struct status *status, struct event_base *base, int fd, struct why *why)
{
	if (serve_on(status, base, fd) == 0)
		return status;
	why_say(why, "out of memory");
	status_close(status);
	return NULL;
}

struct status *
status_open(struct event_base *base, const char *path, unsigned mode,
    const struct status_source *source, struct why *why)
{
	struct status *status = new_status(source, why);
	int fd = status ? local_listen(&status->socket, path, mode, why) : -1;

	if (fd != -1)
		return begin(status, base, fd, why);
	status_close(status);
	return NULL;
}

struct status *
status_open_on(
    struct event_base *base, int fd, const struct status_source *source, struct why *why)
{
	struct status *status = new_status(source, why);

	if (status)
		return begin(status, base, fd, why);
	close(fd);
	return NULL;
}

void
status_close(struct status *status)
{
	if (!status)
		return;
	local_remove(&status->socket);
	for (size_t i = 0; i < WAITERS; i++) {
		struct waiter *waiter = &status->waiting[i];
		if (waiter->req)
			http_reply(waiter_end(waiter), 503, HTTP_TEXT, "the receiver stops\n");
		if (waiter->timer)
			event_free(waiter->timer);
	}
	http_close(status->http);
	free(status);
}
