/* SPDX-License-Identifier: ISC */
/*
 * The ledger as one history: each record once, in order, and each accept with
 * what became of it.  The copies of state that a segment begins with are left
 * out, but those that nothing else tells of: in the oldest segment, and in
 * place of records that are damaged or missing.
 *
 * What became of an accept stands behind it, so accepts wait in memory for the
 * next mark: one batch of the receiver, about 2 KiB a record.
 */
#ifndef INBOXCTL_HISTORY_H
#define INBOXCTL_HISTORY_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"

struct root;
struct history;

enum outcome {
	OUTCOME_NONE,        /* not an accept */
	OUTCOME_STORED,      /* published, and durable */
	OUTCOME_UNCONFIRMED, /* no mark yet: the receiver is at work, or its next start decides */
	OUTCOME_VOID,        /* it was not published, nor acknowledged */
	OUTCOMES
};

/* Is the record wanted?  Called once a record, in order. */
typedef int history_wants(void *ctx, const struct record *record);

/* `root` is borrowed.  NULL: out of memory. */
MUST_CHECK struct history *history_open(const struct root *root, history_wants *wants, void *ctx);
void history_close(struct history *history);

/*
 * 1: *out is the next record that is wanted; a record without a time of its
 * own has that of the last one before it.  0: there is no more.  -1: failed,
 * which has been told.
 */
MUST_CHECK int history_next(struct history *history, struct record *out, enum outcome *outcome);

/* When it begins, UTC microseconds; INT64_MIN: it is empty. */
int64_t history_began(const struct history *history);
/* Damaged records, and segments that are missing: told on standard error. */
uint64_t history_damage(const struct history *history);

#endif
