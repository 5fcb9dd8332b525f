/* SPDX-License-Identifier: ISC */
/*
 * The ledger's records: a struct to a line and back.  A line is
 *
 *	<CRC-32C of all that follows the space, 8 hex digits> <type> <fields>
 *
 * Fields are split by one space; texts of peers are escaped (escape.h).  The
 * codec is pure; the receiver (inboxd/commit/ledger.h) and inboxctl read and write
 * by it, and inbox-spool(5) describes it for everyone else.
 */
#ifndef LIB_RECORD_H
#define LIB_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/digest.h"
#include "lib/escape.h"
#include "lib/figures.h"
#include "lib/identity.h"
#include "lib/name.h"
#include "lib/proto.h"

/*
 * `time` is written as print_time() has it, 0 as "-".  An empty text (hint, reason) is
 * written "-"; one that is itself "-" as "%2D", and comes back so.  Numbers count from 1
 * (version, seq, settled, n, to) or 0 (all others); none is above PROTO_NUMBER_MAX.
 *
 *	begin   version time seq [root=id] [journal=generation] [age=seconds]  first line of a
 *	                             segment; seq: the next accept's; root: whose it is, left out
 *	                             before roots had ids; journal: which one goes with it, from
 *	                             version 2 on (journal.h)
 *	queue   client queue settled [figure=value ...] [age=seconds] [forgotten=time reason=word]
 *	                             state of a queue; age: as of begin, when its client was seen
 *	                             last; forgotten: the receiver knows it no more, from here on
 *	accept  seq time client queue n inbox size sha256 name sent hint
 *	mark    synced stored [age=seconds]  all accepts up to seq `synced` have been
 *	                             acknowledged (in version 1: are on stable storage as drafts);
 *	                             up to `stored` they are on stable storage as items, and so are
 *	                             the lines up to the last of these
 *	void    seq                  this accept does not count: it was never published; from
 *	                             version 2 on the accept itself may be missing
 *	renamed seq name             in new/ this accept's item has that name: its own was taken
 *	skip    client queue n reason
 *	settled client queue n
 *	gap     client queue n to [since=time] [known=1 [time=time]] [kept=1 [missing=] [gaps=]]
 *	                             numbers n to `to` never came, as the settled record behind it
 *	                             shows; known: somebody has confirmed that, then; kept: the
 *	                             state, which these follow, has that gap, made of so many, and
 *	                             with so many numbers missing, if that is not one, and all
 *	state                        last line of the state that a segment begins with
 *	end     next                 last line of a segment that another, `next`, has followed
 *
 * Behind its fields a record may have more, `key=value`, in any order: a program passes over
 * the keys that it does not know.  So a field can be added without a new version, which is
 * for what an older program would misread.  A queue's figures (figures.h) stand so, those left
 * out that are 0, never or empty.
 */
enum record_type {
	RECORD_BEGIN,
	RECORD_QUEUE,
	RECORD_ACCEPT,
	RECORD_MARK,
	RECORD_VOID,
	RECORD_RENAMED,
	RECORD_SKIP,
	RECORD_SETTLED,
	RECORD_GAP,
	RECORD_STATE,
	RECORD_END,
	RECORD_TYPES
};

/* What this program writes; it reads all from 1 on.  2: there is a journal. */
#define RECORD_VERSION 2
#define RECORD_VERSION_JOURNAL 2
#define RECORD_HINT_ROOM ESCAPE_ROOM(PROTO_NAME_MAX)
#define RECORD_REASON_ROOM 33
#define RECORD_LINE_MAX 2560 /* bytes, with the LF */

/* Only the fields of its type count. */
struct record {
	enum record_type type;
	uint64_t version, seq, synced, stored;
	char root[PROTO_ID_LEN + 1], journal[PROTO_ID_LEN + 1];
	uint64_t age; /* for how long receivers have run on this ledger, or had, seconds */
	int64_t forgotten; /* when a queue was, UTC microseconds; 0: it is known */
	int64_t time;                          /* when, UTC microseconds since 1970 */
	char identity[IDENTITY_MAX + 1];
	char queue[PROTO_QUEUE_LEN + 1];
	uint64_t n, to, settled;
	int64_t since;         /* a gap's: when it was seen, UTC microseconds; 0: not known */
	uint64_t known, kept;  /* 0 or 1 */
	uint64_t missing, gaps; /* 0: all numbers, and one */
	char inbox[PROTO_INBOX_MAX + 1];
	uint64_t size;
	unsigned char sha256[DIGEST_SIZE];
	char name[NAME_ROOM];
	uint64_t sent;                /* PUT's time=, 0: none */
	char hint[RECORD_HINT_ROOM];  /* PUT's name=, escaped; "" : none */
	char reason[RECORD_REASON_ROOM]; /* SKIP's, or why it is forgotten: a word, or "" */
	struct figures figures;
};

/* Writes the line with its LF and a NUL; returns its length. */
size_t record_format(const struct record *record, char dst[RECORD_LINE_MAX + 1]);

/* Reads a line of `len` bytes without its LF.  0, or -1: the checksum is
 * wrong, or a field is missing, out of its range, there twice, or surplus and no
 * `key=value`. */
MUST_CHECK int record_parse(const char *line, size_t len, struct record *out);

/* The type's word in the line. */
const char *record_type_name(enum record_type type);

/* The i-th field of such a record, by the name that it has in inbox-spool(5) and in JSON:
 * the fixed ones in their order, then the keyed ones.  NULL: there are no more. */
const struct member *record_member(enum record_type type, size_t i);

#endif
