/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/front.h"

#include "inboxd/serve/shop.h"
#include "lib/conn.h"
#include "lib/log.h"

void
guest_enter(struct shop *shop, struct guest *guest, const struct front *front,
    const struct guest *from)
{
	guest->front = front;
	guest->began = from ? from->began : shop->now;
	guest->site_number = from ? from->site_number : shop->site_number;
	guest->crowded = from && from->crowded;
	guest->previous = NULL;
	guest->next = shop->guests;
	if (guest->next)
		guest->next->previous = guest;
	shop->guests = guest;
}

void
guest_leave(struct shop *shop, struct guest *guest)
{
	if (guest->next)
		guest->next->previous = guest->previous;
	if (guest->previous)
		guest->previous->next = guest->next;
	else
		shop->guests = guest->next;
	if (!shop->guests)
		shop->on_empty(shop);
}

void
guest_close(struct shop *shop, struct conn *conn, const char *identity, const char *error)
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
}
