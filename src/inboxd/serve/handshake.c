/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/serve/front.h"
#include "inboxd/serve/shop.h"
#include "lib/conn.h"

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
	(*front)->adopt(h->shop, h->conn, &h->guest);
	end(h);
}

static void
on_close(void *ctx, const char *error)
{
	struct handshake *h = ctx;

	guest_close(h->shop, h->conn, "", error);
	end(h);
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
	(void)guest;
}

static void
drain(struct guest *guest)
{
	on_close(guest, "the receiver stops");
}

static const struct front nobody = {.tick = tick, .drain = drain};

int
handshake_start(struct shop *shop, int fd, const char *peer, int crowded)
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
	h->guest.crowded = crowded;
	conn_set_idle(h->conn, (unsigned)shop->site->settings->hello);
	stats_add(&shop->stats, STAT_CONNECTIONS, 1);
	return 0;
}
