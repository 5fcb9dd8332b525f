/* SPDX-License-Identifier: ISC */
/* The client's lines, from values to bytes in the connection's output. */
#ifndef INBOXQ_UPLINK_SAY_H
#define INBOXQ_UPLINK_SAY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/proto.h"

struct conn;
struct schedule;
struct spool;
struct spool_item;

/* HELLO with the queue's mark, what waits in it, and since when. */
void say_hello(struct conn *conn, const struct spool *spool, const struct schedule *schedule);
/* PUT, which its bytes are to follow, or OPEN. */
void say_item(struct conn *conn, enum proto_verb verb, uint64_t n, const struct spool_item *item);
/* DATA; so many bytes are to follow. */
void say_data(struct conn *conn, uint64_t n, uint64_t offset, size_t len);
void say_skip(struct conn *conn, uint64_t n, const char *reason);
void say_settled(struct conn *conn, uint64_t n);
/* PING or QUIT. */
void say_word(struct conn *conn, enum proto_verb verb);

#endif
