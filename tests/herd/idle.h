/* SPDX-License-Identifier: ISC */
/*
 * --idle: what connections cost that do nothing, and what one more waits beside them.  All come
 * and hear READY; then for --hold seconds nobody says a word.
 */
#ifndef HERD_IDLE_H
#define HERD_IDLE_H

#include <stdint.h>

#include "book.h"
#include "run.h"
#include "tally.h"

/* Microseconds from connect() to STORED of a fresh connection's one item. */
struct visit {
	uint32_t p50, p99;
};

struct idle {
	uint64_t held;           /* connections that heard READY */
	uint64_t away;           /* of them, told to go meanwhile, or lost */
	uint64_t rss;            /* the receiver's bytes, all of them open */
	uint64_t rss_after;      /* a while after their end */
	uint64_t cpu;            /* its microseconds in `measured` microseconds of silence */
	int64_t measured;
	struct visit alone, beside;
};

/* `run` has clients, none begun; its options' items are 0. */
void idle_run(struct idle *idle, struct run *run, struct tally *tally, struct book *book);

#endif
