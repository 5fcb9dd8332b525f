/* SPDX-License-Identifier: ISC */
/*
 * How items end, made durable.  Answers are gathered as they come and carried out
 * together by ends_commit(): the reasons of refusals, then sent.log with one sync,
 * then the deletions and moves.  So an item leaves queue/ only after what became of
 * it is on stable storage.
 */
#ifndef INBOXQ_QUEUE_ENDS_H
#define INBOXQ_QUEUE_ENDS_H

#include <stdint.h>

#include "inboxq/spool/sentlog.h"
#include "lib/attr.h"

struct ends;
struct schedule;
struct spool;

/* Answers in a batch, a line of sent.log each: it never needs more room there than
 * is taken ahead. */
#define ENDS_BATCH (SENTLOG_AHEAD / 2 / SENTLOG_LINE_ROOM)

struct ends_counts {
	uint64_t stored, refused, stored_bytes; /* since ends_new() */
};

/* Borrows all, and keeps the schedule in step.  NULL: out of memory. */
MUST_CHECK struct ends *ends_new(struct spool *spool, struct sentlog *sentlog,
    struct schedule *schedule);
/* For a session without an end of its own: an item that cannot leave the spool, or whose
 * reason finds no room, is tried again after a minute, and not only in the next session. */
void ends_be_patient(struct ends *ends);
void ends_free(struct ends *ends);

/* Answers of `server` (sentlog.h), carried out by ends_commit(), at once where the batch is
 * full.  An item whose reason cannot be written stays, put off until the next session.
 * -1: out of memory, or as ends_commit(). */
MUST_CHECK int ends_stored(struct ends *ends, uint64_t n, const char *server, const char *name);
/* `server` NULL: set aside by ourselves. */
MUST_CHECK int ends_refused(struct ends *ends, uint64_t n, const char *server, const char *code,
    const char *text);
/*
 * 0, or -1 with errno set: nothing of the batch has left the queue (sent.log failed),
 * or it is not known to last (a sync).  An item that cannot be deleted or moved is
 * logged, and stays, put off until the next session; those behind it go on, and the
 * settled mark stays below it.
 */
MUST_CHECK int ends_commit(struct ends *ends);

/* Makes what has left queue/ stay away, before a receiver is told to forget. */
MUST_CHECK int ends_sync(const struct spool *spool);

const struct ends_counts *ends_counts(const struct ends *ends);

#endif
