/* SPDX-License-Identifier: ISC */
/*
 * What the supervisor is told: that the receiver lives, and how it is.
 *
 * Every few seconds the commit thread and each worker are asked whether they are there.  The
 * watchdog is fed by the commit thread's answer, which waits for a publisher that has been silent
 * for too long (commit/behind.h), and only while no worker has been silent for longer than
 * THREADS_PATIENCE of the watchdog's intervals: each may hang in a write for as long as the
 * publisher in its sync.  To be killed there loses nothing: what was acknowledged is in the
 * journal.  On a file system that is frozen it is no cure either, since the next start waits until
 * that thaws; but whoever hangs for another reason is not there for ever, and all see it.
 *
 * Who has been silent for some seconds is logged and counted at once, long before that.
 *
 * Belongs to the main thread.
 */
#ifndef INBOXD_SUPERVISOR_H
#define INBOXD_SUPERVISOR_H

#include "inboxd/sentence.h"
#include "lib/attr.h"

struct answers;
struct event_base;
struct message;
struct supervisor;

/* Borrows all.  NULL: out of memory.  The threads run. */
MUST_CHECK struct supervisor *supervisor_new(struct event_base *base, struct answers *answers);
void supervisor_free(struct supervisor *supervisor);

/* From now on; it is said at once. */
void supervisor_set_state(struct supervisor *supervisor, enum sentence_state state);
/* Something has changed that is worth to be told at once. */
void supervisor_tell(struct supervisor *supervisor);
/* Is the message a worker's answer?  Then it is taken. */
MUST_CHECK int supervisor_take(struct supervisor *supervisor, struct message *message);

#endif
