/* SPDX-License-Identifier: ISC */
/*
 * A client's figures: what is known of one of its queues beside the mark and the items above
 * it.  A figure is a member of one of the two structs, and a row: the receiver keeps, records
 * and shows figures by walking the rows, and copies them whole.
 *
 * None is a metric: a label a client would make as many series as there are clients.
 */
#ifndef LIB_FIGURES_H
#define LIB_FIGURES_H

#include <stdint.h>

#include "lib/escape.h"
#include "lib/field.h"
#include "lib/proto.h"

#define FIGURES_AGENT_MAX 64 /* bytes */
#define FIGURES_ADDRESS_MAX 45

/* What lies at the client, as it said last: by HELLO or STATE. */
struct backlog {
	uint64_t pending;
	uint64_t pending_oldest; /* the client's own time, UTC seconds; 0: none */
	uint64_t failed;         /* set aside */
	uint64_t free;           /* bytes free for its queue, at least 1; 0: it did not say */
};

/* What is known by sessions. */
struct hello {
	int64_t seen; /* when it was connected last, UTC microseconds; 0: never */
	struct backlog backlog;
	char agent[ESCAPE_ROOM(FIGURES_AGENT_MAX)]; /* escaped */
	char address[FIGURES_ADDRESS_MAX + 1]; /* where it connected from: address_host() */
};

/* What was counted since the queue is known, as far as the ledger's state goes back. */
struct tally {
	uint64_t stored, stored_bytes, skipped, missing, reused;
	int64_t last_stored; /* UTC microseconds; 0: never */
	/* Answers: that an item was stored before, LATER and REFUSED.  No records count these. */
	uint64_t again, later, refused;
};

struct figures {
	struct hello hello;
	struct tally tally;
};

/* Member, kind, the most it may be, its name (the key in the queue record, and in JSON), and
 * the head of its column in inboxctl clients, where they stand in this order. */
#define FIGURES(X)                                                                       \
	X(hello.seen, TIME, 0, "seen", "SEEN")                                           \
	X(tally.last_stored, TIME, 0, "last_stored", "LAST-STORED")                      \
	X(tally.stored, NUMBER, PROTO_NUMBER_MAX, "stored", "STORED")                    \
	X(tally.stored_bytes, BYTES, PROTO_NUMBER_MAX, "stored_bytes", "BYTES")          \
	X(hello.backlog.pending, NUMBER, PROTO_NUMBER_MAX, "pending", "PENDING")                 \
	X(hello.backlog.pending_oldest, SECONDS, PROTO_NUMBER_MAX, "pending_oldest", "SINCE") \
	X(hello.backlog.failed, NUMBER, PROTO_NUMBER_MAX, "failed", "FAILED")            \
	X(hello.backlog.free, BYTES, PROTO_NUMBER_MAX, "free", "FREE")                   \
	X(tally.skipped, NUMBER, PROTO_NUMBER_MAX, "skipped", "SKIPPED")                 \
	X(tally.missing, NUMBER, PROTO_NUMBER_MAX, "missing", "MISSING")                 \
	X(tally.reused, NUMBER, PROTO_NUMBER_MAX, "reused", "REUSED")                    \
	X(tally.again, NUMBER, PROTO_NUMBER_MAX, "again", "AGAIN")                       \
	X(tally.later, NUMBER, PROTO_NUMBER_MAX, "later", "LATER")                       \
	X(tally.refused, NUMBER, PROTO_NUMBER_MAX, "refused", "REFUSED")                 \
	X(hello.address, VISIBLE, FIGURES_ADDRESS_MAX, "address", "ADDRESS")             \
	X(hello.agent, ESCAPED, FIGURES_AGENT_MAX, "agent", "AGENT")

enum {
#define X(member, kind, most, name, head) +1
	FIGURES_COUNT = FIGURES(X)
#undef X
};

struct figure {
	struct member member; /* of struct figures */
	const char *head;
};

extern const struct figure figures_rows[FIGURES_COUNT];

#endif
