/* SPDX-License-Identifier: ISC */
/*
 * What the commit thread tells of a client to those who ask: books_view() makes it,
 * the status pages show it.
 */
#ifndef INBOXD_COMMIT_VIEW_H
#define INBOXD_COMMIT_VIEW_H

#include <stdint.h>

#include "lib/escape.h"
#include "lib/identity.h"
#include "lib/proto.h"

/* One queue of one client, as the commit thread knows it.  Times are UTC
 * microseconds since 1970, 0: never. */
struct client_view {
	char identity[IDENTITY_MAX + 1]; /* already plain: see identity.h */
	char queue[PROTO_QUEUE_LEN + 1];
	int connected;
	uint64_t settled;   /* the mark */
	uint64_t unsettled; /* items remembered above it */
	uint64_t stored, bytes, skipped, missing; /* since the queue is known here, as far as
	                                             the ledger's state goes back */
	int64_t seen;       /* last HELLO */
	int64_t last_stored;
	uint64_t pending, oldest; /* as the client said at its last HELLO */
	char agent[ESCAPE_ROOM(64)]; /* escaped */
};

#endif
