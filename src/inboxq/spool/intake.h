/* SPDX-License-Identifier: ISC */
/*
 * Taking items into the queue: from files, descriptors or memory.  The drafts of a batch are
 * copied first, then the write-out of all is started, then each is waited for: the
 * disk sees one long queue instead of a sync at a time.  Only then are numbers
 * given, under the lock, and only once queue/ is synced are they told.
 *
 * An intake is one thread's; the spool may be shared by many.
 */
#ifndef INBOXQ_SPOOL_INTAKE_H
#define INBOXQ_SPOOL_INTAKE_H

#include <stddef.h>
#include <stdint.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"

struct intake;

#define INTAKE_BATCH 256 /* items */

enum intake_result {
	INTAKE_OK,
	INTAKE_FULL,      /* nothing was done: intake_queue() first */
	INTAKE_NOT_TAKEN, /* something about this file; others may fare better */
	INTAKE_MOVING,    /* so, since it did not hold still */
	INTAKE_TROUBLE,   /* something about the spool or the disk */
	INTAKE_NO_ROOM,   /* so, since the disk is full */
	INTAKE_SHORT,     /* so, since descriptors or memory come to an end */
	INTAKE_UNSURE,    /* items are in the queue, and may be lost by a power failure */
	INTAKE_BUSY,      /* another program kept the spool locked */
	INTAKE_FULL_QUEUE, /* the bounds of the queue leave no room (counts.h) */
};

/* What is to be said of an item; all is borrowed for one call. */
struct intake_wish {
	const char *inbox; /* a plain name */
	const char *name;  /* NULL: that of a file, else none */
	enum item_priority priority;
	const char *claim; /* spool_item.claim; NULL: none */
	/* The source is a file, and what grows or is rewritten meanwhile is INTAKE_MOVING. */
	int holds_still;
	char *sha256; /* room for DIGEST_TEXT_ROOM: gets that of what was copied; NULL: not asked */
};

/* NULL: out of memory. */
MUST_CHECK struct intake *intake_new(struct spool *spool);
/* Drafts that were not queued are deleted. */
void intake_free(struct intake *intake);

/* Asked all along while a file is copied: not 0 ends that, INTAKE_NOT_TAKEN. */
void intake_set_stop(struct intake *intake, int (*is_stopped)(void));

/*
 * Copy an item into a draft (copy.h).  INTAKE_FULL where the batch has INTAKE_BATCH of them, or
 * some, and the process's descriptors come to an end.  For the rest of results but INTAKE_OK
 * `why` holds a sentence that names the source; for INTAKE_OK a remark, or "".
 *
 * From a descriptor, which `what` names to people: all that comes up to its end, from where it
 * stands; with `holds_still` the whole file.  It stays the caller's.
 */
MUST_CHECK enum intake_result intake_file(struct intake *intake, const struct intake_wish *wish,
    const char *path, struct why *why);
MUST_CHECK enum intake_result intake_fd(struct intake *intake, const struct intake_wish *wish,
    int fd, const char *what, struct why *why);
MUST_CHECK enum intake_result intake_memory(struct intake *intake,
    const struct intake_wish *wish, const void *data, size_t size, struct why *why);

/*
 * Syncs the batch and gives the numbers, in the order of the copies, to
 * `numbers` (room for INTAKE_BATCH); *count says how many are queued so that it
 * lasts, also where the result is INTAKE_TROUBLE or INTAKE_NO_ROOM.  INTAKE_UNSURE: some are, but
 * none of it is told.  INTAKE_BUSY and INTAKE_FULL_QUEUE: none is, and none is kept.
 */
MUST_CHECK enum intake_result intake_queue(struct intake *intake, uint64_t *numbers,
    size_t *count, struct why *why);

#endif
