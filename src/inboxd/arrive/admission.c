/* SPDX-License-Identifier: ISC */
#include "inboxd/arrive/admission.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inboxd/arrive/door.h"
#include "inboxd/arrive/listener.h"
#include "inboxd/arrive/preface.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/stats.h"
#include "inboxd/serve/ticket.h"
#include "lib/address.h"
#include "lib/clock.h"
#include "lib/log.h"

struct visitor {
	struct ticket ticket; /* first, see of_ticket() */
	struct place place;
	int is_asked; /* to make way, and the wish has not come back */
	int has_left;
};

/* One who waits for room, first come, first served. */
struct waiting {
	struct waiting *next;
	int fd;
	struct sockaddr_storage client;
};

struct admission {
	struct admission_setup setup;
	struct door *door;
	struct listener *listener; /* both or none */
	struct prefaces *prefaces;
	struct event *again; /* for the first who waits */
	struct waiting *first, **last;
	struct log_gate gate;
	int is_short;
	size_t visitors;
};

static struct visitor *
of_ticket(struct ticket *ticket)
{
	return (struct visitor *)ticket;
}

static struct visitor *
of_place(struct place *place)
{
	return (struct visitor *)((char *)place - offsetof(struct visitor, place));
}

static void
look_at_room(struct admission *admission)
{
	struct stats *stats = admission->setup.stats;
	struct door_room room = door_fullest(admission->door);
	int is_short = door_is_short(admission->door);

	stats_set(stats, STAT_NOW_HANDSHAKES, door_handshakes(admission->door));
	if (is_short == admission->is_short)
		return;
	admission->is_short = is_short;
	stats_set(stats, STAT_NOW_SHORT, (uint64_t)is_short);
	log_limited(&admission->gate, is_short ? LOG_WARNING : LOG_NOTICE,
	    is_short ? "room_short" : "room_again", "limit=%s now=%llu most=%llu note=\"%s\"",
	    room.limit, (unsigned long long)room.now, (unsigned long long)room.most,
	    is_short ? "hello and line are a quarter from now on" : "hello and line are as set");
	admission->setup.on_short(admission->setup.ctx, is_short);
}

/* ---- one comes */

static const struct {
	enum counter counter;
	const char *reason;
} refusals[] = {
    [DOOR_CROWDED] = {STAT_DOOR_CROWDED, "crowded"},
    [DOOR_ADDRESS] = {STAT_DOOR_ADDRESS, "address"},
    [DOOR_BLOCK] = {STAT_DOOR_BLOCK, "block"},
    [DOOR_PENALTY] = {STAT_DOOR_PENALTY, "penalty"},
};

static void
turn_away(struct admission *admission, enum door_verdict verdict, int fd,
    const struct sockaddr *client)
{
	char peer[ADDRESS_ROOM];

	address_print(client, peer);
	stats_add(admission->setup.stats, refusals[verdict].counter, 1);
	log_limited(&admission->gate, LOG_WARNING, "connection_refused", "peer=%s reason=%s",
	    peer, refusals[verdict].reason);
	close(fd);
}

static void
ask(struct visitor *visitor)
{
	if (visitor->is_asked)
		return;
	visitor->is_asked = 1;
	ticket_dismiss(&visitor->ticket);
}

/* Takes `fd`, unless it has to wait: then *again is when to ask, at the latest. */
static enum door_verdict
try_to_enter(struct admission *admission, int fd, const struct sockaddr *client, int64_t *again)
{
	struct visitor *visitor = must_alloc(sizeof *visitor);
	struct knock knock = {
	    .client = client, .now = clock_monotonic(), .place = &visitor->place};
	enum door_verdict verdict = door_knock(admission->door, &knock);

	if (knock.ask)
		ask(of_place(knock.ask));
	if (verdict != DOOR_OPEN) {
		free(visitor);
		if (verdict == DOOR_WAIT)
			*again = knock.again;
		else
			turn_away(admission, verdict, fd, client);
		return verdict;
	}
	/* Counted here, not where it is served: of a burst, too many would be let in. */
	stats_add(admission->setup.stats, STAT_NOW_CONNECTIONS, 1);
	admission->visitors++;
	admission->setup.give(admission->setup.ctx, &visitor->ticket, fd, client);
	look_at_room(admission);
	return verdict;
}

/* ---- one has to wait */

static void
hold(struct admission *admission, int is_held)
{
	if (!admission->listener)
		return;
	listener_hold(admission->listener, is_held);
	prefaces_hold(admission->prefaces, is_held);
}

static void
wait_until(struct admission *admission, int64_t again)
{
	int64_t left = again - clock_monotonic();
	struct timeval tv = {0, 0};

	if (left > 0) {
		tv.tv_sec = (time_t)(left / CLOCK_SECOND);
		tv.tv_usec = (suseconds_t)(left % CLOCK_SECOND);
	}
	/* Without memory for a timer, another end of a handshake will do. */
	if (event_add(admission->again, &tv) < 0)
		log_limited(&admission->gate, LOG_WARNING, "no_timer", "what=door");
}

static struct waiting *
first_out(struct admission *admission)
{
	struct waiting *first = admission->first;

	admission->first = first->next;
	if (!admission->first)
		admission->last = &admission->first;
	return first;
}

/* There may be room for who waits. */
static void
go_on(struct admission *admission)
{
	int64_t again;

	if (!admission->first)
		return;
	while (admission->first) {
		struct waiting *first = admission->first;

		if (try_to_enter(admission, first->fd, (struct sockaddr *)&first->client, &again) ==
		    DOOR_WAIT) {
			wait_until(admission, again);
			return;
		}
		free(first_out(admission));
	}
	event_del(admission->again);
	hold(admission, 0);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	go_on(arg);
}

static void
line_up(struct admission *admission, int fd, const struct sockaddr *client)
{
	struct waiting *waiting = must_alloc(sizeof *waiting);

	waiting->fd = fd;
	address_copy(client, &waiting->client);
	*admission->last = waiting;
	admission->last = &waiting->next;
}

void
admission_knock(void *ctx, int fd, const struct sockaddr *client)
{
	struct admission *admission = ctx;
	int64_t again;

	/* The listeners rest; but one may have been accepted before. */
	if (admission->first) {
		line_up(admission, fd, client);
		return;
	}
	if (try_to_enter(admission, fd, client, &again) != DOOR_WAIT)
		return;
	line_up(admission, fd, client);
	stats_add(admission->setup.stats, STAT_DOOR_WAITS, 1);
	hold(admission, 1);
	wait_until(admission, again);
}

/* ---- what becomes of it */

static void
free_if_over(struct admission *admission, struct visitor *visitor)
{
	if (!visitor->has_left || visitor->is_asked)
		return;
	free(visitor);
	admission->visitors--;
}

int
admission_take(struct admission *admission, struct message *message)
{
	struct visitor *visitor;
	int64_t now = clock_monotonic();

	if (message->kind != TICKET_SHAKEN && message->kind != TICKET_LEFT &&
	    message->kind != TICKET_DISMISSED)
		return 0;
	visitor = of_ticket(ticket_of(message));
	if (message->kind == TICKET_SHAKEN) {
		door_shaken(admission->door, &visitor->place, now);
	} else if (message->kind == TICKET_LEFT) {
		door_left(admission->door, &visitor->place, visitor->ticket.is_fault, now);
		visitor->has_left = 1;
		if (admission->listener) {
			listener_closed(admission->listener);
			prefaces_closed(admission->prefaces);
		}
	} else {
		visitor->is_asked = 0;
	}
	free_if_over(admission, visitor);
	look_at_room(admission);
	go_on(admission);
	return 1;
}

/* ---- begin and end */

void
admission_set_limits(struct admission *admission, const struct settings *settings)
{
	const struct door_limits limits = {.connections = settings->connections,
	    .address = settings->address, .block = settings->block,
	    .handshakes = settings->handshakes};

	door_set_limits(admission->door, &limits);
	look_at_room(admission);
	go_on(admission);
}

void
admission_set_listeners(struct admission *admission, struct listener *listener,
    struct prefaces *prefaces)
{
	admission->listener = listener;
	admission->prefaces = prefaces;
	while (!listener && admission->first) {
		struct waiting *first = first_out(admission);

		close(first->fd);
		free(first);
	}
}

struct admission *
admission_new(const struct admission_setup *setup, const struct settings *settings)
{
	struct admission *admission = must_alloc(sizeof *admission);
	uint64_t secret;

	admission->setup = *setup;
	admission->last = &admission->first;
	if (getentropy(&secret, sizeof secret) < 0)
		goto fail;
	admission->again = event_new(setup->base, -1, 0, on_again, admission);
	if (!admission->again) {
		errno = ENOMEM;
		goto fail;
	}
	admission->door = door_new(secret);
	admission_set_limits(admission, settings);
	return admission;
fail:
	free(admission);
	return NULL;
}

void
admission_free(struct admission *admission)
{
	if (!admission)
		return;
	assert(admission->visitors == 0);
	admission_set_listeners(admission, NULL, NULL);
	event_free(admission->again);
	door_free(admission->door);
	free(admission);
}
