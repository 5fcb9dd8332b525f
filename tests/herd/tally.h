/* SPDX-License-Identifier: ISC */
/* What a thread counts and times; added up when all threads have ended. */
#ifndef HERD_TALLY_H
#define HERD_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/proto.h"
#include "options.h"

#define TALLY_COUNTS(X)                                                              \
	X(CONNECTIONS, "connections", "connections begun")                           \
	X(HANDSHAKES, "handshakes", "handshakes done")                               \
	X(SESSIONS, "sessions", "READY heard")                                       \
	X(SENT, "sent", "items sent, each time")                                     \
	X(RESENT, "resent", "of them sent before")                                   \
	X(STORED, "stored", "items answered STORED, the first time")                 \
	X(AGAIN, "again", "of all STORED, those with again=1")                       \
	X(WRONG, "wrong_digest", "items sent under a wrong digest")                  \
	X(REPEATED, "repeated", "items sent again though acknowledged")              \
	X(WAITS, "waits", "WAIT heard")                                              \
	X(NO_CONNECT, "not_connected", "connections refused by the system")          \
	X(NO_HANDSHAKE, "no_handshake", "connections that ended in the handshake")   \
	X(BROKEN, "broken", "connections that ended later without a word")           \
	X(NO_WORD, "no_word", "connections given up after --patience")               \
	X(UNASKED, "unasked", "ERROR without garbage, answers that fit nothing")     \
	X(BYTES, "bytes", "bytes of the items stored")

enum count {
#define X(name, word, help) COUNT_##name,
	TALLY_COUNTS(X)
#undef X
	COUNTS
};

#define TALLY_SERIES(X)                                                              \
	X(CONNECT, "connect", "connect() to the handshake's end")                    \
	X(READY, "ready", "connect() to READY")                                      \
	X(ACK, "ack", "an item's first byte to its STORED")                          \
	X(DUE, "due", "when an item was due to its STORED, whatever came between")   \
	X(VISIT, "visit", "connect() to the first STORED of the connection")         \
	X(ROUND, "round", "--handshakes: connect() to the connection's end")

enum series {
#define X(name, word, help) SERIES_##name,
	TALLY_SERIES(X)
#undef X
	SERIES_COUNT
};

struct series_data {
	uint32_t *value; /* microseconds */
	size_t count, room;
};

struct tally {
	uint64_t count[COUNTS];
	uint64_t code[PROTO_CODE_COUNT]; /* LATER, REFUSED, GOAWAY, ERROR by their codes */
	uint64_t fault[FAULT_COUNT];
	struct series_data series[SERIES_COUNT];
};

/* Microseconds; ends the program where there is no memory. */
void tally_time(struct tally *tally, enum series which, int64_t took);
/* Adds `from` to `to`, and takes its series. */
void tally_add(struct tally *to, struct tally *from);
/* Sorts each series: before tally_rank(). */
void tally_sort(struct tally *tally);
/* The value that `share` (0 to 1) of a sorted series are not above; 0: there are none. */
uint32_t tally_rank(const struct tally *tally, enum series which, double share);
void tally_free(struct tally *tally);

#endif
