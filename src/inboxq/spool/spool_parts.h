/* SPDX-License-Identifier: ISC */
/*
 * The spool is one module in four files: spool.c (folders, lock, names, files), numbers.c
 * (which number comes next), counts.c (how much lies there) and machine.c (whose it is).  This is
 * what they share; nobody else includes it.
 */
#ifndef INBOXQ_SPOOL_SPOOL_PARTS_H
#define INBOXQ_SPOOL_SPOOL_PARTS_H

#include <stdint.h>

#include "inboxq/spool/spool.h"
#include "lib/id.h"
#include "lib/lock.h"

struct spool {
	int folder[SPOOL_PARTS];
	struct lock lock;
	char id[ID_ROOM];
	uint64_t durable; /* `last` is known to be at or above it on the disk; what it reads
	                     may only be in the page cache; under the lock */
	struct spool_limits limits; /* its file: the next one */
	char limits_file[200];
	struct {
		uint64_t items, bytes;
		unsigned count; /* which one it is to be taken off; 0: none */
	} gone; /* since then */
};

/* A first `last`, lest it be made when the disk is full. */
MUST_CHECK int spool_make_last(const struct spool *spool);

#endif
