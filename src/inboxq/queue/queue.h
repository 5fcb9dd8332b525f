/* SPDX-License-Identifier: ISC */
/*
 * The runner's view of the queue: a sorted array of numbers with a small state
 * each (24 bytes an item), and the batch of answers that waits to be made
 * durable.  What the items are stands in their files only.
 *
 * Items go in two lanes, so that small ones pass large ones that wait for their
 * turn.  Each is taken for a small one until its header has been read.
 *
 * Answers are gathered as they come and carried out together by
 * queue_commit(): the reasons of refusals, then sent.log with one sync, then
 * the deletions and moves.  So an item leaves queue/ only after what became of
 * it is on stable storage.
 */
#ifndef INBOXQ_QUEUE_QUEUE_H
#define INBOXQ_QUEUE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct history;
struct queue;
struct spool;

#define QUEUE_NEVER INT64_MAX

enum queue_lane {
	QUEUE_SMALL, /* sent whole, by PUT */
	QUEUE_LARGE, /* by OPEN and DATA */
	QUEUE_LANES
};

struct queue_counts {
	/* Now: not sent or put off; sent and not answered; in the batch. */
	uint64_t waiting, sent, answered;
	uint64_t stored, refused, stored_bytes; /* since queue_new() */
};

/* Borrows both.  NULL: out of memory. */
MUST_CHECK struct queue *queue_new(struct spool *spool, struct history *history);
/* For a session without an end of its own: an item that cannot leave the spool, or whose
 * reason finds no room, is tried again after a minute, and not only in the next session. */
void queue_be_patient(struct queue *queue);
void queue_free(struct queue *queue);

/*
 * Looks at queue/ if it may have changed: under the spool's lock, so that no
 * number is still to come below one that is seen; and syncs queue/, so that
 * nothing is sent whose number could be given again after a crash.  0, or -1
 * with errno set.
 */
MUST_CHECK int queue_scan(struct queue *queue);

/* The lowest number still in the queue, or the highest ever given + 1. */
uint64_t queue_settled(const struct queue *queue);
/* Is item `n` in the queue still, whatever was answered? */
int queue_holds(const struct queue *queue, uint64_t n);
/* The lowest number in the queue, 0 if it is empty. */
uint64_t queue_first(const struct queue *queue);
const struct queue_counts *queue_counts(const struct queue *queue);

/* The lane's next number to send at `now` (monotonic seconds), 0 if there is none. */
uint64_t queue_next(struct queue *queue, enum queue_lane lane, int64_t now);
/* When the first of those put off comes due; QUEUE_NEVER if none does.  Right after
 * queue_next() has said 0 for both lanes. */
int64_t queue_due(const struct queue *queue);
/* Moves an item that waits to where its size belongs. */
void queue_set_lane(struct queue *queue, uint64_t n, enum queue_lane lane);
/* The server wants the item by the other verb, whatever its size: the lane is fixed
 * until the session's end.  0: it was fixed before. */
int queue_fix_lane(struct queue *queue, uint64_t n, enum queue_lane lane);
int queue_is_lane_fixed(const struct queue *queue, uint64_t n);
/* The server was busy with the item: how often in this session, with this time. */
unsigned queue_count_busy(struct queue *queue, uint64_t n);
void queue_mark_sent(struct queue *queue, uint64_t n, uint64_t size);
/* The size given to queue_mark_sent(), in *size; 0 if it is not sent. */
int queue_is_sent(const struct queue *queue, uint64_t n, uint64_t *size);
/* Not before `due`. */
void queue_put_off(struct queue *queue, uint64_t n, int64_t due);
/* The file is no longer in queue/: an operator took it. */
void queue_forget(struct queue *queue, uint64_t n);
/* The session is over: what was sent and not answered is to be sent again,
 * what was put off for ever may be tried again, and the lanes are for the next
 * server to say. */
void queue_take_back(struct queue *queue);

/* Answers, carried out by queue_commit(), at once where the batch is full.  An item whose
 * reason cannot be written stays, put off until the next session.  -1: out of memory, or
 * as queue_commit(). */
MUST_CHECK int queue_stored(struct queue *queue, uint64_t n, const char *host, const char *name);
/* `host` NULL: set aside by ourselves. */
MUST_CHECK int queue_refused(struct queue *queue, uint64_t n, const char *host, const char *code,
    const char *text);
/*
 * 0, or -1 with errno set: nothing of the batch has left the queue (sent.log failed),
 * or it is not known to last (a sync).  An item that cannot be deleted or moved is
 * logged, and stays, put off until the next session; those behind it go on, and the
 * settled mark stays below it.
 */
MUST_CHECK int queue_commit(struct queue *queue);

/* Makes the deletions so far last, before a receiver is told to forget. */
MUST_CHECK int queue_sync(struct queue *queue);

#endif
