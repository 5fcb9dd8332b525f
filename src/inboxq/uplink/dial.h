/* SPDX-License-Identifier: ISC */
/* The addresses of a server's name, each to be tried in turn, in the order of
 * getaddrinfo(3) (RFC 6724).  Resolving blocks; the client has nothing else to do. */
#ifndef INBOXQ_UPLINK_DIAL_H
#define INBOXQ_UPLINK_DIAL_H

#include <stddef.h>

#include "lib/address.h"
#include "lib/attr.h"
#include "lib/why.h"

struct dial;

/* NULL, with the reason in `why`: the name is not known, or out of memory. */
MUST_CHECK struct dial *dial_new(const char *host, const char *port, struct why *why);
void dial_free(struct dial *dial);

/* A non-blocking socket that is connecting to the next address, and that address; -1 if
 * none is left. */
MUST_CHECK int dial_next(struct dial *dial, char address[ADDRESS_ROOM]);

#endif
