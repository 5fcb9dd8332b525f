/* SPDX-License-Identifier: ISC */
/*
 * SPOOL/sent.log: what became of each number, one line each, appended and
 * synced before the item leaves the queue.
 *
 *	<UTC time> <n> STORED  <server> <name there> <inbox> <size> <sha256> [file name]
 *	<UTC time> <n> REFUSED <server> <code>       <inbox> <size> <sha256> [file name]
 *	<UTC time> <n> REMOVED -        -            <inbox> <size> <sha256> [file name]
 *
 * Where the item's header names a claim (spool/item.h), " claim=<id>" stands at the end.
 * It is a log for people, and what a receiver that was away is told about the
 * numbers it missed (SKIP).  An item set aside without a server's word is
 * REFUSED with server "-".  Else that is "host/id", as READY has them; "host" where it has no
 * id.  The id tells servers apart: two may call themselves by one name.
 */
#ifndef INBOXQ_SPOOL_SENTLOG_H
#define INBOXQ_SPOOL_SENTLOG_H

#include <stdint.h>
#include <sys/types.h>

#include "inboxq/spool/item.h"
#include "lib/attr.h"
#include "lib/proto.h"

enum sentlog_end { SENTLOG_STORED, SENTLOG_REFUSED, SENTLOG_REMOVED, SENTLOG_ENDS };

struct sentlog;
struct spool;

/*
 * So much of the disk is taken ahead of what is in sent.log, so that a full disk,
 * which the queue itself may have filled, does not keep the items from leaving.
 */
#define SENTLOG_AHEAD (1024 * 1024)
#define SENTLOG_SERVER_ROOM (255 + 1 + PROTO_ID_LEN + 1)
#define SENTLOG_LINE_ROOM 2048 /* bytes; the longest line has some 1,500 */

/* Takes that room before an item comes into the queue.  0, or -1 with errno set: there
 * is none. */
MUST_CHECK int sentlog_take_room(const struct spool *spool);

/* NULL with errno set.  Takes room where there is some. */
MUST_CHECK struct sentlog *sentlog_open(const struct spool *spool);
void sentlog_close(struct sentlog *sentlog);

/* Adds a line to the batch; server and name NULL: "-".  -1: out of memory. */
MUST_CHECK int sentlog_add(struct sentlog *sentlog, uint64_t n, enum sentlog_end end,
    const char *server, const char *name, const struct spool_item *item);
/* Writes the batch and syncs it.  0, or -1 with errno set: nothing of the batch
 * may be relied on. */
MUST_CHECK int sentlog_sync(struct sentlog *sentlog);

/* Are these two the same server?  By their ids; by their hosts, where one has no id. */
int sentlog_is_same(const char *server, const char *other);

struct sentlog_line {
	uint64_t n;
	enum sentlog_end end;
	char server[SENTLOG_SERVER_ROOM];
	char time[32];
	char sha256[DIGEST_TEXT_ROOM];          /* "": not known */
	char claim[ID_ROOM];                    /* "": none */
	char name[ESCAPE_ROOM(PROTO_NAME_MAX)]; /* the file's, as in the header; "": none */
};

/* The offset so many bytes before its end, or 0: where to begin for the last lines. */
off_t sentlog_tail(const struct spool *spool, off_t bytes);

/*
 * Calls `line` for each line from offset *from on, and moves *from behind the
 * last whole one.  Lines that are none (a crash cut them) are passed over.
 * 0, or -1 with errno set.
 */
MUST_CHECK int sentlog_read(const struct spool *spool, off_t *from,
    void (*line)(void *ctx, const struct sentlog_line *line), void *ctx);

#endif
