/* SPDX-License-Identifier: ISC */
/* The client's lines, from values to bytes in the connection's output. */
#ifndef INBOXQ_SAY_H
#define INBOXQ_SAY_H

#include <stdint.h>

#include "lib/proto.h"

struct conn;
struct queue;
struct spool;
struct spool_item;

/* HELLO with the queue's mark, what waits in it, and since when. */
void say_hello(struct conn *conn, const struct spool *spool, const struct queue *queue);
/* PUT; the item's bytes are to follow. */
void say_put(struct conn *conn, uint64_t n, const struct spool_item *item);
void say_skip(struct conn *conn, uint64_t n, const char *reason);
void say_settled(struct conn *conn, uint64_t n);
/* PING or QUIT. */
void say_word(struct conn *conn, enum proto_verb verb);

#endif
