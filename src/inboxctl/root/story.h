/* SPDX-License-Identifier: ISC */
/*
 * What the ledger knows of one client: its queues, with what is counted of them and what they are
 * missing.  Each segment begins with all of it, so the newest one is enough, but for queues that
 * were forgotten.  Reads nothing itself.
 */
#ifndef INBOXCTL_ROOT_STORY_H
#define INBOXCTL_ROOT_STORY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/figures.h"
#include "lib/record.h"

struct story_gap {
	uint64_t first, last;
	uint64_t missing; /* numbers among these; 0: all */
	int64_t since;    /* UTC microseconds; 0: not known */
	int is_known;
};

struct story_queue {
	char id[PROTO_QUEUE_LEN + 1];
	uint64_t settled;
	struct figures figures;
	int64_t forgotten; /* when, UTC microseconds; 0: it is not */
	struct story_gap *gaps;
	size_t gap_count;
};

struct story {
	const char *client; /* borrowed: whose; all else is zero at first */
	struct story_queue *queues;
	size_t count;
	int64_t time; /* of the newest record that has one */
};

/* The next record; `in_state`: of those that a segment begins with.  0, or -1: out of memory. */
MUST_CHECK int story_take(struct story *story, const struct record *record, int in_state);
void story_free(struct story *story);

#endif
