/* SPDX-License-Identifier: ISC */
/*
 * Where connections come from: addresses, and blocks of addresses, in a hash table that knows
 * those with connections, and of the others, a bounded number of those that have misbehaved.
 * Of an address, also its handshakes, oldest first; and which address has most of them.
 *
 * Every call takes the same time however many there are.  The hash has a secret, so that nobody can
 * choose addresses which fall together.
 */
#ifndef INBOXD_ARRIVE_SOURCES_H
#define INBOXD_ARRIVE_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/address.h"
#include "lib/attr.h"

struct place;
struct sources;

/* Those that have no connection and are remembered for their faults, at most. */
#define SOURCES_REMEMBERED 4096

struct source {
	struct source *chain; /* the next one of its slot */
	unsigned char address[ADDRESS_BYTES];
	unsigned bits;      /* of the address that count: a block has fewer */
	uint64_t places;    /* its connections */
	uint64_t handshakes; /* of them */
	struct place *oldest, *newest; /* of these */
	struct source *next, *previous; /* a ring: with as many handshakes, or remembered */
	uint64_t faults;     /* as of: */
	int64_t faults_at;   /* monotonic microseconds */
};

/* `secret` is anything that nobody can guess. */
struct sources *sources_new(uint64_t secret);
/* NULL is fine. */
void sources_free(struct sources *sources);

/* One more connection of it: it stays, the same struct, until sources_drop(). */
MUST_CHECK struct source *sources_add(struct sources *sources,
    const unsigned char address[ADDRESS_BYTES], unsigned bits);
/* One less; `now`: with its last one it is forgotten, unless it has faults. */
void sources_drop(struct sources *sources, struct source *source, int64_t now);

/* A handshake of it begins, as its newest, or is over. */
void sources_enter(struct sources *sources, struct source *source, struct place *place);
void sources_leave(struct sources *sources, struct source *source, struct place *place);
/* One that has most handshakes; of several, who has had so many for longest.  NULL: there are
 * none. */
struct source *sources_greediest(const struct sources *sources);

/* Its faults as of now: half of them are forgotten with each minute. */
uint64_t source_faults(struct source *source, int64_t now);
/* A handshake of it failed, or did not. */
void source_note(struct source *source, int has_failed, int64_t now);

/* How many are known. */
size_t sources_count(const struct sources *sources);

#endif
