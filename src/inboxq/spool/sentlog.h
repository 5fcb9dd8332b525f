/* SPDX-License-Identifier: ISC */
/*
 * SPOOL/sent.log as it is written: what became of each number is synced here before the item
 * leaves the queue.  sentlines.h has its lines, and reads them.
 */
#ifndef INBOXQ_SPOOL_SENTLOG_H
#define INBOXQ_SPOOL_SENTLOG_H

#include <stdint.h>
#include <sys/types.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlines.h"
#include "lib/attr.h"
#include "lib/proto.h"

struct sentlog;
struct spool;

/*
 * So much of the disk is taken ahead of what is in sent.log, so that a full disk,
 * which the queue itself may have filled, does not keep the items from leaving.
 */
#define SENTLOG_AHEAD (1024 * 1024)

/* Takes that room before an item comes into the queue.  0, or -1 with errno set: there
 * is none. */
MUST_CHECK int sentlog_take_room(const struct spool *spool);

/* NULL with errno set.  Takes room where there is some. */
MUST_CHECK struct sentlog *sentlog_open(struct spool *spool);
void sentlog_close(struct sentlog *sentlog);

/* Adds a line to the batch; server and name NULL: "-".  -1: out of memory. */
MUST_CHECK int sentlog_add(struct sentlog *sentlog, uint64_t n, enum sentlog_end end,
    const char *server, const char *name, const struct spool_item *item);
/* Writes the batch and syncs it.  0, or -1 with errno set: nothing of the batch
 * may be relied on. */
MUST_CHECK int sentlog_sync(struct sentlog *sentlog);

/* Are these two the same server?  By their ids; by their hosts, where one has no id. */
int sentlog_is_same(const char *server, const char *other);

/* Turns the log over where it has so many bytes, behind a sync: it goes on in a new file, and
 * what it was is SENTLINES_OLD, in the place of an older one.  For the one `run`; borrowed, as a
 * reload may change it. */
void sentlog_set_max(struct sentlog *sentlog, const uint64_t *bytes);

/* The place so many bytes before its end, or the beginning: where to begin for the last lines. */
struct sentlog_place sentlog_tail(const struct spool *spool, off_t bytes);

/* As sentlines_read(). */
MUST_CHECK int sentlog_read(const struct spool *spool, struct sentlog_place *from,
    sentlines_fn *line, void *ctx);

#endif
