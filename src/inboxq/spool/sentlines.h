/* SPDX-License-Identifier: ISC */
/*
 * SPOOL/sent.log: what became of each number, one line each, appended and
 * synced before the item leaves the queue.
 *
 *	<UTC time> <n> STORED  <server> <name there> <inbox> <size> <sha256> [file name]
 *	<UTC time> <n> REFUSED <server> <code>       <inbox> <size> <sha256> [file name]
 *	<UTC time> <n> REMOVED -        -            <inbox> <size> <sha256> [file name]
 *
 *	<UTC time> 0   RENAMED -        -            -       0      -
 *
 * From there on the queue has another id.  What stands above was said under an older one, and
 * no receiver knows of it under this one: where numbers below it are still to be settled, they
 * are lost to every receiver (SKIP), lest they show as missing.
 *
 * Where the item's header names a claim (spool/item.h), " claim=<id>" stands at the end.
 * It is a log for people, and what a receiver that was away is told about the
 * numbers it missed (SKIP).  An item set aside without a server's word is
 * REFUSED with server "-".  Else that is "host/id", as READY has them; "host" where it has no
 * id.  The id tells servers apart: two may call themselves by one name.
 *
 * Once it has grown, it is turned over: what it was is sent.log.1, and the lines go on in a
 * new file.
 */
#ifndef INBOXQ_SPOOL_SENTLINES_H
#define INBOXQ_SPOOL_SENTLINES_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/escape.h"
#include "lib/id.h"
#include "lib/proto.h"

#define SENTLINES_NAME "sent.log"
#define SENTLINES_OLD "sent.log.1"

#define SENTLOG_SERVER_ROOM (255 + 1 + PROTO_ID_LEN + 1)
#define SENTLOG_LINE_ROOM 2048 /* bytes; the longest line has some 1,500 */

enum sentlog_end {
	SENTLOG_STORED,
	SENTLOG_REFUSED,
	SENTLOG_REMOVED,
	SENTLOG_RENAMED, /* of no item: n is 0 */
	SENTLOG_ENDS
};

struct sentlog_line {
	uint64_t n;
	enum sentlog_end end;
	char server[SENTLOG_SERVER_ROOM];
	char time[32];
	char there[PROTO_NAME_MAX + 1];         /* STORED: its name there; REFUSED: the code */
	char sha256[DIGEST_TEXT_ROOM];          /* "": not known */
	char claim[ID_ROOM];                    /* "": none */
	char name[ESCAPE_ROOM(PROTO_NAME_MAX)]; /* the file's, as in the header; "": none */
};

typedef void sentlines_fn(void *ctx, const struct sentlog_line *line);

/* How far it has been read; zeroed: not at all. */
struct sentlog_place {
	ino_t file;
	off_t at;
};

/*
 * Calls `line` for each line of both files in the spool's folder `top` from *from on, and moves
 * *from behind the last whole one, over a turn of the log as well.  Lines that are none
 * (a crash cut them) are passed over.  0, or -1 with errno set.
 */
MUST_CHECK int sentlines_read(int top, struct sentlog_place *from, sentlines_fn *line, void *ctx);

/* The highest number that either has a line of; 0: there is none.  0, or -1 with errno set, and
 * the highest of what could be read. */
MUST_CHECK int sentlines_highest(int top, uint64_t *highest);

/* One line, without its LF.  0, or -1: it is none. */
MUST_CHECK int sentlines_parse(const char *text, size_t len, struct sentlog_line *line);

/* Notes, so that it lasts, that the queue has another id from here on: before it has.  Where there
 * is no log, there is nothing to be told apart.  0, or -1 with errno set. */
MUST_CHECK int sentlines_rename(int top);

/* The word of an end. */
const char *sentlines_end(enum sentlog_end end);

#endif
