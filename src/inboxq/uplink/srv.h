/* SPDX-License-Identifier: ISC */
/*
 * The SRV records in a name server's answer (RFC 2782): whom to ask, in which order.  What stands
 * in it is the name server's text, or whoever's may forge it: a target is taken if it could stand
 * in the key `servers`, and passed over else.
 *
 * Pure: bytes in, servers out.
 */
#ifndef INBOXQ_UPLINK_SRV_H
#define INBOXQ_UPLINK_SRV_H

#include <stddef.h>

#include "inboxq/base/server.h"
#include "lib/attr.h"

#define SRV_MAX 16           /* servers; further records are passed over */
#define SRV_WEIGHT_SCALE 100 /* who has weight 0 has a small chance: RFC 2782, "Weight" */

/* By priority, and those of one priority in the order of the client `identity`.  Their names end
 * with a dot: they are looked up as they stand.  0, or -1: it is no answer that can be read. */
MUST_CHECK int srv_read(const unsigned char *answer, size_t len, struct server servers[SRV_MAX],
    size_t *count, const char *identity);

#endif
