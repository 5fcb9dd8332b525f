/* SPDX-License-Identifier: ISC */
#include "inboxd/arrive/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/log.h"

#define BACKLOG 1024
#define REST_SECONDS 1

struct listener {
	struct event_base *base;
	struct evconnlistener **sockets;
	size_t count;
	struct event *resume;
	int is_resting; /* out of descriptors */
	int is_held;
	struct log_gate gate;
	struct listener_setup setup;
};

static void
on_connection(struct evconnlistener *socket, evutil_socket_t fd, struct sockaddr *address, int len,
    void *arg)
{
	struct listener *listener = arg;

	(void)socket, (void)len;
	listener->setup.on_accept(listener->setup.ctx, fd, address);
}

static void
rest(struct listener *listener)
{
	const struct timeval rest_time = {REST_SECONDS, 0};

	/* Better to spin than to be deaf for ever. */
	if (event_add(listener->resume, &rest_time) < 0)
		return;
	listener->is_resting = 1;
	for (size_t i = 0; i < listener->count; i++)
		evconnlistener_disable(listener->sockets[i]);
}

static void
go_on(struct listener *listener)
{
	int failed = 0;

	if (listener->is_resting || listener->is_held)
		return;
	for (size_t i = 0; i < listener->count; i++) {
		if (evconnlistener_enable(listener->sockets[i]) < 0)
			failed = 1;
	}
	if (failed)
		rest(listener);
}

/* Out of descriptors or memory: the connection stays in the kernel's queue, so
 * the socket stays readable; without a rest we would spin. */
static void
on_accept_error(struct evconnlistener *socket, void *arg)
{
	struct listener *listener = arg;

	(void)socket;
	log_limited(&listener->gate, LOG_ERR, "accept_failed", "error=\"%s\" rest=%ds",
	    strerror(EVUTIL_SOCKET_ERROR()), REST_SECONDS);
	rest(listener);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd, (void)what;
	listener->is_resting = 0;
	go_on(listener);
}

void
listener_closed(struct listener *listener)
{
	if (!listener->is_resting)
		return;
	event_del(listener->resume);
	listener->is_resting = 0;
	go_on(listener);
}

void
listener_hold(struct listener *listener, int is_held)
{
	listener->is_held = is_held;
	for (size_t i = 0; is_held && i < listener->count; i++)
		evconnlistener_disable(listener->sockets[i]);
	go_on(listener);
}

/* "192.0.2.1:7117", "[::1]:7117", "*:7117" to addresses; settings.c has checked
 * the form. */
static struct addrinfo *
resolve(const char *setting, const char *text, struct why *why)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t len = (size_t)(colon - text);
	int rc;

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		snprintf(host, sizeof host, "%.*s", (int)len - 2, text + 1);
	else
		snprintf(host, sizeof host, "%.*s", (int)len, text);
	rc = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, &found);
	if (rc == 0)
		return found;
	why_say(why, "%s %s: %s", setting, text, gai_strerror(rc));
	return NULL;
}

int
listener_check(const char *setting, const struct conf_list *listen, struct why *why)
{
	for (size_t i = 0; i < listen->count; i++) {
		struct addrinfo *found = resolve(setting, listen->items[i], why);

		if (!found)
			return -1;
		freeaddrinfo(found);
	}
	return 0;
}

/* A line without a setting is of `listen`: what reads the port from its end goes on doing so. */
static void
say_listening(int fd, const char *setting)
{
	int is_plain = strcmp(setting, "listen") == 0;
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[64], port[16];

	if (getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof host, port, sizeof port,
	        NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		log_event(LOG_NOTICE, "listening", "address=%s%s%s:%s%s%s",
		    address.ss_family == AF_INET6 ? "[" : "", host,
		    address.ss_family == AF_INET6 ? "]" : "", port,
		    is_plain ? "" : " setting=", is_plain ? "" : setting);
}

/* Takes `fd`, if it succeeds.  `backlog` 0: it listens already. */
static int
take_on(struct listener *listener, int fd, int backlog)
{
	const unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC;
	struct evconnlistener *taken =
	    evconnlistener_new(listener->base, on_connection, listener, flags, backlog, fd);

	if (!taken)
		return -1;
	evconnlistener_set_error_cb(taken, on_accept_error);
	listener->sockets = realloc(listener->sockets, (listener->count + 1) * sizeof(void *));
	if (!listener->sockets)
		fatal(EX_OSERR, "out_of_memory", "what=listener");
	listener->sockets[listener->count++] = taken;
	say_listening(fd, listener->setup.setting);
	return 0;
}

static int
open_one(struct listener *listener, const struct addrinfo *at, const char *text,
    struct why *why)
{
	int one = 1;
	int fd = socket(at->ai_family, SOCK_STREAM, 0);

	if (fd < 0)
		goto fail;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    (at->ai_family == AF_INET6 &&
	        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
	    evutil_make_socket_closeonexec(fd) < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) < 0 || take_on(listener, fd, BACKLOG) < 0)
		goto fail;
	return 0;
fail:
	why_say(why, "%s %s: %s", listener->setup.setting, text, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A host without IPv6 (or IPv4) still has the other one for "*". */
static int
open_all(struct listener *listener, const char *text, struct why *why)
{
	struct addrinfo *found = resolve(listener->setup.setting, text, why);
	size_t before = listener->count;
	int failed = 0;

	if (!found)
		return -1;
	for (const struct addrinfo *at = found; at; at = at->ai_next) {
		if (open_one(listener, at, text, why) < 0 && errno != EAFNOSUPPORT)
			failed = 1;
	}
	freeaddrinfo(found);
	return failed || listener->count == before ? -1 : 0;
}

struct listener *
listener_open(struct event_base *base, const struct listener_setup *setup, struct why *why)
{
	struct listener *listener = must_alloc(sizeof *listener);

	listener->base = base;
	listener->setup = *setup;
	listener->resume = event_new(base, -1, 0, on_resume, listener);
	if (!listener->resume) {
		why_say(why, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < setup->passed_count; i++) {
		if (take_on(listener, setup->passed[i], 0) < 0) {
			why_say(why, "%s: a socket that was passed: %s", setup->setting,
			    strerror(errno));
			goto fail;
		}
	}
	for (size_t i = 0; setup->passed_count == 0 && i < setup->listen->count; i++) {
		if (open_all(listener, setup->listen->items[i], why) < 0)
			goto fail;
	}
	return listener;
fail:
	listener_close(listener);
	return NULL;
}

int
listener_fd(const struct listener *listener, size_t i)
{
	return i < listener->count ? evconnlistener_get_fd(listener->sockets[i]) : -1;
}

void
listener_close(struct listener *listener)
{
	if (!listener)
		return;
	for (size_t i = 0; i < listener->count; i++)
		evconnlistener_free(listener->sockets[i]);
	free(listener->sockets);
	if (listener->resume)
		event_free(listener->resume);
	free(listener);
}
