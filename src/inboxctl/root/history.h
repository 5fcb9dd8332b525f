/* SPDX-License-Identifier: ISC */
/*
 * The ledger, and what the journal has beyond it, as one history: each record once, in order, and
 * each accept with what became of it.  The copies of state that a segment begins with are left
 * out, but those that nothing else tells of: in the oldest segment, and in
 * place of records that are damaged or missing.
 *
 * What became of an accept stands behind it, so accepts wait in memory, as their lines, for the
 * mark that decides them: about 350 bytes for each that was acknowledged and not yet published.
 */
#ifndef INBOXCTL_ROOT_HISTORY_H
#define INBOXCTL_ROOT_HISTORY_H

#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"

struct history;
struct journaled;
struct root;

enum outcome {
	OUTCOME_NONE,         /* not an accept */
	OUTCOME_STORED,       /* published, and durable */
	OUTCOME_ACKNOWLEDGED, /* durable in the journal, and not published yet */
	OUTCOME_UNCONFIRMED,  /* neither: the receiver is at work, or its next start decides */
	OUTCOME_VOID,         /* it was not published, nor acknowledged */
	OUTCOMES
};

struct entry {
	struct record record;
	enum outcome outcome;
	char renamed[NAME_ROOM]; /* an accept's name in new/, where its own was taken; else "" */
};

/* Is the record wanted?  Called once a record, in order. */
typedef int history_wants(void *ctx, const struct record *record);

/* `root` and `journaled` are borrowed; the latter was read before: so, if a receiver runs, the
 * ledger is the newer of the two; or it is NULL, and the ledger has to do alone.  NULL: out of
 * memory. */
MUST_CHECK struct history *history_open(const struct root *root, struct journaled *journaled,
    history_wants *wants, void *ctx);
void history_close(struct history *history);

/* Before the first record: the segments up to `name` are passed over, and what the state of the
 * next one holds are copies.  "": none is. */
void history_after(struct history *history, const char *name);

/* From here on, until it is given up, 0 says that there is no more now: it may be asked again.  An
 * accept that nothing has decided is given a second after it came, with what is known of it.  What
 * the journal alone has is not given: the receiver's next start writes it into the ledger. */
void history_follow(struct history *history);

/*
 * 1: *out is the next record that is wanted; a record without a time of its
 * own has that of the last one before it.  0: there is no more.  -1: failed,
 * which has been told.
 */
MUST_CHECK int history_next(struct history *history, struct entry *out);

/* When it begins, UTC microseconds; INT64_MIN: it is empty. */
int64_t history_began(const struct history *history);
/* Damaged or missing parts of ledger and journal, and whether they belong together: told on
 * standard error. */
uint64_t history_damage(const struct history *history);

#endif
