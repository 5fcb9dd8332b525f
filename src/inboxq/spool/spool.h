/* SPDX-License-Identifier: ISC */
/*
 * The spool: the client's queue as plain files, with no index that could
 * disagree with them.
 *
 *	tmp/       items being copied in; not promised
 *	queue/     items to send, each named by its number (20 digits)
 *	failed/    items set aside, and N.reason beside each
 *	sent.log   what became of each number (sentlog.h)
 *	queue-id   the queue's random 128-bit id
 *	last       no number up to this one is ever given again (20 digits)
 *	lock       held while numbers are given or looked at as a whole
 *	run.lock   held by the one `inboxq run`
 *
 * Numbers are never reused.  Before an item leaves queue/, `last` is at or
 * above its number; who gives a number reads queue/ first and `last` after it,
 * so an item that leaves in between is seen in one of the two.
 *
 * Rejected: one index file, which a crash can make disagree with the items.
 */
#ifndef INBOXQ_SPOOL_SPOOL_H
#define INBOXQ_SPOOL_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/why.h"

#define SPOOL_NAME_ROOM 32

struct spool;

enum spool_part { SPOOL_TOP, SPOOL_TMP, SPOOL_QUEUE, SPOOL_FAILED, SPOOL_PARTS };

struct spool_numbers {
	uint64_t *at; /* ascending; the caller frees it */
	size_t count;
};

/* Opens the spool at `path` and checks that it is ours alone; with `make`,
 * makes what is missing.  NULL, with the reason in `why`; errno is ENOENT
 * where there is no spool. */
MUST_CHECK struct spool *spool_open(const char *path, int make, struct why *why);
void spool_close(struct spool *spool);

/* The descriptor of a folder, for *at() calls. */
int spool_folder(const struct spool *spool, enum spool_part part);
const char *spool_queue_id(const struct spool *spool);

/* All below return 0, or -1 with errno set, unless said otherwise. */

/* Keeps out other processes, and the threads of this one.  Waits up to 30 seconds, then fails with
 * EWOULDBLOCK.  Not nested; a call below that is "under the lock" takes it from its caller. */
MUST_CHECK int spool_lock(struct spool *spool);
void spool_unlock(struct spool *spool);

/* The numbers in queue/ or failed/. */
MUST_CHECK int spool_list(const struct spool *spool, enum spool_part part,
    struct spool_numbers *out);
/* The highest number ever given, 0 for none.  Right only under the lock. */
MUST_CHECK int spool_highest(const struct spool *spool, uint64_t *highest);

/* `last` as it stands, and raising it (never lowering), under the lock:
 * durable on return.  It is written in place, one sector as a whole, so that raising it
 * needs no room on the disk. */
MUST_CHECK int spool_last(const struct spool *spool, uint64_t *last);
MUST_CHECK int spool_raise_last(struct spool *spool, uint64_t n);

void spool_number_name(char name[SPOOL_NAME_ROOM], uint64_t n);

/*
 * Moves file `name` of folder `from` into queue/ under the lowest number above
 * `*n`, and says which in `*n`.  Under the lock; `*n` is spool_highest() or
 * what an earlier call said.  Not yet durable: sync queue/ afterwards.
 */
MUST_CHECK int spool_enqueue(const struct spool *spool, enum spool_part from, const char *name,
    uint64_t *n);

/* Writes a small text file as a whole, durable on return.  With `replace` 0 an
 * existing one stays, and errno is EEXIST. */
MUST_CHECK int spool_write_file(const struct spool *spool, enum spool_part part,
    const char *name, const char *text, int replace);
/* Reads one, closed by NUL, without its last LF.  Its length, or -1. */
MUST_CHECK ssize_t spool_read_file(int dir, const char *name, char *dst, size_t room);

/* Deletes drafts that a killed `add` left: older than a day, and their
 * process gone. */
void spool_sweep(const struct spool *spool);

#endif
