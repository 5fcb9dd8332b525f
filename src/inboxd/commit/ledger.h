/* SPDX-License-Identifier: ISC */
/*
 * The ledger as it is written: an append-only file of records (lib/record.h),
 * in segments <root>/ledger/<UTC time>.log.  A segment begins with the whole
 * state, so the newest one is all that a start has to read; older ones are
 * history and are deleted after a set number of days.
 *
 * Records gather in memory until ledger_flush() hands them to the kernel, and
 * are durable after a sync of ledger_fd() (or of its file system), which the
 * publisher makes: what was acknowledged meanwhile stands in the journal.  A new
 * segment becomes visible, whole and durable, by one rename; a crash before it leaves
 * the old one in force.  After that the old one gets its last line, an end record with
 * the new one's name.  Behind its state a segment has a mark: so far as that says, items
 * are acknowledged and stored, whether the accepts stand in it or in one before.
 */
#ifndef INBOXD_COMMIT_LEDGER_H
#define INBOXD_COMMIT_LEDGER_H

#include <stdint.h>

#include "inboxd/commit/clients.h"
#include "lib/attr.h"
#include "lib/record.h"

struct ledger;

struct ledger_origin {
	const char *root;    /* the root's id; borrowed, as the next is */
	const char *journal; /* which one goes with it: its generation; NULL: none */
	uint64_t seq;        /* the next accept's */
	uint64_t synced, stored; /* of the mark behind the state */
	uint64_t age;        /* as replay has found it: record.h */
};

/*
 * Begins a new segment in `dir` (borrowed), with the state of `clients`, and ends
 * the one that was the newest.  NULL with errno set: nothing was changed.  A failed sync
 * ends the program (P9).
 */
MUST_CHECK struct ledger *ledger_start(int dir, const struct clients *clients,
    const struct ledger_origin *origin);
/* Flushes nothing. */
void ledger_close(struct ledger *ledger);

/* Bytes that have gathered. */
size_t ledger_gathered(const struct ledger *ledger);
/* The line that was gathered last, with its LF; until the next one, or a flush. */
const char *ledger_newest(const struct ledger *ledger, size_t *size);
/* Gathers one record.  For an accept: `record->seq` gets the next number. */
void ledger_append(struct ledger *ledger, struct record *record);

/* Writes what has gathered.  -1 with errno: it stays gathered, and the file is
 * as it was before (if even that fails, the program ends). */
MUST_CHECK int ledger_flush(struct ledger *ledger);

/* For how long receivers have run on this ledger by now, seconds: what no date changes. */
uint64_t ledger_age(const struct ledger *ledger);
/* Up to which accept all are stored, by the last mark that was gathered. */
uint64_t ledger_stored(const struct ledger *ledger);

int ledger_fd(const struct ledger *ledger);
/* Bytes in the open segment. */
uint64_t ledger_size(const struct ledger *ledger);

/* Deletes segments that have been history for `days`, oldest first, up to the first one that
 * stays; the newest always does.  The days are the ledger's: those that receivers have run since,
 * by the clock that nobody sets, as its records note.  So no date deletes anything, right or
 * wrong, and never does more go than as many days as have been lived through. */
void ledger_expire(const struct ledger *ledger, uint64_t days);

/*
 * Goes on in a new segment with the state of `clients`, and deletes old ones as
 * ledger_expire() does.  The old one is synced first: it alone has the accepts that clients
 * have settled since.  Nothing may have been gathered.  -1 with errno: the old segment goes
 * on.  A failed sync ends the program (P9).
 */
MUST_CHECK int ledger_rotate(struct ledger *ledger, const struct clients *clients, uint64_t days);

#endif
