/* SPDX-License-Identifier: ISC */
/*
 * A number of whose bits each depends on all of the one given: the finalizer of SplitMix64
 * (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).  Two never give one,
 * and it hides nothing: who should not know what comes out must not know what goes in.
 */
#ifndef LIB_MIX_H
#define LIB_MIX_H

#include <stdint.h>

static inline uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A text's share in a number: FNV-1a (Fowler, Noll, Vo), begun with `from` and mixed.  Its end
 * counts, so two texts in turn are not one. */
static inline uint64_t
mix_text(uint64_t from, const char *text)
{
	uint64_t hash = from ^ UINT64_C(0xcbf29ce484222325);

	do {
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	} while (*text++);
	return mix(hash);
}

#endif
