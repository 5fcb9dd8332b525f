/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/serve/front.h"
#include "inboxd/serve/shop.h"
#include "inboxd/serve/ticket.h"
#include "lib/conn.h"

#define SILENCE 5 /* seconds of one that had begun */

struct handshake {
	struct guest guest; /* first: a guest is cast back to it */
	struct shop *shop;
	struct conn *conn;
};

static void
end(struct handshake *h)
{
	guest_leave(h->shop, &h->guest);
	free(h);
}

static void
on_open(void *ctx)
{
	struct handshake *h = ctx;
	const char *name = conn_alpn(h->conn);
	const struct front *const *front = h->shop->fronts;

	while (*front && strcmp((*front)->alpn, name) != 0)
		front++;
	assert(*front); /* the names that TLS agrees on are those of the same table */
	ticket_shaken(h->shop, h->guest.ticket);
	guest_settle(h->shop, &h->guest);
	(*front)->adopt(h->shop, h->conn, &h->guest);
	end(h);
}

static void
cut(struct handshake *h, const char *error)
{
	guest_close(h->shop, &h->guest, h->conn, "", error);
	end(h);
}

static void
on_close(void *ctx, const char *error)
{
	struct handshake *h = ctx;

	/* A list of ours that has run out is no client's fault, and a health check none at all. */
	if (h->guest.ticket)
		h->guest.ticket->is_fault =
		    error && !conn_was_silent(h->conn) && !conn_is_to_blame(h->conn);
	cut(h, error);
}

/* The front reads, once it has the connection. */
static size_t
on_read(void *ctx, const unsigned char *data, size_t len)
{
	(void)ctx, (void)data, (void)len;
	return 0;
}

static const struct conn_events events = {.on_open = on_open, .on_read = on_read,
    .on_close = on_close};

static void
tick(struct guest *guest)
{
	struct handshake *h = (struct handshake *)guest;
	struct shop *shop = h->shop;

	if (shop->awake - guest->began <= shop_deadline(shop, shop->site->settings->hello))
		return;
	stats_add(&shop->stats, STAT_CUT_HANDSHAKE, 1);
	on_close(h, "handshake: took too long");
}

static void
drain(struct guest *guest)
{
	cut((struct handshake *)guest, "the receiver stops");
}

static const struct front nobody = {.tick = tick, .drain = drain};

void
handshake_dismiss(struct handshake *h)
{
	if (conn_has_spoken(h->conn, SILENCE))
		return;
	stats_add(&h->shop->stats, STAT_CUT_DISPLACED, 1);
	if (h->guest.ticket)
		h->guest.ticket->is_fault = 1;
	cut(h, "handshake: others wait for its place");
}

int
handshake_start(struct shop *shop, int fd, const char *peer, struct ticket *ticket)
{
	const struct conn_link link = {.fd = fd, .peer = peer};
	struct handshake *h = must_alloc(sizeof *h);

	h->shop = shop;
	h->conn = conn_new(shop->base, shop->site->tls, &link, &events, h);
	if (!h->conn) {
		free(h);
		return -1;
	}
	guest_enter(shop, &h->guest, &nobody, NULL);
	h->guest.ticket = ticket;
	if (ticket)
		ticket->handshake = h;
	stats_add(&shop->stats, STAT_CONNECTIONS, 1);
	return 0;
}
