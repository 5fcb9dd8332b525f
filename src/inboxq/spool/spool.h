/* SPDX-License-Identifier: ISC */
/*
 * The spool: the client's queue as plain files, with no index that could
 * disagree with them.
 *
 *	tmp/       items being copied in; not promised
 *	queue/     items to send, each named by its number (20 digits)
 *	failed/    items set aside, and N.reason beside each
 *	sent.log   what became of each number (sentlines.h); sent.log.1: before that
 *	queue-id   the queue's random 128-bit id
 *	machine    the machine that it was drawn on (machine.h); queue-id.old: the ids before
 *	last       no number up to this one is ever given again (20 digits)
 *	next       the highest number, as far as is known: where to look for a free one (mark.h)
 *	counts     how much lies here, where that has bounds (counts.h)
 *	held       items that a receiver may have stored (held.h)
 *	lock       held while numbers are given or looked at as a whole
 *	run.lock   held by the one `inboxq run`
 *
 * Numbers are never reused.  Before an item leaves queue/, `last` is at or above its number,
 * and as long as it is there, O_EXCL keeps its number from being given: so the first free one
 * above `last` has never been given.  `next` only spares the way there: it is written once a
 * number lasts, so it is never above the truth, and one that is below (a kill, a power cut, a
 * spool out of a backup) costs a few tries.  Where it is lost, queue/ is looked through once.
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
#define SPOOL_STRAY_ROOM 64
#define SPOOL_HEADER 1024 /* bytes, of an item's file before its own (item.h) */

struct spool;

enum spool_part { SPOOL_TOP, SPOOL_TMP, SPOOL_QUEUE, SPOOL_FAILED, SPOOL_PARTS };

/* Of queue/ and failed/ together (counts.h); 0: no bound. */
struct spool_limits {
	uint64_t items, bytes;
	const char *file; /* where they are set, for people */
};

struct spool_numbers {
	uint64_t *at; /* ascending; the caller frees it */
	size_t count;
	size_t strays;                  /* names that are none of an item, nor of a reason */
	char stray[SPOOL_STRAY_ROOM];   /* one of them, escaped */
};

/* Opens the spool at `path` and checks that it is ours alone; with `make`,
 * makes what is missing.  NULL, with the reason in `why`; errno is ENOENT
 * where there is no spool. */
MUST_CHECK struct spool *spool_open(const char *path, int make, struct why *why);
void spool_close(struct spool *spool);

/* The descriptor of a folder, for *at() calls. */
int spool_folder(const struct spool *spool, enum spool_part part);
const char *spool_queue_id(const struct spool *spool);
/* Before the first item is added; without it there are none. */
void spool_set_limits(struct spool *spool, const struct spool_limits *limits);

/* All below return 0, or -1 with errno set, unless said otherwise. */

/* Keeps out other processes, and the threads of this one.  Waits up to 30 seconds, then fails with
 * EWOULDBLOCK.  Not nested; a call below that is "under the lock" takes it from its caller. */
MUST_CHECK int spool_lock(struct spool *spool);
/* The same, without waiting. */
MUST_CHECK int spool_try_lock(struct spool *spool);
void spool_unlock(struct spool *spool);

/* The numbers in queue/ or failed/. */
MUST_CHECK int spool_list(const struct spool *spool, enum spool_part part,
    struct spool_numbers *out);
/* The highest number ever given, 0 for none.  Right only under the lock.  It costs the same
 * whatever is in queue/, but for the first time. */
MUST_CHECK int spool_highest(const struct spool *spool, uint64_t *highest);

/* `last` as it stands, and raising it (never lowering), under the lock:
 * durable on return.  It is written in place, one sector as a whole, so that raising it
 * needs no room on the disk. */
MUST_CHECK int spool_last(const struct spool *spool, uint64_t *last);
MUST_CHECK int spool_raise_last(struct spool *spool, uint64_t n);

void spool_number_name(char name[SPOOL_NAME_ROOM], uint64_t n);
/* The reverse; 0 for what is no item's name. */
uint64_t spool_name_number(const char *name);

/*
 * Moves file `name` of folder `from` into queue/ under the lowest number above
 * `*n`, and says which in `*n`.  Under the lock; `*n` is spool_highest() or
 * what an earlier call said.  Not yet durable: sync queue/ afterwards, and say so by
 * spool_note_given() of the last one, without the lock if need be.
 */
MUST_CHECK int spool_enqueue(const struct spool *spool, enum spool_part from, const char *name,
    uint64_t *n);
void spool_note_given(const struct spool *spool, uint64_t n);

/* rename(2), in the place of what had the name; not yet durable. */
MUST_CHECK int spool_move(const struct spool *spool, enum spool_part from, const char *name,
    enum spool_part to, const char *new_name);
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
