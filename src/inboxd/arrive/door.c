/* SPDX-License-Identifier: ISC */
#include "inboxd/arrive/door.h"

#include <assert.h>
#include <stdlib.h>

#include "inboxd/arrive/sources.h"
#include "inboxd/base/fatal.h"
#include "lib/address.h"

#define PATIENCE_MAX (10 * DOOR_PATIENCE)
#define TIMES_THE_MEAN 4
#define MEAN_OF 16 /* handshakes, about */

/* Whole addresses are IPv4's; of IPv6 a host has all of its /64.  Of IPv4's form in IPv6 the
 * first 96 bits say that it is one. */
#define BITS_IPV4 128
#define BITS_IPV4_BLOCK (96 + 24)
#define BITS_IPV6 64
#define BITS_IPV6_BLOCK 48

struct door {
	struct door_limits limits;
	struct sources *sources;
	uint64_t handshakes, served;
	int64_t mean; /* how long those take that succeed, microseconds */
	int is_short;
};

struct door *
door_new(uint64_t secret)
{
	struct door *door = must_alloc(sizeof *door);

	door->sources = sources_new(secret);
	return door;
}

void
door_free(struct door *door)
{
	if (!door)
		return;
	sources_free(door->sources);
	free(door);
}

void
door_set_limits(struct door *door, const struct door_limits *limits)
{
	door->limits = *limits;
}

static int64_t
patience(const struct door *door)
{
	int64_t long_enough = TIMES_THE_MEAN * door->mean;

	if (long_enough < DOOR_PATIENCE)
		return DOOR_PATIENCE;
	return long_enough < PATIENCE_MAX ? long_enough : PATIENCE_MAX;
}

/* ---- in */

/* The source's oldest handshake, if it has had `time`; else NULL, and *again when it will have. */
static struct place *
give_up_oldest(const struct source *source, int64_t time, struct knock *knock)
{
	struct place *oldest = source->oldest;

	if (knock->now - oldest->began >= time)
		return oldest;
	knock->again = oldest->began + time;
	return NULL;
}

/* Is it one of those that are held short, while room is? */
static int
is_held_short(const struct door *door, struct source *source, int64_t now)
{
	return 2 * door->handshakes >= door->limits.handshakes &&
	    2 * source->handshakes >= door->limits.handshakes &&
	    source_faults(source, now) >= DOOR_FAULTS;
}

static enum door_verdict
judge(const struct door *door, struct knock *knock)
{
	struct source *address = knock->place->address;
	const struct door_limits *limits = &door->limits;

	if (limits->address > 0 && address->places > limits->address)
		return DOOR_ADDRESS;
	if (limits->block > 0 && knock->place->block->places > limits->block)
		return DOOR_BLOCK;
	if (door->served >= limits->connections + DOOR_CROWD)
		return DOOR_CROWDED;
	if (is_held_short(door, address, knock->now)) {
		knock->yields = give_up_oldest(address, patience(door) / 4, knock);
		return knock->yields ? DOOR_OPEN : DOOR_PENALTY;
	}
	if (door->handshakes < limits->handshakes)
		return DOOR_OPEN;
	knock->yields =
	    give_up_oldest(sources_greediest(door->sources), patience(door), knock);
	return knock->yields ? DOOR_OPEN : DOOR_WAIT;
}

/* It has had its time. */
static void
yield(struct door *door, struct place *place, int64_t now)
{
	assert(place->state == PLACE_HANDSHAKE);
	sources_leave(door->sources, place->address, place);
	source_note(place->address, 1, now);
	place->state = PLACE_YIELDED;
	door->handshakes--;
}

static void
drop_sources(struct door *door, struct place *place, int64_t now)
{
	sources_drop(door->sources, place->address, now);
	if (place->block)
		sources_drop(door->sources, place->block, now);
	place->address = place->block = NULL;
}

enum door_verdict
door_knock(struct door *door, struct knock *knock)
{
	struct place *place = knock->place;
	unsigned char address[ADDRESS_BYTES];
	int is_ipv4 = address_bytes(knock->client, address);
	enum door_verdict verdict;

	place->address =
	    sources_add(door->sources, address, is_ipv4 ? BITS_IPV4 : BITS_IPV6);
	place->block = sources_add(
	    door->sources, address, is_ipv4 ? BITS_IPV4_BLOCK : BITS_IPV6_BLOCK);
	knock->yields = NULL;
	verdict = judge(door, knock);
	if (verdict != DOOR_OPEN) {
		drop_sources(door, place, knock->now);
		return verdict;
	}
	if (knock->yields)
		yield(door, knock->yields, knock->now);
	place->began = knock->now;
	place->state = PLACE_HANDSHAKE;
	sources_enter(door->sources, place->address, place);
	door->handshakes++;
	return DOOR_OPEN;
}

/* ---- on, and out */

void
door_shaken(struct door *door, struct place *place, int64_t now)
{
	/* One that had to end may have been done before it heard of that. */
	if (place->state == PLACE_HANDSHAKE) {
		sources_leave(door->sources, place->address, place);
		door->handshakes--;
		door->mean += (now - place->began - door->mean) / MEAN_OF;
	}
	assert(place->state != PLACE_SERVED);
	place->state = PLACE_SERVED;
	door->served++;
	source_note(place->address, 0, now);
}

void
door_left(struct door *door, struct place *place, int is_fault, int64_t now)
{
	if (place->state == PLACE_SERVED) {
		door->served--;
	} else if (place->state == PLACE_HANDSHAKE) {
		sources_leave(door->sources, place->address, place);
		door->handshakes--;
		if (is_fault)
			source_note(place->address, 1, now);
	}
	drop_sources(door, place, now);
}

uint64_t
door_handshakes(const struct door *door)
{
	return door->handshakes;
}

static int
is_beyond(const struct door *door, uint64_t quarters)
{
	return 4 * door->handshakes > quarters * door->limits.handshakes ||
	    4 * door->served > quarters * door->limits.connections;
}

int
door_is_short(struct door *door)
{
	door->is_short = is_beyond(door, door->is_short ? 2 : 3);
	return door->is_short;
}
