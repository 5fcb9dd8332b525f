/* SPDX-License-Identifier: ISC */
#include "inboxd/arrive/door.h"

#include <stdlib.h>

#include "inboxd/arrive/sources.h"
#include "inboxd/base/fatal.h"
#include "lib/address.h"

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

/* ---- in */

/* The source's oldest handshake, if it has had `time`, goes to the end of those to be asked. */
static void
ask_oldest(const struct door *door, struct source *source, int64_t time, struct knock *knock)
{
	struct place *oldest = source->oldest;

	if (knock->now - oldest->since < time)
		return;
	sources_leave(door->sources, source, oldest);
	oldest->since = knock->now;
	sources_enter(door->sources, source, oldest);
	knock->ask = oldest;
}

static int
is_held_short(const struct door *door, struct source *source, int64_t now)
{
	return 2 * source->handshakes >= door->limits.handshakes &&
	    source_faults(source, now) >= DOOR_FAULTS;
}

static enum door_verdict
judge(const struct door *door, struct knock *knock)
{
	struct source *address = knock->place->address, *greediest;
	const struct door_limits *limits = &door->limits;

	if (limits->address > 0 && address->places > limits->address)
		return DOOR_ADDRESS;
	if (limits->block > 0 && knock->place->block->places > limits->block)
		return DOOR_BLOCK;
	if (door->served >= limits->connections + DOOR_CROWD)
		return DOOR_CROWDED;
	if (is_held_short(door, address, knock->now)) {
		if (address->handshakes > 0)
			ask_oldest(door, address, DOOR_PATIENCE / 4, knock);
		return DOOR_PENALTY;
	}
	if (door->handshakes < limits->handshakes)
		return DOOR_OPEN;
	greediest = sources_greediest(door->sources);
	ask_oldest(door, greediest, DOOR_PATIENCE, knock);
	knock->again = sources_greediest(door->sources)->oldest->since + DOOR_PATIENCE;
	return DOOR_WAIT;
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
	knock->ask = NULL;
	verdict = judge(door, knock);
	if (verdict != DOOR_OPEN) {
		drop_sources(door, place, knock->now);
		return verdict;
	}
	place->since = knock->now;
	place->is_served = 0;
	sources_enter(door->sources, place->address, place);
	door->handshakes++;
	return DOOR_OPEN;
}

/* ---- on, and out */

static void
end_handshake(struct door *door, struct place *place)
{
	sources_leave(door->sources, place->address, place);
	door->handshakes--;
}

void
door_shaken(struct door *door, struct place *place, int64_t now)
{
	end_handshake(door, place);
	source_note(place->address, 0, now);
	place->is_served = 1;
	door->served++;
}

void
door_left(struct door *door, struct place *place, int is_fault, int64_t now)
{
	if (place->is_served)
		door->served--;
	else
		end_handshake(door, place);
	if (is_fault)
		source_note(place->address, 1, now);
	drop_sources(door, place, now);
}

uint64_t
door_handshakes(const struct door *door)
{
	return door->handshakes;
}

struct door_room
door_fullest(const struct door *door)
{
	const struct door_limits *limits = &door->limits;

	if (door->served * limits->handshakes > door->handshakes * limits->connections)
		return (struct door_room){"connections", door->served, limits->connections};
	return (struct door_room){"handshakes", door->handshakes, limits->handshakes};
}

/* Handshakes come and go by the burst, connections stay: a fleet that fills four fifths of their
 * room all year is none that it is short for. */
int
door_is_short(struct door *door)
{
	const struct door_limits *limits = &door->limits;
	uint64_t quarters = door->is_short ? 2 : 3, tenths = door->is_short ? 8 : 9;

	door->is_short = 4 * door->handshakes > quarters * limits->handshakes ||
	    10 * door->served > tenths * limits->connections;
	return door->is_short;
}
