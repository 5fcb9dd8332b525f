/* SPDX-License-Identifier: ISC */
/*
 * The gaps of one queue: runs of numbers below its mark that were neither stored nor skipped, each
 * with since when it is known, and whether somebody has confirmed that it is.
 *
 * A client that leaves out every second number must not fill our memory, so at most GAPS_MAX are
 * kept.  For one more the oldest confirmed one goes: it is dealt with, and the ledger has it.
 * Where none is, the two oldest become one, which reaches from the first number of the one to the
 * last of the other, and tells how many in there are missing.  So none that is not confirmed ever
 * goes unseen.
 *
 * A queue without gaps has a pointer that is NULL, and no more.
 */
#ifndef INBOXD_COMMIT_GAPS_H
#define INBOXD_COMMIT_GAPS_H

#include <stddef.h>
#include <stdint.h>

#define GAPS_MAX 32

struct gap {
	uint64_t first, last;
	uint64_t missing; /* numbers among these: all, or fewer if it was made of several gaps */
	int64_t since;    /* when it was seen, UTC microseconds; 0: not known */
	uint64_t count;   /* of gaps that it was made of; mostly 1 */
	uint64_t known;   /* 1: confirmed */
};

/* In order of their numbers.  All zero: none. */
struct gaps {
	struct gap_list {
		size_t count;
		struct gap gap[];
	} *list;
};

enum gaps_confirmed {
	GAPS_CONFIRMED,
	GAPS_NONE,   /* nothing is missing there */
	GAPS_MERGED, /* a part of one that was made of several: nobody knows what lies in it */
};

size_t gaps_count(const struct gaps *gaps);
/* The i-th, below gaps_count(). */
const struct gap *gaps_at(const struct gaps *gaps, size_t i);
/* How many gaps there are, and how many that nobody has confirmed: made one or not. */
uint64_t gaps_total(const struct gaps *gaps);
uint64_t gaps_unknown(const struct gaps *gaps);

/* Those that add end the program when memory runs out.  One within a gap that is there makes no
 * other of it. */
void gaps_add(struct gaps *gaps, const struct gap *gap);
/* Is the number known to be missing?  In one made of several, nobody knows. */
const struct gap *gaps_find(const struct gaps *gaps, uint64_t number);
/* It has come after all: the gap shrinks, or becomes two, or goes.  `was` gets what gaps_add()
 * takes to have it back.  0: it was not known to be missing. */
int gaps_close(struct gaps *gaps, uint64_t number, struct gap *was);
/* What is missing from `first` to `last` is known to be; *count gets how many gaps that are now,
 * and were not.  A gap that reaches farther becomes several. */
enum gaps_confirmed gaps_confirm(struct gaps *gaps, uint64_t first, uint64_t last,
    uint64_t *count);
void gaps_clear(struct gaps *gaps);

#endif
