/* SPDX-License-Identifier: ISC */
/* Chance that a seed repeats: SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
 * generators, 2014). */
#ifndef HERD_DICE_H
#define HERD_DICE_H

#include <math.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t
dice_mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Of three numbers one that looks like none of them. */
static inline uint64_t
dice_of(uint64_t a, uint64_t b, uint64_t c)
{
	return dice_mix(dice_mix(dice_mix(a) ^ b) ^ c);
}

static inline uint64_t
dice_next(struct dice *dice)
{
	uint64_t value = dice_mix(dice->state);

	dice->state += UINT64_C(0x9e3779b97f4a7c15);
	return value;
}

/* 0 <= it < 1 */
static inline double
dice_unit(struct dice *dice)
{
	return (double)(dice_next(dice) >> 11) / 9007199254740992.0;
}

static inline uint64_t
dice_below(struct dice *dice, uint64_t limit)
{
	return limit ? dice_next(dice) % limit : 0;
}

static inline int
dice_percent(struct dice *dice, double percent)
{
	return percent > 0.0 && dice_unit(dice) * 100.0 < percent;
}

/* Exponential: as the times between events that know nothing of each other. */
static inline double
dice_wait(struct dice *dice, double mean)
{
	return -log(1.0 - dice_unit(dice)) * mean;
}

#endif
