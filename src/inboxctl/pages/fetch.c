/* SPDX-License-Identifier: ISC */
/*
 * As much of an HTTP client as one GET or POST over a UNIX socket needs: HTTP/1.0, so
 * that the reply is not chunked, and it ends where the connection ends; its
 * Content-Length, which the receiver always sends, must agree.
 *
 * Rejected: evhttp's client, which drags an event loop into a tool that asks
 * one question; libcurl, for the same page.
 */
#include "config.h"

#include "inboxctl/pages/fetch.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/parse.h"

#define REPLY_MAX (256u << 20) /* bytes, with the headers */
#define REPLY_STEP 65536u

static enum fetch_result fail(struct fetch_page *page, enum fetch_result result, const char *fmt,
    ...) PRINTF_LIKE(3, 4);

static enum fetch_result
fail(struct fetch_page *page, enum fetch_result result, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(page->why.text, sizeof page->why.text, fmt, args);
	va_end(args);
	return result;
}

static int64_t
now_ms(void)
{
	return clock_monotonic() / 1000;
}

/* 0, or -1 and errno, ETIMEDOUT behind the deadline. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline - now_ms();
		int n = left <= 0 ? 0 : poll(&pfd, 1, (int)left);
		if (n > 0)
			return 0;
		if (n == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (errno != EINTR)
			return -1;
	}
}

static int
send_all(int fd, const char *data, size_t len, int64_t deadline)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (wait_for(fd, POLLOUT, deadline) == -1)
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
	return 0;
}

/* Reads what has come.  1: there may be more; 0: that was all; -1 and errno: EAGAIN: nothing has
 * come; EFBIG: more than REPLY_MAX. */
static int
read_part(int fd, struct fetch_page *page, size_t *room)
{
	if (*room - page->len < REPLY_STEP) {
		size_t wanted = *room == 0 ? 2 * REPLY_STEP : 2 * *room;
		char *more = realloc(page->text, wanted + 1);
		if (!more)
			return -1;
		page->text = more;
		*room = wanted;
	}
	ssize_t n = recv(fd, page->text + page->len, *room - page->len, 0);
	/* It may close without having read our request: it has answered. */
	if (n == 0 || (n == -1 && errno == ECONNRESET)) {
		page->text[page->len] = '\0';
		return 0;
	}
	if (n == -1)
		return errno == EINTR ? 1 : -1;
	page->len += (size_t)n;
	if (page->len > REPLY_MAX) {
		errno = EFBIG;
		return -1;
	}
	return 1;
}

/* The connected descriptor, or -1 and errno.  A UNIX socket connects at once
 * or not at all: EAGAIN says that the receiver's backlog is full. */
static int
connect_to(const char *socket_path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(socket_path);

	if (len == 0 || len >= sizeof addr.sun_path) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, socket_path, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) == -1) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* The value of Content-Length within the headers; -1: none or not a number. */
static int
find_length(const char *headers, const char *end, uint64_t *length)
{
	static const char name[] = "Content-Length:";

	for (const char *at = headers; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		if ((size_t)(stop - at) > sizeof name - 1 &&
		    strncasecmp(at, name, sizeof name - 1) == 0) {
			const char *value = at + sizeof name - 1;
			value += strspn(value, " \t");
			return parse_u64(value, strspn(value, "0123456789"), REPLY_MAX, length);
		}
		at = stop + 1;
	}
	return -1;
}

/* Takes the reply apart; moves its body to the front of page->text. */
static enum fetch_result
parse_reply(struct fetch_page *page, const char *path)
{
	const char *text = page->text;
	uint64_t length;

	if (strlen(text) != page->len)
		return fail(page, FETCH_PROTOCOL, "the reply holds a NUL byte");
	const char *end = strstr(text, "\r\n\r\n");
	if (!end || strncmp(text, "HTTP/1.", 7) != 0 || strspn(text + 7, "01") != 1 ||
	    text[8] != ' ' || strspn(text + 9, "0123456789") != 3)
		return fail(page, FETCH_PROTOCOL, "the reply is not HTTP");
	const char *body = end + 4;
	size_t body_len = page->len - (size_t)(body - text);
	int code = atoi(text + 9);
	if (find_length(text, end, &length) == -1)
		return fail(page, FETCH_PROTOCOL, "the reply does not say its length");
	if (length != body_len)
		return fail(page, FETCH_PROTOCOL, "the reply was cut: %zu of %ju bytes", body_len,
		    (uintmax_t)length);
	page->code = code;
	if (code != 200)
		return fail(page, code == 503 || code == 504 ? FETCH_REFUSED : FETCH_PROTOCOL,
		    "%s: %d %.*s", path, code, (int)strcspn(body, "\r\n"), body);
	memmove(page->text, body, body_len + 1);
	page->len = body_len;
	return FETCH_OK;
}

static long
pid_of_peer(int fd)
{
#ifdef SO_PEERCRED
	struct ucred who;
	socklen_t len = sizeof who;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0)
		return who.pid;
#endif
	(void)fd;
	return -1;
}

/* One question to several, and what has come of their answers. */
struct batch {
	const char *path, *request;
	int patience;
	int64_t deadline;
	size_t count;
	struct fetch_page *pages;
	struct pollfd *pfds; /* closed: -1, which poll() passes over */
	size_t *rooms;       /* of the pages' texts */
};

/* The answer is there, or will not come: `error` is 0, or says why. */
static void
finish(const struct batch *batch, size_t i, int error)
{
	struct fetch_page *page = &batch->pages[i];

	if (error == 0)
		page->result = parse_reply(page, batch->path);
	else if (error == EFBIG)
		page->result = fail(page, FETCH_PROTOCOL, "the reply is over %u bytes", REPLY_MAX);
	else if (error == ETIMEDOUT)
		page->result = fail(page, FETCH_UNREACHABLE, "no answer within %d seconds",
		    batch->patience / 1000);
	else
		page->result = fail(page, FETCH_UNREACHABLE, "%s", strerror(error));
	if (batch->pfds[i].fd >= 0)
		close(batch->pfds[i].fd);
	batch->pfds[i].fd = -1;
	if (page->result == FETCH_OK)
		return;
	free(page->text);
	page->text = NULL;
}

/* 0, or an errno. */
static int
begin(const struct batch *batch, size_t i, const char *socket_path)
{
	struct fetch_page *page = &batch->pages[i];
	int fd = connect_to(socket_path);

	memset(page, 0, sizeof *page);
	batch->pfds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (fd == -1)
		return errno;
	page->pid = pid_of_peer(fd);
	page->is_sent = 1;
	if (send_all(fd, batch->request, strlen(batch->request), batch->deadline) == -1 &&
	    errno != EPIPE)
		return errno;
	return 0;
}

/* `error`: all are given up for it.  How many are done with. */
static size_t
take_parts(const struct batch *batch, int error)
{
	size_t done = 0;
	int rc;

	for (size_t i = 0; i < batch->count; i++) {
		const struct pollfd *pfd = &batch->pfds[i];
		if (pfd->fd == -1 || (error == 0 && pfd->revents == 0))
			continue;
		rc = error ? -1 : read_part(pfd->fd, &batch->pages[i], &batch->rooms[i]);
		if (rc == 1 || (rc == -1 && error == 0 && errno == EAGAIN))
			continue;
		finish(batch, i, rc == 0 ? 0 : error ? error : errno);
		done++;
	}
	return done;
}

/* All at once: one that hangs has none of the others wait. */
static void
ask_all(struct batch *batch, const char *const *sockets)
{
	size_t open = batch->count;
	int rc;

	batch->deadline = now_ms() + batch->patience;
	for (size_t i = 0; i < batch->count; i++) {
		rc = begin(batch, i, sockets[i]);
		if (rc == 0)
			continue;
		finish(batch, i, rc);
		open--;
	}
	while (open > 0) {
		int64_t left = batch->deadline - now_ms();
		rc = poll(batch->pfds, (nfds_t)batch->count, left <= 0 ? 0 : (int)left);
		if (rc >= 0 || errno != EINTR)
			open -= take_parts(batch, rc > 0 ? 0 : rc == 0 ? ETIMEDOUT : errno);
	}
}

/* Sends the request, which is whole, and reads the answer. */
static enum fetch_result
ask(const char *socket_path, const char *path, const char *request, int patience,
    struct fetch_page *page)
{
	struct pollfd pfd;
	size_t room = 0;
	struct batch batch = {.path = path, .request = request, .patience = patience, .count = 1,
	    .pages = page, .pfds = &pfd, .rooms = &room};

	ask_all(&batch, &socket_path);
	return page->result;
}

#define GET "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"

int
fetch_pages(const char *const *sockets, size_t count, const char *path, int patience,
    struct fetch_page *pages)
{
	char request[2048];
	struct batch batch = {.path = path, .request = request, .patience = patience,
	    .count = count, .pages = pages};
	int rc = -1;

	batch.pfds = calloc(count, sizeof *batch.pfds);
	batch.rooms = calloc(count, sizeof *batch.rooms);
	snprintf(request, sizeof request, GET, path);
	if (batch.pfds && batch.rooms) {
		ask_all(&batch, sockets);
		rc = 0;
	}
	free(batch.pfds);
	free(batch.rooms);
	return rc;
}

enum fetch_result
fetch_page_within(const char *socket_path, const char *path, int patience,
    struct fetch_page *page)
{
	char request[2048];

	snprintf(request, sizeof request, GET, path);
	return ask(socket_path, path, request, patience, page);
}

enum fetch_result
fetch_page(const char *socket_path, const char *path, struct fetch_page *page)
{
	return fetch_page_within(socket_path, path, FETCH_PATIENCE, page);
}

enum fetch_result
fetch_post(const char *socket_path, const char *path, const char *form, struct fetch_page *page)
{
	char request[FETCH_FORM_MAX + 256];

	snprintf(request, sizeof request,
	    "POST %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n"
	    "Content-Type: application/x-www-form-urlencoded\r\n"
	    "Content-Length: %zu\r\n\r\n%s", path, strlen(form), form);
	return ask(socket_path, path, request, FETCH_PATIENCE, page);
}

void
fetch_add(char *text, size_t room, const char *name, const char *value)
{
	size_t at = strlen(text);
	const char *between = at == 0 ? "" : *text == '/' && !strchr(text, '?') ? "?" : "&";

	at += (size_t)snprintf(text + at, room - at, "%s%s=", between, name);
	for (; *value && at + 3 < room; value++)
		/* What is not a letter or digit, as '%' and two digits. */
		at += (size_t)snprintf(text + at, room - at,
		    is_plain_name(value, 1, 1) ? "%c" : "%%%02X", (unsigned char)*value);
}
