/* SPDX-License-Identifier: ISC */
/*
 * A place is free, reads a request, has been asked (then nothing is watched: whoever has
 * to answer does so), or writes the answer, after which the connection is closed.  A reader
 * that has gone, or sends more, shows when it is written to, or by the deadline.
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

#include "lib/log.h"

#define REQUEST_MAX 8192  /* bytes, with its headers */
#define HEAD_ROOM 512     /* of an answer */
#define DEADLINE 15       /* seconds for a request, and for the answer to be read */
#define PAUSE 1           /* seconds without accept after it failed */
#define SOCKET_BUFFER 16384 /* bytes: what the kernel holds for one who does not read */

struct http_request {
	struct http *http;
	int fd; /* -1: the place is free */
	struct event io, deadline;
	size_t got;
	char in[REQUEST_MAX + 1]; /* later cut into parts by NULs */
	const char *path, *query, *headers;
	int is_head;
	char head[HEAD_ROOM];
	char *body;
	size_t head_len, body_len, sent;
};

struct http {
	struct evconnlistener *listener;
	struct event resume;
	http_serve *serve;
	void *ctx;
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
	free(place->body);
	place->body = NULL;
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
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	}
	return "Internal Server Error";
}

static size_t
print_head(char head[HEAD_ROOM], int code, const char *type, size_t length)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[40];

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	return (size_t)snprintf(head, HEAD_ROOM,
	    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n%sConnection: close\r\n\r\n",
	    code, reason_of(code), date, type, length,
	    code == 405 ? "Allow: GET, HEAD\r\n" : "");
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

/* Takes `text`, or NULL where memory is out.  The length is always said, so that a reader can
 * tell an answer that was cut. */
static void
answer(struct http_request *place, int code, const char *type, char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!text)
		code = 500;
	place->body = text;
	place->body_len = place->is_head ? 0 : len;
	place->head_len = print_head(place->head, code, type, len);
	if (send_on(place))
		end(place);
	else
		watch(place, EV_WRITE, on_writable);
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

/* ---- requests */

/* The next word of the line, ended by a blank or the line's end. */
static char *
next_word(char **rest)
{
	char *word = *rest, *end = word + strcspn(word, " ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* RFC 9112: an origin-form, or an absolute-form of http, whose host is ours whatever it is. */
static char *
path_of(char *target)
{
	static const char scheme[] = "http://";
	size_t len = sizeof scheme - 1;

	if (strncmp(target, scheme, len) == 0) {
		target += len;
		target += strcspn(target, "/?");
	}
	return *target == '/' ? target : NULL;
}

/* Takes the request apart; its head is whole, and has no NUL.  0, or the code that answers it,
 * with why. */
static int
parse(struct http_request *place, const char **why)
{
	char *line = place->in, *stop = strchr(line, '\n');
	char *method, *path, *version;

	place->headers = stop + 1;
	if (stop > line && stop[-1] == '\r')
		stop--;
	*stop = '\0';
	method = next_word(&line);
	path = path_of(next_word(&line));
	version = line;
	*why = "this is no request of HTTP/1.1\n";
	if (strncmp(version, "HTTP/1.", 7) != 0 || strspn(version + 7, "0123456789") != 1 ||
	    version[8] != '\0')
		return 400;
	*why = "all pages are read-only: GET or HEAD\n";
	place->is_head = strcmp(method, "HEAD") == 0;
	if (!place->is_head && strcmp(method, "GET") != 0)
		return 405;
	*why = "the request has no path\n";
	if (!path)
		return 400;
	place->path = path;
	path = strchr(path, '?');
	if (path) {
		*path = '\0';
		place->query = path + 1;
	}
	return 0;
}

/* Is there the empty line that ends the headers?  1; 0: not yet; -1: there cannot be one. */
static int
is_whole(const struct http_request *place)
{
	if (strlen(place->in) != place->got)
		return -1;
	return strstr(place->in, "\n\r\n") || strstr(place->in, "\n\n");
}

static void
on_request(struct http_request *place)
{
	const char *why;
	int code = parse(place, &why);

	/* Nothing is watched until it is answered. */
	event_del(&place->io);
	event_del(&place->deadline);
	if (code)
		http_reply(place, code, HTTP_TEXT, why);
	else
		place->http->serve(place->http->ctx, place);
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
	switch (is_whole(place)) {
	case 1:
		on_request(place);
		return;
	case -1:
		http_reply(place, 400, HTTP_TEXT, "the request has a NUL\n");
		return;
	}
	if (place->got == REQUEST_MAX)
		http_reply(place, 431, HTTP_TEXT, "the request is too long\n");
}

const char *
http_path(const struct http_request *request)
{
	return request->path;
}

const char *
http_query(const struct http_request *request)
{
	return request->query;
}

int
http_accepts(const struct http_request *request, const char *type)
{
	static const char name[] = "accept:";
	const char *found, *stop;

	for (const char *line = request->headers; *line; line = stop + (*stop != '\0')) {
		stop = line + strcspn(line, "\n");
		found = strcasestr(line, type);
		if (strncasecmp(line, name, sizeof name - 1) == 0 && found && found < stop)
			return 1;
	}
	return 0;
}

/* ---- connections */

/* Without a place: told at once, without waiting for the request. */
static void
turn_away(int fd)
{
	static const char text[] = "too many read the status pages, ask again\n";
	char whole[HEAD_ROOM + sizeof text];
	size_t len = print_head(whole, 503, HTTP_TEXT, sizeof text - 1);

	memcpy(whole + len, text, sizeof text - 1);
	(void)!send(fd, whole, len + sizeof text - 1, MSG_NOSIGNAL);
	close(fd);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int len,
    void *arg)
{
	const int buffer = SOCKET_BUFFER;
	struct http *http = arg;
	size_t i = 0;

	(void)listener, (void)peer, (void)len;
	while (i < HTTP_CONNECTIONS && http->places[i].fd != -1)
		i++;
	if (i == HTTP_CONNECTIONS) {
		log_limited(&http->gate, LOG_WARNING, "status_crowded", "open=%d",
		    HTTP_CONNECTIONS);
		turn_away(fd);
		return;
	}
	struct http_request *place = &http->places[i];
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	place->fd = fd;
	place->got = place->head_len = place->body_len = place->sent = 0;
	place->query = NULL;
	place->is_head = 0;
	watch(place, EV_READ, on_readable);
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
http_open(struct event_base *base, int fd, http_serve *serve, void *ctx)
{
	struct http *http = calloc(1, sizeof *http);

	if (!http) {
		close(fd);
		return NULL;
	}
	http->serve = serve;
	http->ctx = ctx;
	int rc = event_assign(&http->resume, base, -1, 0, on_resume, http);
	for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
		struct http_request *place = &http->places[i];
		place->http = http;
		place->fd = -1;
		rc |= event_assign(&place->io, base, -1, 0, on_readable, place);
		rc |= event_assign(&place->deadline, base, -1, 0, on_deadline, place);
	}
	http->listener = rc ? NULL : evconnlistener_new(base, on_accept, http,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!http->listener) {
		close(fd);
		free(http);
		return NULL;
	}
	evconnlistener_set_error_cb(http->listener, on_accept_failed);
	return http;
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
	evconnlistener_free(http->listener);
	free(http);
}
