/* SPDX-License-Identifier: ISC */
/*
 * What the commit thread tells of a client to those who ask: browse.h makes it,
 * the status pages show it.  And what they may have it do: forget one, and take what it is
 * missing for known.
 */
#ifndef INBOXD_COMMIT_VIEW_H
#define INBOXD_COMMIT_VIEW_H

#include <stdint.h>

#include "inboxd/commit/gaps.h"
#include "lib/client_state.h"
#include "lib/figures.h"
#include "lib/identity.h"
#include "lib/proto.h"

/* One queue of one client, as the commit thread knows it; or a client that should come and never
 * did: all but its identity and state is empty then. */
struct client_view {
	char identity[IDENTITY_MAX + 1]; /* already plain: see identity.h */
	char queue[PROTO_QUEUE_LEN + 1];
	unsigned states; /* all that holds: client_states_of() */
	int connected;
	uint64_t settled;   /* the mark */
	uint64_t unsettled; /* items remembered above it */
	struct figures figures;
	/* Made one or not; those of them that nobody has confirmed; and what is kept of them. */
	uint64_t gaps_total, gaps_unknown;
	size_t gap_count;
	struct gap gaps[GAPS_MAX];
};

/* Which are wanted, of which all has to fit. */
struct view_filter {
	char identity[IDENTITY_MAX + 1]; /* this client's; "": of all */
	char match[IDENTITY_MAX + 1];    /* a pattern of identities, fnmatch(3); "": any */
	unsigned states;                 /* any of these holds; 0: whatever does */
};

/* How many clients there are. */
struct census_counts {
	uint64_t states[CLIENT_STATES]; /* each is counted once, by the worst of its queues */
	uint64_t ages[CLIENT_AGES];     /* by when they were seen last */
	uint64_t failed;                /* with items set aside */
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

/* Which gaps are known from now on: what is missing from `first` to `last` in the one queue of the
 * client whose identifier begins so. */
struct confirm_wish {
	char identity[IDENTITY_MAX + 1];
	char queue[PROTO_QUEUE_LEN + 1]; /* "": its only one */
	uint64_t first, last;
};

enum confirm_outcome {
	CONFIRM_DONE,
	CONFIRM_UNKNOWN,   /* there is no such client, or queue */
	CONFIRM_AMBIGUOUS, /* several begin so */
	CONFIRM_NONE,      /* nothing is missing there */
	CONFIRM_MERGED,    /* a part of a gap that was made of several: gaps.h */
	CONFIRM_FULL,      /* the ledger has no room for the record of it */
	CONFIRM_OUTCOMES
};

struct confirm_answer {
	enum confirm_outcome outcome;
	uint64_t gaps;   /* that nobody had confirmed before; DONE with 0: all were */
	uint64_t queues; /* that begin so */
	char queue[PROTO_QUEUE_LEN + 1]; /* the one of which it is told, or "" */
};

#endif
