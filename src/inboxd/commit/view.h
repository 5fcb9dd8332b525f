/* SPDX-License-Identifier: ISC */
/*
 * What the commit thread tells of a client to those who ask: books_view() makes it,
 * the status pages show it.  And what they may have it do: forget one.
 */
#ifndef INBOXD_COMMIT_VIEW_H
#define INBOXD_COMMIT_VIEW_H

#include <stdint.h>

#include "lib/figures.h"
#include "lib/identity.h"
#include "lib/proto.h"

/* One queue of one client, as the commit thread knows it. */
struct client_view {
	char identity[IDENTITY_MAX + 1]; /* already plain: see identity.h */
	char queue[PROTO_QUEUE_LEN + 1];
	int connected;
	uint64_t settled;   /* the mark */
	uint64_t unsettled; /* items remembered above it */
	struct figures figures;
};

/* Which of a client's queues are to be forgotten: all, or the one whose identifier begins so. */
struct forget_wish {
	char identity[IDENTITY_MAX + 1];
	char queue[PROTO_QUEUE_LEN + 1]; /* "": all */
	int force; /* with items that the client has not settled, too */
};

enum forget_outcome {
	FORGET_DONE,
	FORGET_UNKNOWN,   /* there is no such client, or queue */
	FORGET_AMBIGUOUS, /* several begin so */
	FORGET_CONNECTED, /* and all others, too: none was forgotten */
	FORGET_UNSETTLED,
	FORGET_UNDER_WAY, /* what was acknowledged last is not durable in new/ yet */
	FORGET_FULL,      /* the ledger has no room for the record of it */
	FORGET_OUTCOMES
};

struct forget_answer {
	enum forget_outcome outcome;
	uint64_t queues;    /* that were forgotten, or that begin so */
	uint64_t unsettled; /* items of them that are stored again if they are sent again */
	char queue[PROTO_QUEUE_LEN + 1]; /* the one in the way, or "" */
};

#endif
