/* SPDX-License-Identifier: ISC */
/*
 * What the schedule knows of items that a receiver may have stored, kept over the end of the
 * program: a second late at most, and written only where it has changed.
 */
#ifndef INBOXQ_DOUBT_NOTE_H
#define INBOXQ_DOUBT_NOTE_H

#include <stdint.h>

#include "inboxq/spool/held.h"

struct schedule;
struct spool;

struct doubt_note {
	const struct spool *spool;
	struct schedule *schedule;
	int once;         /* what is held now is so for all of the cycle */
	int was_late;     /* `told` has an answer that was late to us */
	struct held told; /* as it stands on the disk */
};

/* Tells the schedule, before it has any item, what was noted last; others wait no longer than
 * `patience` seconds. */
void doubt_note_begin(struct doubt_note *note, const struct spool *spool,
    struct schedule *schedule, uint64_t patience, int once);
/* To be called every second, and at the end. */
void doubt_note_tick(struct doubt_note *note, uint64_t patience);

#endif
