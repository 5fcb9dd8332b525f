/* SPDX-License-Identifier: ISC */
#include "inboxd/arrive/sources.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/arrive/place.h"
#include "inboxd/base/fatal.h"
#include "lib/clock.h"
#include "lib/mix.h"

#define SLOTS_MIN 64
#define HALF_LIFE (60 * CLOCK_SECOND)
#define GOOD_WORTH 8 /* faults that a handshake makes good */

struct sources {
	struct source **slots; /* a power of two */
	size_t slot_count, count;
	uint64_t secret;
	/* Rings, by the first: of those that have so many handshakes; and of those without a
	 * connection, who has been without for longest. */
	struct source **by_handshakes;
	size_t room;
	size_t most; /* the highest ring that is not empty; 0: none */
	struct source *remembered;
	size_t remembered_count;
};

/* ---- rings */

static void
ring_append(struct source **first, struct source *source)
{
	if (!*first) {
		*first = source->next = source->previous = source;
		return;
	}
	source->next = *first;
	source->previous = (*first)->previous;
	source->previous->next = source->next->previous = source;
}

static void
ring_remove(struct source **first, struct source *source)
{
	if (*first == source)
		*first = source->next == source ? NULL : source->next;
	source->next->previous = source->previous;
	source->previous->next = source->next;
	source->next = source->previous = NULL;
}

/* ---- the table */

static size_t
slot_of(const struct sources *sources, const unsigned char *address, unsigned bits)
{
	uint64_t halves[2];

	memcpy(halves, address, sizeof halves);
	return (size_t)mix(mix(mix(sources->secret ^ halves[0]) ^ halves[1]) + bits) &
	    (sources->slot_count - 1);
}

static void
resize(struct sources *sources, size_t slot_count)
{
	struct source **old = sources->slots, *source;
	size_t old_count = sources->slot_count;

	sources->slots = must_alloc(slot_count * sizeof(struct source *));
	sources->slot_count = slot_count;
	for (size_t i = 0; i < old_count; i++) {
		while ((source = old[i])) {
			size_t slot = slot_of(sources, source->address, source->bits);
			old[i] = source->chain;
			source->chain = sources->slots[slot];
			sources->slots[slot] = source;
		}
	}
	free(old);
}

static void
forget(struct sources *sources, struct source *source)
{
	struct source **at =
	    &sources->slots[slot_of(sources, source->address, source->bits)];

	while (*at != source)
		at = &(*at)->chain;
	*at = source->chain;
	free(source);
	sources->count--;
	if (sources->slot_count > SLOTS_MIN && sources->count < sources->slot_count / 8)
		resize(sources, sources->slot_count / 2);
}

struct sources *
sources_new(uint64_t secret)
{
	struct sources *sources = must_alloc(sizeof *sources);

	sources->secret = secret;
	resize(sources, SLOTS_MIN);
	return sources;
}

void
sources_free(struct sources *sources)
{
	struct source *source;

	if (!sources)
		return;
	for (size_t i = 0; i < sources->slot_count; i++) {
		while ((source = sources->slots[i])) {
			sources->slots[i] = source->chain;
			free(source);
		}
	}
	free(sources->by_handshakes);
	free(sources->slots);
	free(sources);
}

static void
cut_to(const unsigned char *address, unsigned bits, unsigned char out[ADDRESS_BYTES])
{
	memset(out, 0, ADDRESS_BYTES);
	memcpy(out, address, bits / 8);
}

struct source *
sources_add(struct sources *sources, const unsigned char address[ADDRESS_BYTES], unsigned bits)
{
	unsigned char part[ADDRESS_BYTES];
	struct source *source;
	size_t slot;

	assert(bits % 8 == 0);
	cut_to(address, bits, part);
	slot = slot_of(sources, part, bits);
	for (source = sources->slots[slot]; source; source = source->chain) {
		if (source->bits == bits && memcmp(source->address, part, sizeof part) == 0)
			break;
	}
	if (source) {
		if (source->places++ == 0) {
			ring_remove(&sources->remembered, source);
			sources->remembered_count--;
		}
		return source;
	}
	source = must_alloc(sizeof *source);
	memcpy(source->address, part, sizeof part);
	source->bits = bits;
	source->places = 1;
	source->chain = sources->slots[slot];
	sources->slots[slot] = source;
	if (++sources->count > sources->slot_count)
		resize(sources, 2 * sources->slot_count);
	return source;
}

void
sources_drop(struct sources *sources, struct source *source, int64_t now)
{
	struct source *longest;

	if (--source->places > 0)
		return;
	if (source_faults(source, now) == 0) {
		forget(sources, source);
		return;
	}
	ring_append(&sources->remembered, source);
	if (++sources->remembered_count <= SOURCES_REMEMBERED)
		return;
	longest = sources->remembered;
	ring_remove(&sources->remembered, longest);
	sources->remembered_count--;
	forget(sources, longest);
}

size_t
sources_count(const struct sources *sources)
{
	return sources->count;
}

/* ---- handshakes */

/* Its count changes by one, so that the fullest ring is at most one further down. */
static void
recount(struct sources *sources, struct source *source, uint64_t handshakes)
{
	if (source->handshakes > 0)
		ring_remove(&sources->by_handshakes[source->handshakes], source);
	source->handshakes = handshakes;
	if (handshakes > 0) {
		if (handshakes >= sources->room) {
			size_t old = sources->room;
			sources->by_handshakes = must_grow(sources->by_handshakes,
			    (size_t)handshakes, &sources->room, sizeof(struct source *));
			memset(sources->by_handshakes + old, 0,
			    (sources->room - old) * sizeof(struct source *));
		}
		ring_append(&sources->by_handshakes[handshakes], source);
	}
	if (handshakes > sources->most)
		sources->most = (size_t)handshakes;
	while (sources->most > 0 && !sources->by_handshakes[sources->most])
		sources->most--;
}

void
sources_enter(struct sources *sources, struct source *source, struct place *place)
{
	place->older = source->newest;
	place->newer = NULL;
	if (source->newest)
		source->newest->newer = place;
	else
		source->oldest = place;
	source->newest = place;
	recount(sources, source, source->handshakes + 1);
}

void
sources_leave(struct sources *sources, struct source *source, struct place *place)
{
	if (place->older)
		place->older->newer = place->newer;
	else
		source->oldest = place->newer;
	if (place->newer)
		place->newer->older = place->older;
	else
		source->newest = place->older;
	place->older = place->newer = NULL;
	recount(sources, source, source->handshakes - 1);
}

struct source *
sources_greediest(const struct sources *sources)
{
	return sources->most > 0 ? sources->by_handshakes[sources->most] : NULL;
}

/* ---- faults */

uint64_t
source_faults(struct source *source, int64_t now)
{
	int64_t halvings = (now - source->faults_at) / HALF_LIFE;

	if (halvings > 0) {
		source->faults = halvings < 64 ? source->faults >> halvings : 0;
		source->faults_at += halvings * HALF_LIFE;
	}
	return source->faults;
}

void
source_note(struct source *source, int has_failed, int64_t now)
{
	uint64_t faults = source_faults(source, now);

	if (faults == 0)
		source->faults_at = now;
	if (has_failed)
		source->faults++;
	else
		source->faults -= faults < GOOD_WORTH ? faults : GOOD_WORTH;
}
