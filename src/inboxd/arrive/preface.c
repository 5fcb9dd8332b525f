/* SPDX-License-Identifier: ISC */
/*
 * Bytes are looked at before they are taken (MSG_PEEK): all of those that hold no end of the
 * preface are its own, and of those that do, as many as are.  So none of TLS is ever taken, and a
 * half preface leaves nothing in the socket that would wake us again and again.
 *
 * Rejected: to let the workers read it.  The door (main's, too) goes by the client's address.
 */
#include "inboxd/arrive/preface.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inboxd/arrive/listener.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/site.h"
#include "inboxd/base/stats.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/network.h"
#include "lib/proxy.h"

#define PATIENCE (5 * CLOCK_SECOND) /* for a preface, from the connection on */
/* Prefaces that may be waited for at once, some 4 KiB each.  Beyond that connections stay in the
 * kernel's queue. */
#define PREFACES_MAX 256

struct preface {
	struct preface *next, *previous;
	struct prefaces *all;
	struct event event;
	struct sockaddr_storage proxy;
	int64_t deadline; /* monotonic microseconds */
	int fd;
	size_t had; /* bytes taken */
	unsigned char bytes[PROXY_MAX];
};

struct prefaces {
	struct event_base *base;
	struct prefaces_setup setup;
	struct listener *listener;
	struct preface *first;
	size_t count;
	int is_held, holds_listener;
	struct log_gate gate;
};

/* Whoever comes now waits in the kernel's queue, where that is wanted or there are too many. */
static void
hold_listener(struct prefaces *all)
{
	int is_wanted = all->is_held || all->count >= PREFACES_MAX;

	if (is_wanted != all->holds_listener)
		listener_hold(all->listener, is_wanted);
	all->holds_listener = is_wanted;
}

static int
is_listed(const struct prefaces *all, const struct sockaddr *peer)
{
	const struct conf_list *proxies = &(*all->setup.site)->settings->proxies;
	struct network network;

	for (size_t i = 0; i < proxies->count; i++) {
		/* settings.c has checked it. */
		if (network_parse(proxies->items[i], &network) == 0 && network_has(&network, peer))
			return 1;
	}
	return 0;
}

static const struct refusal {
	enum counter counter;
	const char *reason;
} unlisted = {STAT_DOOR_UNLISTED, "unlisted"}, wrong = {STAT_DOOR_PREFACE, "preface"},
  unfinished = {STAT_DOOR_UNFINISHED, "unfinished"};

static void
refuse(struct prefaces *all, const struct sockaddr *peer, const struct refusal *refusal,
    const char *error)
{
	char text[ADDRESS_ROOM];

	address_print(peer, text);
	stats_add(all->setup.stats, refusal->counter, 1);
	log_limited(&all->gate, LOG_WARNING, "connection_refused",
	    "peer=%s reason=%s error=\"%s\"", text, refusal->reason, error);
}

/* ---- one of them */

static const struct sockaddr *
proxy_of(const struct preface *p)
{
	return (const struct sockaddr *)&p->proxy;
}

/* The descriptor is somebody else's by now. */
static void
forget(struct preface *p)
{
	struct prefaces *all = p->all;

	event_del(&p->event);
	if (p->next)
		p->next->previous = p->previous;
	if (p->previous)
		p->previous->next = p->next;
	else
		all->first = p->next;
	free(p);
	all->count--;
	hold_listener(all);
}

static void
drop(struct preface *p)
{
	close(p->fd);
	forget(p);
}

static void
hand_on(struct preface *p, const struct proxy_preface *said)
{
	const struct prefaces_setup *setup = &p->all->setup;
	struct sockaddr_storage client =
	    said->source.ss_family == AF_UNSPEC ? p->proxy : said->source;
	char peer[ADDRESS_ROOM], proxy[ADDRESS_ROOM];
	int fd = p->fd;

	address_print((struct sockaddr *)&client, peer);
	address_print(proxy_of(p), proxy);
	log_event(LOG_DEBUG, "preface_read", "peer=%s proxy=%s", peer, proxy);
	forget(p);
	setup->on_accept(setup->ctx, fd, (struct sockaddr *)&client);
}

/* It is over before its end.  Who has said nothing at all only looked whether we listen. */
static void
on_end(struct preface *p)
{
	if (p->had == 0)
		stats_add(p->all->setup.stats, STAT_CONNECTIONS_SILENT, 1);
	else
		refuse(p->all, proxy_of(p), &unfinished,
		    "closed before the preface had its end");
	drop(p);
}

/* Takes `len` bytes that have been looked at.  0, or -1: they are not there any more. */
static int
take(struct preface *p, size_t len)
{
	if (recv(p->fd, p->bytes + p->had, len, 0) != (ssize_t)len)
		return -1;
	p->had += len;
	return 0;
}

/* MORE: it waits on; else it is no more here. */
static enum proxy_state
read_some(struct preface *p)
{
	struct proxy_preface said;
	enum proxy_state state;
	struct why why;
	ssize_t got;

	assert(p->had < sizeof p->bytes); /* as the codec promises */
	got = recv(p->fd, p->bytes + p->had, sizeof p->bytes - p->had, MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return PROXY_MORE;
	if (got <= 0) {
		on_end(p);
		return PROXY_BAD;
	}
	state = proxy_read(p->bytes, p->had + (size_t)got, &said, &why);
	if (state == PROXY_BAD) {
		refuse(p->all, proxy_of(p), &wrong, why.text);
		drop(p);
	} else if (take(p, state == PROXY_WHOLE ? said.length - p->had : (size_t)got) < 0) {
		on_end(p);
		return PROXY_BAD;
	} else if (state == PROXY_WHOLE) {
		hand_on(p, &said);
	}
	return state;
}

static void
wait_on(struct preface *p)
{
	int64_t left = p->deadline - clock_monotonic();
	const struct timeval most = {
	    (time_t)(left / CLOCK_SECOND), (suseconds_t)(left % CLOCK_SECOND)};

	if (left > 0 && event_add(&p->event, &most) == 0)
		return;
	refuse(p->all, proxy_of(p), &unfinished,
	    left > 0 ? "out of memory" : "no end of the preface within 5 seconds");
	drop(p);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct preface *p = arg;

	(void)fd;
	if (!(what & EV_READ) || read_some(p) == PROXY_MORE)
		wait_on(p);
}

/* ---- all of them */

static void
on_connection(void *ctx, int fd, const struct sockaddr *peer)
{
	struct prefaces *all = ctx;
	struct preface *p;

	if (!is_listed(all, peer)) {
		refuse(all, peer, &unlisted, "not one of [receiver] proxies");
		close(fd);
		return;
	}
	p = must_alloc(sizeof *p);
	p->all = all;
	p->fd = fd;
	address_copy(peer, &p->proxy);
	p->deadline = clock_monotonic() + PATIENCE;
	event_assign(&p->event, all->base, fd, EV_READ, on_event, p);
	p->next = all->first;
	if (p->next)
		p->next->previous = p;
	all->first = p;
	all->count++;
	hold_listener(all);
	/* Mostly it has come with the connection. */
	if (!all->is_held && read_some(p) == PROXY_MORE)
		wait_on(p);
}

struct prefaces *
prefaces_open(struct event_base *base, const struct prefaces_setup *setup, struct why *why)
{
	struct prefaces *all = must_alloc(sizeof *all);
	const struct listener_setup listening = {.setting = "listen-proxy",
	    .listen = &(*setup->site)->settings->listen_proxy, .passed = setup->passed,
	    .passed_count = setup->passed_count, .on_accept = on_connection, .ctx = all};

	all->base = base;
	all->setup = *setup;
	all->listener = listener_open(base, &listening, why);
	if (all->listener)
		return all;
	free(all);
	return NULL;
}

void
prefaces_hold(struct prefaces *prefaces, int is_held)
{
	struct preface *p, *next;

	prefaces->is_held = is_held;
	for (p = prefaces->first; p; p = next) {
		next = p->next;
		event_del(&p->event);
		p->deadline = clock_monotonic() + PATIENCE; /* it is not theirs that they wait */
		if (!is_held)
			wait_on(p);
	}
	hold_listener(prefaces);
}

void
prefaces_closed(struct prefaces *prefaces)
{
	listener_closed(prefaces->listener);
}

void
prefaces_close(struct prefaces *prefaces)
{
	if (!prefaces)
		return;
	while (prefaces->first)
		drop(prefaces->first);
	listener_close(prefaces->listener);
	free(prefaces);
}
