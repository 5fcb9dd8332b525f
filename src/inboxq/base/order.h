/* SPDX-License-Identifier: ISC */
/*
 * In which order a client tries its servers.  Those without a weight go by the order in which
 * they stand (where all are to be spread, such a one has the weight 1); neighbours with weights are
 * one group, whose order each client draws by weighted
 * rendezvous hashing of its identity (Thaler, Ravishankar 1998; weights as in Efraimidis,
 * Spirakis 2006): of a fleet each server is the first choice of a share by its weight, each
 * client's order is the same for ever, and a server that comes or goes moves its own share only.
 *
 * Rejected: drawing by lot at each cycle, after which nobody can tell where a client's items are,
 * and failback has no place to go back to.
 */
#ifndef INBOXQ_BASE_ORDER_H
#define INBOXQ_BASE_ORDER_H

#include <stddef.h>

#include "inboxq/base/server.h"
#include "lib/attr.h"

/* order[0] is the index of the first one to be tried, and so on: each of the `count` once.
 * `identity` is the client's own, as its certificate has it. */
void order_servers(const struct server *servers, size_t count, const char *identity,
    size_t order[]);

struct conf_list;

/* How those without a weight stand: the key `order`. */
enum order_way { ORDER_PREFERRED, ORDER_SPREAD };

/* The words of the key `servers`, which have been checked, in that order: a new array, to be freed,
 * of words->count texts, which stay the list's.  NULL: out of memory. */
MUST_CHECK char **order_words(const struct conf_list *words, enum order_way way,
    const char *identity);

#endif
