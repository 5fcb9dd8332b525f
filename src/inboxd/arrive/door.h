/* SPDX-License-Identifier: ISC */
/*
 * The door: who comes in, before a word of TLS is said.  A table of all connections by where they
 * come from, and the rules; it knows no socket, and is told the time.
 *
 * Who has not shown a certificate yet is nobody, and nobody keeps out somebody.  So handshakes have
 * room of their own, beside that of connections which are through with it.  Where it is full, a
 * newcomer waits, and the oldest handshake of the address that has most of them is asked to make
 * way.  It does so if it is silent; one that is under way stays, and the next one is asked.  So a
 * fleet that comes at once is let in as fast as handshakes are done, and none of it is turned away.
 *
 * An address whose handshakes keep failing is held to half of that room: what it brings beyond is
 * turned away at once, as waiting for it would keep others waiting.
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
/* Who has come, or was asked, is not asked for so long, microseconds: a first packet that was lost
 * comes again after a second (RFC 6298).  Of an address that is held short, for a quarter of it. */
#define DOOR_PATIENCE INT64_C(2000000)
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
	struct place *ask; /* this one is to make way, if it is silent; NULL: none is */
	int64_t again;     /* DOOR_WAIT: there is somebody to be asked then, at the latest */
};

struct door_room {
	const char *limit; /* the setting's name */
	uint64_t now, most;
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
/* The room of which the larger share is taken. */
struct door_room door_fullest(const struct door *door);
/* Are more than three quarters of the handshakes there may be under way, or nine tenths of the
 * connections there; or has that been, and they have not yet fallen to a half, and eight tenths? */
int door_is_short(struct door *door);

#endif
