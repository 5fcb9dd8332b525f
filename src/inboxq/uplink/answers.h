/* SPDX-License-Identifier: ISC */
/* What STORED, LATER and REFUSED mean for the item they name: the words of
 * inbox-protocol(7) turned into calls on the queue. */
#ifndef INBOXQ_UPLINK_ANSWERS_H
#define INBOXQ_UPLINK_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/proto.h"

struct ends;
struct log_gate;
struct schedule;
struct spool;
struct spread;

struct answer_context {
	const struct spool *spool;
	struct schedule *schedule;
	struct ends *ends;
	const char *server; /* as in sent.log */
	const char *dialled; /* as in the log */
	int64_t now;        /* monotonic seconds */
	uint64_t item_max;  /* READY's item, bytes */
	int once;           /* LATER puts an item off until the session's end */
	int is_whole;       /* the server has been sent all of the item */
	struct log_gate *gate; /* for what the server can cause at will */
	struct spread *lots;
};

/* A field of a line as a string, in `dst`; "" where it is not there. */
const char *answers_text(const struct proto_line *line, enum proto_field field, char *dst,
    size_t room);

/* Takes one answer.  Returns 1 and the item's *size if the item was under way, 2 if it is put off
 * for a time as well, 0 if nobody asked (it is logged), -1 with errno set if the spool fails us. */
MUST_CHECK int answers_take(const struct answer_context *context, const struct proto_line *line,
    uint64_t *size);

/* What we say to ourselves of an item whose upload was spoilt twice: LATER digest. */
void answers_make_spoilt(struct proto_line *line, uint64_t n);

#endif
