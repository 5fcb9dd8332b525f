/* SPDX-License-Identifier: ISC */
/*
 * The door: who comes in, before a word of TLS is said.  A table of all connections by where they
 * come from, and the rules; it knows no socket, and is told the time.
 *
 * Who has not shown a certificate yet is nobody, and nobody keeps out somebody.  So handshakes have
 * room of their own, beside that of connections which are through with it.  Where it is full, the
 * address with most handshakes gives up its oldest, if that has had its time: at least a second,
 * and four times as long as those take that succeed.  If it has not, the newcomer waits: a fleet
 * that comes at once is let in as fast as handshakes are done, and none of it is turned away.
 *
 * An address whose handshakes keep failing is held to half of that room while room is short:
 * what it brings beyond is turned away at once, as waiting for it would keep others waiting.
 *
 * Belongs to the main thread.
 */
#ifndef INBOXD_ARRIVE_DOOR_H
#define INBOXD_ARRIVE_DOOR_H

#include <stdint.h>

#include "inboxd/arrive/place.h"
#include "lib/attr.h"

struct door;
struct sockaddr;

/* Connections beyond `connections` that are let through, so as to be told. */
#define DOOR_CROWD 64
/* How long a handshake may take whatever happens, microseconds. */
#define DOOR_PATIENCE INT64_C(1000000)
/* Failed handshakes of an address, a minute old at most, from which on it is held short. */
#define DOOR_FAULTS 32

/* See inboxd.conf(5). */
struct door_limits {
	uint64_t connections;
	uint64_t address, block; /* 0: no bound */
	uint64_t handshakes;
};

enum door_verdict {
	DOOR_OPEN,    /* it has its place */
	DOOR_WAIT,    /* nothing was counted: it may ask again */
	DOOR_CROWDED, /* too many in all */
	DOOR_ADDRESS, /* too many of its address, */
	DOOR_BLOCK,   /* of its block */
	DOOR_PENALTY, /* and its address is held short */
};

struct knock {
	const struct sockaddr *client;
	int64_t now; /* monotonic microseconds, here and below */
	struct place *place; /* all 0; the door's from DOOR_OPEN to door_left() */
	/* Answered: */
	struct place *yields; /* DOOR_OPEN: this one's handshake has to end; NULL: none's */
	int64_t again;        /* DOOR_WAIT: it will not be for longer than up to here */
};

/* `secret` is anything that nobody can guess. */
struct door *door_new(uint64_t secret);
/* NULL is fine. */
void door_free(struct door *door);
void door_set_limits(struct door *door, const struct door_limits *limits);

MUST_CHECK enum door_verdict door_knock(struct door *door, struct knock *knock);
/* Its handshake is done. */
void door_shaken(struct door *door, struct place *place, int64_t now);
/* It is over; `is_fault`: by a handshake that failed, and not by ours. */
void door_left(struct door *door, struct place *place, int is_fault, int64_t now);

uint64_t door_handshakes(const struct door *door);
/* Is more than three quarters of any room taken, or has it been, and not yet fallen to a half? */
int door_is_short(struct door *door);

#endif
