/* SPDX-License-Identifier: ISC */
/*
 * The status socket and the console, served and asked in one process and one thread: the input is
 *
 *	flags   one byte, see enum flag
 *	chunk   one byte: how many bytes are sent at a time, 0: all at once
 *	bytes   what somebody who may open the socket sends
 *
 * What must hold: the first answer is whole and well-formed HTTP, its JSON is
 * JSON, no connection and no request is left behind, and the next one who asks
 * is served.  The console serves who asks for an address alone, has all its answers shut in, and
 * does nothing.
 */
#include "config.h"

#include <event2/event.h>
#include <event2/util.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "inboxd/console/console.h"
#include "inboxd/status/pages.h"
#include "inboxd/status/source.h"
#include "inboxd/status/status.h"
#include "inboxd/base/inbox.h"
#include "inboxd/commit/view.h"
#include "lib/parse.h"
#include "lib/why.h"

enum flag {
	LATE = 1,      /* /clients is answered after the rest was sent */
	NO_MEMORY = 2, /* and then with NULL */
	GONE = 4,      /* the client closes before that */
	HALF = 8,      /* it ends its half before it reads */
	CONSOLE = 16,  /* it asks there */
};

static struct event_base *base;
static struct status *status;
static struct console *console;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static size_t asked; /* and ... */
static unsigned wanted; /* ... a bit a wish that is not answered yet */
static unsigned flags;
static uint8_t odd[32]; /* bytes of the input, where a folder's name may have any */

/* ---- what the pages are made of */

static void
give_stats(void *ctx, uint64_t values[STATS_CELLS])
{
	(void)ctx;
	for (size_t i = 0; i < STATS_CELLS; i++)
		values[i] = UINT64_MAX / 2 + i;
}

static void
watched(void *ctx)
{
	(void)ctx;
}

static int
give_inbox(void *ctx, size_t i, struct inbox_view *out)
{
	(void)ctx;
	if (i > 0)
		return -1;
	*out = (struct inbox_view){.name = "status", .folder = (const char *)odd,
	    .suffix = ".msg", .size = 4096};
	out->count.waiting.oldest = INT64_MAX;
	memcpy(out->count.error, odd, sizeof odd);
	return 0;
}

static void
answer(void)
{
	struct client_view *view = flags & NO_MEMORY ? NULL : calloc(1, sizeof *view);

	if (view) {
		snprintf(view->identity, sizeof view->identity, "pc\"17\\.example.org");
		struct hello *hello = &view->figures.hello;
		snprintf(hello->agent, sizeof hello->agent, "inboxq/0.1%%00");
		hello->backlog.pending_oldest = UINT64_MAX;
		hello->seen = INT64_MIN;
	}
	status_clients(status, view, view ? 1 : 0, flags);
}

static void
ask_clients(void *ctx, uint64_t from, const struct view_filter *filter)
{
	(void)ctx, (void)from;
	FUZZ_CHECK(memchr(filter->identity, '\0', sizeof filter->identity));
	for (const char *c = filter->identity; *c; c++)
		FUZZ_CHECK(*c > 0x20 && *c < 0x7f);
	FUZZ_CHECK(memchr(filter->match, '\0', sizeof filter->match));
	FUZZ_CHECK(filter->states < 1u << CLIENT_STATES);
	if (!(flags & LATE)) {
		answer();
		return;
	}
	asked++;
	FUZZ_CHECK(asked == 1);
}

static void
fulfil(enum wish_kind kind)
{
	struct forget_answer forgotten = {.outcome = odd[0] % FORGET_OUTCOMES, .queues = odd[1],
	    .unsettled = UINT64_MAX};
	struct confirm_answer confirmed = {.outcome = odd[0] % CONFIRM_OUTCOMES, .gaps = odd[1],
	    .queues = UINT64_MAX};
	struct why line;
	int is_gap = kind == WISH_GAP;
	int code = is_gap ? wish_tell_confirmed(&confirmed, &line)
	                  : wish_tell_forgotten(&forgotten, &line);

	if (code != 200)
		status_done(status, kind, code, strdup(line.text));
	else
		status_done(status, kind, code, is_gap ? pages_confirmed(&confirmed, odd[2])
		                                       : pages_forgotten(&forgotten, odd[2]));
}

static void
ask_wish(void *ctx, const struct wish *wish)
{
	(void)ctx;
	if (wish->kind == WISH_FORGET) {
		const struct forget_wish *forget = &wish->forget;
		FUZZ_CHECK(forget->identity[0]);
		for (const char *c = forget->identity; *c; c++)
			FUZZ_CHECK(*c > 0x20 && *c < 0x7f);
		FUZZ_CHECK(is_hex(forget->queue, strlen(forget->queue), strlen(forget->queue)));
	}
	if (wish->kind == WISH_GAP) {
		FUZZ_CHECK(wish->forget.identity[0]);
		FUZZ_CHECK(wish->first[0] && strspn(wish->first, "0123456789") < WISH_NUMBER_ROOM);
		FUZZ_CHECK(wish->last[0] && strspn(wish->last, "0123456789") < WISH_NUMBER_ROOM);
	}
	if (!(flags & LATE)) {
		fulfil(wish->kind);
		return;
	}
	FUZZ_CHECK(!(wanted & 1u << wish->kind));
	wanted |= 1u << wish->kind;
}

static void
count(void *ctx)
{
	(void)ctx;
	status_counted(status);
}

/* ---- one connection */

static int
give_trouble(void *ctx, struct why *text)
{
	(void)ctx, (void)text;
	return 0;
}

static void
give_reload(void *ctx, struct reload_view *out)
{
	(void)ctx, (void)out;
}

static const char *
give_host(void *ctx)
{
	(void)ctx;
	return (const char *)odd;
}

static const char *
give_state(void *ctx)
{
	(void)ctx;
	return "running";
}

static const char *
give_differs(void *ctx, size_t i)
{
	(void)ctx, (void)i;
	return NULL;
}

static void
give_root(void *ctx, struct root_view *out)
{
	(void)ctx;
	*out = (struct root_view){.path = "/root", .id = ""};
}

static int
give_sandbox(void *ctx, struct why *why)
{
	(void)ctx;
	why_say(why, "none");
	return 0;
}

static void
look(void *ctx)
{
	(void)ctx;
	status_looked(status);
}

static void
turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
set_up(void)
{
	static const struct status_source source = {
	    .watched = watched,
	    .stats = give_stats, .inbox = give_inbox, .count = count, .trouble = give_trouble,
	    .host = give_host, .root = give_root, .state = give_state, .reload = give_reload,
	    .differs = give_differs,
	    .sandbox = give_sandbox, .look = look,
	    .clients = ask_clients, .wish = ask_wish};
	static const struct conf_list nowhere;
	struct console_setup setup = {.listen = &nowhere};
	struct why why;

	signal(SIGPIPE, SIG_IGN);
	fuzz_watch_log();
	snprintf(address.sun_path, sizeof address.sun_path, "%.90s/sock", fuzz_folder());
	base = event_base_new();
	FUZZ_CHECK(base);
	status = status_open(base, address.sun_path, 0600, &source, &why);
	FUZZ_CHECK(status);
	setup.status = status;
	console = console_open(base, &setup, &why);
	FUZZ_CHECK(console);
}

static int
dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

static int
dial_console(void)
{
	int ends[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
	console_take(console, ends[1]);
	return ends[0];
}

/* Reads what is there. */
static void
listen_to(int fd, char *reply, size_t room, size_t *len)
{
	char rest[4096];
	ssize_t n;

	do {
		n = *len < room ? recv(fd, reply + *len, room - *len, 0)
		                : recv(fd, rest, sizeof rest, 0);
		if (n > 0 && *len < room)
			*len += (size_t)n;
	} while (n > 0);
}

static int
begins(const char *text, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(text, with, strlen(with)) == 0;
}

/* No letter that a name would want which is no "localhost". */
static void
check_host(const char *host, size_t len)
{
	static const char name[] = "localhost";

	if (len >= sizeof name - 1 && strncasecmp(host, name, sizeof name - 1) == 0) {
		host += sizeof name - 1;
		len -= sizeof name - 1;
	}
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK(strchr("0123456789abcdefABCDEF.:[]", host[i]));
}

/* What the console says to these bytes. */
static void
check_console(const char *reply, size_t len, const char *request)
{
	static const char shut[] = "\r\nContent-Security-Policy: default-src 'none'; ";
	const char *line = request, *absolute;
	size_t space = strcspn(request, " ");

	FUZZ_CHECK(memmem(reply, len, shut, sizeof shut - 1));
	if (!begins(reply, len, "HTTP/1.1 200 ") && !begins(reply, len, "HTTP/1.1 304 "))
		return;
	FUZZ_CHECK(begins(request, space, "GET") || begins(request, space, "HEAD"));
	absolute = request + space + 1;
	if (begins(absolute, strlen(absolute), "http://")) {
		check_host(absolute + 7, strcspn(absolute + 7, "/? "));
		return;
	}
	do
		line = strchr(line, '\n') + 1;
	while (strncasecmp(line, "host:", 5) != 0);
	line += 5 + strspn(line + 5, " \t");
	check_host(line, strcspn(line, " \t\r\n"));
}

/* The first answer, if there is one, and whether it is ours. */
static void
check_reply(const char *reply, size_t len, int is_head)
{
	char *text = malloc(len + 1), *end, *at, *body;
	size_t want;
	int code = 0;

	FUZZ_CHECK(text);
	memcpy(text, reply, len);
	text[len] = '\0';
	FUZZ_CHECK(sscanf(text, "HTTP/%*d.%*d %3d ", &code) == 1);
	FUZZ_CHECK(code >= 100 && code <= 599);
	end = strstr(text, "\r\n\r\n");
	FUZZ_CHECK(end);
	body = end + 4;
	*end = '\0';
	for (at = text; *at; at++)
		FUZZ_CHECK((*at >= 0x20 && *at <= 0x7e) || *at == '\r' || *at == '\n');
	at = strstr(text, "Content-Length: ");
	if (at && sscanf(at, "Content-Length: %zu", &want) == 1 && !is_head) {
		FUZZ_CHECK((size_t)(body - text) + want <= len);
		if (strstr(text, "Content-Type: application/json")) {
			json_t *json = json_loadb(body, want, JSON_REJECT_DUPLICATES, NULL);
			FUZZ_CHECK(json && json_integer_value(json_object_get(json, "schema")) ==
			    STATUS_SCHEMA);
			json_decref(json);
		}
	}
	free(text);
}

static void
answer_late(void)
{
	while (asked) {
		asked--;
		answer();
	}
	for (enum wish_kind kind = 0; kind < WISH_KINDS; kind++) {
		unsigned bit = 1u << kind;
		while (wanted & bit) {
			wanted &= ~bit;
			fulfil(kind);
		}
	}
}

static void
send_all(int fd, const uint8_t *data, size_t size, size_t chunk, char *reply, size_t room,
    size_t *len)
{
	size_t at = 0;

	turn();
	while (at < size) {
		size_t part = chunk && size - at > chunk ? chunk : size - at;
		ssize_t n = send(fd, data + at, part, MSG_NOSIGNAL);

		turn();
		listen_to(fd, reply, room, len);
		if (n <= 0)
			break; /* it has closed: that is its right */
		at += (size_t)n;
	}
}

static void
assert_lives(void)
{
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
	char reply[1024];
	size_t len = 0;
	int fd = dial();

	send_all(fd, (const uint8_t *)request, sizeof request - 1, 0, reply, sizeof reply, &len);
	for (int i = 0; i < 4 && len == 0; i++) {
		turn();
		listen_to(fd, reply, sizeof reply, &len);
	}
	FUZZ_CHECK(begins(reply, len, "HTTP/1.1 200 OK\r\n"));
	FUZZ_CHECK(len > 3 && memcmp(reply + len - 3, "ok\n", 3) == 0);
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char reply[64 * 1024];
	struct fuzz_input input = {data, size};
	size_t chunk, len = 0;
	int fd, lowest, is_head;

	if (!base)
		set_up();
	flags = fuzz_byte(&input);
	chunk = fuzz_byte(&input);
	memset(odd, 0, sizeof odd);
	memcpy(odd, input.at, input.left < sizeof odd ? input.left : sizeof odd - 1);
	is_head = begins((const char *)input.at, input.left, "HEAD");
	lowest = fuzz_lowest_fd();
	fd = flags & CONSOLE ? dial_console() : dial();
	send_all(fd, input.at, input.left, chunk, reply, sizeof reply, &len);
	if (flags & GONE) {
		close(fd);
		turn();
		answer_late();
	} else {
		answer_late();
		turn();
		if (flags & HALF)
			shutdown(fd, SHUT_WR);
		for (int i = 0; i < 3; i++) {
			turn();
			listen_to(fd, reply, sizeof reply, &len);
		}
		close(fd);
		if (len)
			check_reply(reply, len, is_head);
		if (len && flags & CONSOLE) {
			char *request = strndup((const char *)input.at, input.left);
			FUZZ_CHECK(request);
			check_console(reply, len, request);
			free(request);
		}
	}
	assert_lives();
	for (int i = 0; i < 16 && fuzz_lowest_fd() != lowest; i++)
		turn();
	answer_late();
	FUZZ_CHECK(fuzz_lowest_fd() == lowest);
	return 0;
}
