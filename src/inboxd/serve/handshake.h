/* SPDX-License-Identifier: ISC */
/*
 * A connection until TLS is agreed: then the front whose name was agreed on has it.  Its
 * deadline, [limits] hello, is set here and kept by conn.h alone.
 */
#ifndef INBOXD_SERVE_HANDSHAKE_H
#define INBOXD_SERVE_HANDSHAKE_H

#include "lib/attr.h"

struct shop;

/* Takes `fd`, connected to `peer` (address.h): a guest from here on.  `crowded`: see
 * struct guest.  -1: no memory, and the descriptor is closed. */
MUST_CHECK int handshake_start(struct shop *shop, int fd, const char *peer, int crowded);

#endif
