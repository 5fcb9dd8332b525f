/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/front.h"

#include "inboxd/serve/shop.h"
#include "inboxd/serve/ticket.h"
#include "lib/conn.h"
#include "lib/log.h"

#define ASKED_MAX 256 /* guests that are asked to make room for one */

/* ---- the list: useful last, first */

static void
link_first(struct shop *shop, struct guest *guest)
{
	guest->previous = NULL;
	guest->next = shop->guests;
	if (guest->next)
		guest->next->previous = guest;
	else
		shop->last_guest = guest;
	shop->guests = guest;
}

static void
unlink_guest(struct shop *shop, struct guest *guest)
{
	if (guest->next)
		guest->next->previous = guest->previous;
	else
		shop->last_guest = guest->previous;
	if (guest->previous)
		guest->previous->next = guest->next;
	else
		shop->guests = guest->next;
}

void
guest_enter(struct shop *shop, struct guest *guest, const struct front *front,
    const struct guest *from)
{
	guest->front = front;
	guest->ticket = from ? from->ticket : NULL;
	guest->began = from ? from->began : shop->awake;
	guest->touched = shop->awake;
	guest->site_number = from ? from->site_number : shop->site_number;
	guest->stays = from && from->stays;
	guest->is_crowded = from && from->is_crowded;
	link_first(shop, guest);
}

void
guest_leave(struct shop *shop, struct guest *guest)
{
	unlink_guest(shop, guest);
	if (!shop->guests)
		shop->on_empty(shop);
}

/* The last one to be asked to make room. */
static void
move_first(struct shop *shop, struct guest *guest)
{
	if (shop->guests == guest)
		return;
	unlink_guest(shop, guest);
	link_first(shop, guest);
}

void
guest_touch(struct shop *shop, struct guest *guest)
{
	guest->touched = shop->awake;
	move_first(shop, guest);
}

/* ---- places */

void
guest_settle(struct shop *shop, struct guest *guest)
{
	if (!shop->staying)
		return;
	guest->stays = 1;
	guest->is_crowded = atomic_fetch_add_explicit(shop->staying, 1, memory_order_relaxed) >=
	    shop->site->settings->connections;
}

void
guest_retire(struct shop *shop, struct guest *guest)
{
	if (!guest->stays)
		return;
	atomic_fetch_sub_explicit(shop->staying, 1, memory_order_relaxed);
	guest->stays = 0;
	move_first(shop, guest);
}

/* Who cannot go is out of the way then: else many who never can would hide all others for ever. */
int
guest_make_room(struct shop *shop)
{
	struct guest *guest = shop->last_guest, *newest = shop->guests, *previous;

	for (unsigned asked = 0; guest && asked < ASKED_MAX; asked++, guest = previous) {
		previous = guest == newest ? NULL : guest->previous;
		if (guest->stays && guest->front->make_room && guest->front->make_room(guest))
			return 1;
		move_first(shop, guest);
	}
	return 0;
}

void
guest_close(struct shop *shop, struct guest *guest, struct conn *conn, const char *identity,
    const char *error)
{
	const char *client = identity[0] ? identity : "-";

	if (conn_was_silent(conn)) {
		stats_add(&shop->stats, STAT_CONNECTIONS_SILENT, 1);
	} else if (error) {
		stats_add(&shop->stats, STAT_CONNECTIONS_FAILED, 1);
		log_limited(&shop->gate, conn_is_to_blame(conn) ? LOG_WARNING : LOG_NOTICE,
		    "connection_failed",
		    "client=%s peer=%s error=\"%s\"", client, conn_peer_address(conn), error);
	} else {
		log_event(LOG_INFO, "session_closed", "client=%s peer=%s", client,
		    conn_peer_address(conn));
	}
	conn_free(conn);
	stats_sub(&shop->stats, STAT_NOW_CONNECTIONS, 1);
	guest_retire(shop, guest);
	ticket_left(shop, guest->ticket);
	guest->ticket = NULL;
}
