/* SPDX-License-Identifier: ISC */
/*
 * A place is free, reads a request (its head, and a body if it is a POST), has been asked (then
 * nothing is watched: whoever has to answer does so), or writes the answer, after which the
 * connection is closed.  A reader that has gone, or sends more, shows when it is written to, or by
 * the deadline.
 */
#include "config.h"

#include "inboxd/status/http.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "inboxd/status/head.h"
#include "inboxd/status/local.h"
#include "lib/log.h"

#define REQUEST_MAX 8192  /* bytes, with its headers and its body */
#define HEAD_ROOM 1024    /* of an answer */
#define DEADLINE 15       /* seconds for a request, and for the answer to be read */
#define PAUSE 1           /* seconds without accept after it failed */
#define SOCKET_BUFFER 16384 /* bytes: what the kernel holds for one who does not read */

struct http_request {
	struct http *http;
	int fd; /* -1: the place is free */
	struct event io, deadline;
	size_t got;
	char in[REQUEST_MAX + 1]; /* later cut into parts by NULs */
	size_t in_head; /* bytes of the request's head; 0: it is not whole yet */
	struct head asked; /* what it says; a path only once it was taken apart */
	char head[HEAD_ROOM]; /* of the answer */
	const char *body;
	char *owned; /* the body, to be freed; NULL: it is not ours */
	size_t head_len, body_len, sent;
};

struct http {
	struct evconnlistener *listener;
	struct event resume;
	struct http_setup setup;
	struct log_gate gate;
	struct http_request places[HTTP_CONNECTIONS];
};

static void
end(struct http_request *place)
{
	event_del(&place->io);
	event_del(&place->deadline);
	close(place->fd);
	place->fd = -1;
	free(place->owned);
	place->owned = NULL;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	end(arg);
}

/* Watches for one of EV_READ and EV_WRITE. */
static void
watch(struct http_request *place, short what, event_callback_fn on_ready)
{
	const struct timeval limit = {DEADLINE, 0};
	struct event_base *base = event_get_base(&place->deadline);

	event_del(&place->io);
	if (event_assign(&place->io, base, place->fd, (short)(what | EV_PERSIST), on_ready,
	        place) == -1 ||
	    event_add(&place->io, NULL) == -1 || event_add(&place->deadline, &limit) == -1)
		end(place);
}

/* ---- answers */

static const char *
reason_of(int code)
{
	switch (code) {
	case 200:
		return "OK";
	case 304:
		return "Not Modified";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 409:
		return "Conflict";
	case 411:
		return "Length Required";
	case 413:
		return "Content Too Large";
	case 421:
		return "Misdirected Request";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	}
	return "Internal Server Error";
}

/* What an answer says of itself. */
struct says {
	int code;
	const char *type;
	size_t length;
	const char *allow; /* the methods there, for a 405 */
	const char *tag;   /* NULL: it is of this moment */
};

static size_t
print_head(char head[HEAD_ROOM], const struct says *says, const char *more)
{
	time_t now = time(NULL);
	int is_405 = says->code == 405;
	struct tm tm;
	char date[40];

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	return (size_t)snprintf(head, HEAD_ROOM,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: %s%s\r\n%s%s%s%sConnection: close\r\n\r\n",
	    says->code, reason_of(says->code), date, says->type, says->length,
	    says->tag ? "no-cache\r\nETag: " : "no-store", says->tag ? says->tag : "",
	    is_405 ? "Allow: " : "", is_405 ? says->allow : "", is_405 ? "\r\n" : "",
	    more ? more : "");
}

/* Sends what the kernel takes.  Has all been sent, or nobody is there to read it? */
static int
send_on(struct http_request *place)
{
	while (place->sent < place->head_len + place->body_len) {
		int in_head = place->sent < place->head_len;
		const char *part = in_head ? place->head : place->body;
		size_t len = in_head ? place->head_len : place->body_len;
		size_t at = place->sent - (in_head ? 0 : place->head_len);
		ssize_t n = send(place->fd, part + at, len - at, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno != EAGAIN;
		place->sent += (size_t)n;
	}
	return 1;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	if (send_on(arg))
		end(arg);
}

/* The length is always said, so that a reader can tell an answer that was cut. */
static void
begin_answer(struct http_request *place, const struct says *says, const char *body)
{
	int is_bare = place->asked.is_head || says->code == 304;

	place->body = body;
	place->body_len = is_bare ? 0 : says->length;
	place->head_len = print_head(place->head, says, place->http->setup.headers);
	if (send_on(place))
		end(place);
	else
		watch(place, EV_WRITE, on_writable);
}

/* Takes `text`, or NULL where memory is out. */
static void
answer(struct http_request *place, int code, const char *type, char *text)
{
	const struct says says = {.code = text ? code : 500, .type = type,
	    .length = text ? strlen(text) : 0, .allow = place->asked.allow};

	place->owned = text;
	begin_answer(place, &says, text);
}

void
http_reply(struct http_request *request, int code, const char *type, const char *text)
{
	answer(request, code, type, strdup(text));
}

void
http_reply_page(struct http_request *request, const char *type, char *text)
{
	if (text)
		answer(request, 200, type, text);
	else
		http_reply(request, 500, HTTP_TEXT, "out of memory\n");
}

void
http_reply_asset(struct http_request *request, const struct http_asset *asset)
{
	const struct says says = {.code = head_has_tag(&request->asked, asset->tag) ? 304 : 200,
	    .type = asset->type, .length = asset->len, .tag = asset->tag};

	begin_answer(request, &says, asset->bytes);
}

/* ---- requests */

/* Nothing is watched until it is answered. */
static void
stop_reading(struct http_request *place)
{
	event_del(&place->io);
	event_del(&place->deadline);
}

static void
refuse(struct http_request *place, int code, const char *why)
{
	stop_reading(place);
	http_reply(place, code, HTTP_TEXT, why);
}

/* Takes the head apart, once it is whole.  1; 0: it is not yet, or it was refused. */
static int
take_head(struct http_request *place)
{
	const char *why = "the request has a NUL\n";
	int code = 400;

	if (strlen(place->in) == place->got) {
		place->in_head = head_find_end(place->in);
		if (place->in_head == 0 && place->got < REQUEST_MAX)
			return 0;
		code = 431;
		why = "the request is too long\n";
	}
	if (place->in_head > 0)
		code = head_parse(
		    place->in, place->in_head, place->http->setup.is_posted, &place->asked, &why);
	if (code == 0 && place->asked.body > REQUEST_MAX - place->in_head) {
		code = 413;
		why = "the request is too long\n";
	}
	if (code)
		refuse(place, code, why);
	return code == 0;
}

/* Has it served, once the body is whole.  What is behind that is not looked at. */
static void
take_body(struct http_request *place)
{
	char *body = place->in + place->in_head;

	if (place->got < place->in_head + place->asked.body)
		return;
	body[place->asked.body] = '\0';
	if (strlen(body) != place->asked.body) {
		refuse(place, 400, "the request has a NUL\n");
		return;
	}
	stop_reading(place);
	place->http->setup.serve(place->http->setup.ctx, place);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct http_request *place = arg;
	ssize_t n = recv(place->fd, place->in + place->got, REQUEST_MAX - place->got, 0);

	(void)fd, (void)what;
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(place);
		return;
	}
	place->got += (size_t)n;
	place->in[place->got] = '\0';
	if (place->in_head > 0 || take_head(place))
		take_body(place);
}

const char *
http_path(const struct http_request *request)
{
	return request->asked.path;
}

const char *
http_query(const struct http_request *request)
{
	return request->asked.query;
}

const char *
http_body(const struct http_request *request)
{
	return request->in + request->in_head;
}

int
http_peer(const struct http_request *request, uid_t *uid)
{
	return local_peer(request->fd, uid);
}

int
http_accepts(const struct http_request *request, const char *type)
{
	return head_accepts(&request->asked, type);
}

int
http_is_for_us(const struct http_request *request)
{
	return head_is_for_us(&request->asked);
}

/* ---- connections */

/* Without a place: told at once, without waiting for the request. */
static void
turn_away(const struct http *http, int fd)
{
	static const char text[] = "too many read the status pages, ask again\n";
	const struct says says = {.code = 503, .type = HTTP_TEXT, .length = sizeof text - 1};
	char whole[HEAD_ROOM + sizeof text];
	size_t len = print_head(whole, &says, http->setup.headers);

	memcpy(whole + len, text, sizeof text - 1);
	(void)!send(fd, whole, len + sizeof text - 1, MSG_NOSIGNAL);
	close(fd);
}

void
http_take(struct http *http, int fd)
{
	const int buffer = SOCKET_BUFFER;
	size_t i = 0;

	while (i < HTTP_CONNECTIONS && http->places[i].fd != -1)
		i++;
	if (i == HTTP_CONNECTIONS) {
		log_limited(&http->gate, LOG_WARNING, "status_crowded", "open=%d",
		    HTTP_CONNECTIONS);
		turn_away(http, fd);
		return;
	}
	struct http_request *place = &http->places[i];
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	place->fd = fd;
	place->got = place->in_head = place->head_len = place->body_len = place->sent = 0;
	place->asked = (struct head){.allow = ""};
	watch(place, EV_READ, on_readable);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int len,
    void *arg)
{
	(void)listener, (void)peer, (void)len;
	http_take(arg, fd);
}

/* Without this, libevent would try again at once, for as long as there is no
 * descriptor. */
static void
on_accept_failed(struct evconnlistener *listener, void *arg)
{
	const struct timeval pause = {PAUSE, 0};
	struct http *http = arg;

	log_limited(&http->gate, LOG_WARNING, "status_accept_failed", "error=\"%s\"",
	    strerror(errno));
	if (event_add(&http->resume, &pause) == 0)
		evconnlistener_disable(listener);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = {PAUSE, 0};
	struct http *http = arg;

	(void)fd, (void)what;
	if (evconnlistener_enable(http->listener) == -1 &&
	    event_add(&http->resume, &pause) == -1)
		log_event(LOG_ERR, "status_closed", "error=\"out of memory\"");
}

struct http *
http_open(struct event_base *base, int fd, const struct http_setup *setup)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http)
		goto fail;
	http->setup = *setup;
	int rc = event_assign(&http->resume, base, -1, 0, on_resume, http);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct http_request *place = &http->places[i];
		place->http = http;
		place->fd = -1;
		rc |= event_assign(&place->io, base, -1, 0, on_readable, place);
		rc |= event_assign(&place->deadline, base, -1, 0, on_deadline, place);
	}
	if (rc)
		goto fail;
	if (fd == -1)
		return http;
	http->listener = evconnlistener_new(base, on_accept, http,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!http->listener)
		goto fail;
	evconnlistener_set_error_cb(http->listener, on_accept_failed);
	return http;

fail:
	if (fd != -1)
		close(fd);
	free(http);
	return NULL;
}

void
http_close(struct http *http)
{
	if (!http)
		return;
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++)
		if (http->places[i].fd != -1)
			end(&http->places[i]);
	event_del(&http->resume);
	if (http->listener)
		evconnlistener_free(http->listener);
	free(http);
}
