/* SPDX-License-Identifier: ISC */
/*
 * `inboxq add`: taking files into the queue.  The drafts of a batch are copied
 * first, then the write-out of all is started, then each is waited for: the
 * disk sees one long queue instead of a sync at a time.  Only then are numbers
 * given, under the lock, and only once queue/ is synced are they told.
 */
#ifndef INBOXQ_SPOOL_INTAKE_H
#define INBOXQ_SPOOL_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/spool/spool.h"

struct intake;

#define INTAKE_BATCH 256 /* files */

enum intake_result {
	INTAKE_OK,
	INTAKE_FULL,      /* nothing was done: intake_queue() first */
	INTAKE_NOT_TAKEN, /* something about this file; others may fare better */
	INTAKE_TROUBLE,   /* something about the spool or the disk */
	INTAKE_BUSY,      /* another program kept the spool locked */
};

/* `inbox` must be a plain name.  NULL: out of memory. */
MUST_CHECK struct intake *intake_new(struct spool *spool, const char *inbox);
/* Drafts that were not queued are deleted. */
void intake_free(struct intake *intake);

/*
 * Copies one file, or standard input (path NULL, `hint` its name or NULL), into
 * a draft (copy.h).  INTAKE_FULL where the batch has INTAKE_BATCH of them, or the process's
 * descriptors come to an end.  For the rest of results but INTAKE_OK `why` holds a
 * sentence that names the file; for INTAKE_OK a remark, or "".
 */
MUST_CHECK enum intake_result intake_copy(struct intake *intake, const char *path,
    const char *hint, struct why *why);

/*
 * Syncs the batch and gives the numbers, in the order of the copies, to
 * `numbers` (room for INTAKE_BATCH); *count says how many are queued so that it
 * lasts, also where the result is INTAKE_TROUBLE.  INTAKE_BUSY: none is, and none is kept.
 */
MUST_CHECK enum intake_result intake_queue(struct intake *intake, uint64_t *numbers,
    size_t *count, struct why *why);

#endif
