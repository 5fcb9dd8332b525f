/* SPDX-License-Identifier: ISC */
/*
 * Looking servers up without waiting: each lookup (lookup.h) has a thread of its own, which
 * nobody joins, and its answer comes to the event loop by a pipe.  Who asks waits for as long as
 * he says; the thread may be stuck for longer, and then is the one that the next who asks for the
 * same server waits for: there is at most one a server.  That one has had its time: it is waited
 * for a second more.
 *
 * Each who asks has the server looked up anew.  Where the name server is away, the addresses that
 * were found last are given: they prove themselves, or do not, by their certificates.
 */
#ifndef INBOXQ_UPLINK_RESOLVE_H
#define INBOXQ_UPLINK_RESOLVE_H

#include <stddef.h>

#include "inboxq/uplink/lookup.h"
#include "lib/attr.h"

struct event_base;
struct resolver;
struct resolve;

MUST_CHECK struct resolver *resolver_new(struct event_base *base);
/* Whoever has asked must have been freed.  Threads that are stuck go on, and touch nothing that
 * is freed here. */
void resolver_free(struct resolver *resolver);

/*
 * Asks for `server`, whose word is copied.  on_answer is called once, from the loop, after at most
 * `seconds`: with the addresses, which are its own to look at until it returns, or with none and
 * the reason (`count` and `why` of struct lookup); a reason beside addresses is why they are old
 * ones.  It may call resolve_free().  NULL: out of memory.
 */
MUST_CHECK struct resolve *resolve_new(struct resolver *resolver, const struct server *server,
    const char *identity, unsigned seconds, void (*on_answer)(void *ctx, const struct lookup *),
    void *ctx);
/* Whoever was reached at `address` of `server` was of no use: for ten minutes he is the last of
 * its addresses that is given.  Another one that is blamed takes his place. */
void resolver_blame(struct resolver *resolver, const struct server *server,
    const struct lookup_address *address);
/* No call after this. */
void resolve_free(struct resolve *resolve);

#endif
