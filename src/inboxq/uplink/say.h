/* SPDX-License-Identifier: ISC */
/* The client's lines, from values to bytes in the connection's output. */
#ifndef INBOXQ_UPLINK_SAY_H
#define INBOXQ_UPLINK_SAY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/proto.h"
#include "lib/seen.h"

struct backlog;
struct conn;
struct schedule;
struct spool;
struct spool_item;

/* failed/ as it was counted last, zeroed before the first time. */
struct say_failed {
	struct seen seen;
	uint64_t count;
};

/* What waits here, since when, how much was set aside, and the room there is; where failed/ cannot
 * be read, that stays as it was.  failed/ is counted only if it may have changed. */
void say_look(const struct spool *spool, const struct schedule *schedule,
    struct say_failed *failed, struct backlog *backlog);
/* Is it worth a STATE, behind what was told? */
int say_is_news(const struct backlog *backlog, const struct backlog *told);
/* HELLO with the queue's mark, and its backlog. */
void say_hello(struct conn *conn, const struct spool *spool, const struct schedule *schedule,
    const struct backlog *backlog);
void say_state(struct conn *conn, const struct backlog *backlog);
/* PUT, which its bytes are to follow, or OPEN. */
void say_item(struct conn *conn, enum proto_verb verb, uint64_t n, const struct spool_item *item);
/* DATA; so many bytes are to follow. */
void say_data(struct conn *conn, uint64_t n, uint64_t offset, size_t len);
void say_skip(struct conn *conn, uint64_t n, const char *reason);
void say_settled(struct conn *conn, uint64_t n);
/* PING or QUIT. */
void say_word(struct conn *conn, enum proto_verb verb);

#endif
