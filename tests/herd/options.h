/* SPDX-License-Identifier: ISC */
/* What is asked for on the command line: a row an option in options.c. */
#ifndef HERD_OPTIONS_H
#define HERD_OPTIONS_H

#include <stdint.h>

#include "sizes.h"

/* What a connection may have wrong with it, each by a rate in percent of connections. */
#define FAULTS(X)                                                                            \
	X(LOST_ACK, "lost-ack", "cut before an answer is read; comes back and sends again")  \
	X(SLOW_READ, "slow-read", "reads a few bytes, some times a second")                  \
	X(SLOW_WRITE, "slow-write", "writes a few bytes, some times a second")               \
	X(SILENT, "silent", "connects and says nothing")                                     \
	X(HALF_OPEN, "half-open", "stops amid the handshake, a line or an item")             \
	X(GARBAGE, "garbage", "says what is no TLS, or no line")

enum fault {
	FAULT_NONE,
#define X(name, option, help) FAULT_##name,
	FAULTS(X)
#undef X
	FAULT_COUNT
};

struct options {
	char host[256], port[16];        /* of the receiver */
	const char *pki, *name, *inbox;  /* contrib/pki's folder; the receiver's name */
	const char *root, *book, *socket;
	struct sizes sizes;
	uint64_t clients, items, window, certificates, sources, threads, seed, open, pid;
	uint64_t idle, large;
	double seconds, think, pace, ramp, limit, hold, patience;
	double fault[FAULT_COUNT], wrong_digest, again; /* percent */
	uint64_t fresh, at_once, all_ready, identical, json, no_verify, judge, handshakes;
};

/* Reads them all; where that cannot be it says why and ends with 64, and with 0 after --help. */
void options_read(struct options *options, int argc, char **argv);

#endif
