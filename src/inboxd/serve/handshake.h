/* SPDX-License-Identifier: ISC */
/*
 * A connection until TLS is agreed: then the front whose name was agreed on has it.  Its
 * deadline is [limits] hello, to a second.
 */
#ifndef INBOXD_SERVE_HANDSHAKE_H
#define INBOXD_SERVE_HANDSHAKE_H

#include "lib/attr.h"

struct handshake;
struct shop;
struct ticket;

/* Takes `fd`, connected to `peer` (address.h): a guest from here on.  `ticket`: ticket.h, or
 * NULL.  -1: no memory, and the descriptor is closed. */
MUST_CHECK int handshake_start(struct shop *shop, int fd, const char *peer,
    struct ticket *ticket);
/* Its room is wanted for others: ends it, if the peer has said nothing at all, or nothing for 5
 * seconds.  What it has said and we have not read counts: it does not wait for us in vain. */
void handshake_dismiss(struct handshake *handshake);

#endif
