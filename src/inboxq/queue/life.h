/* SPDX-License-Identifier: ISC */
/*
 * The log of an item's life, from queue/ to its end: one line a station, each with n=NUMBER,
 * so that `grep "n=17 "` tells the story of item 17.  Which lines there are stands in
 * inboxq(1), "THE LOG OF AN ITEM".
 */
#ifndef INBOXQ_QUEUE_LIFE_H
#define INBOXQ_QUEUE_LIFE_H

#include <stdint.h>

struct spool_item;

/* Its header was read for the first time by this program, and is right. */
void life_validating(uint64_t n, const struct spool_item *item);
/* Its turn has come, and a server is there: its file is open. */
void life_servicing(uint64_t n);
/* PUT or OPEN is said; `attempt` 1 is the first of this copy cycle, `server` whom we dialled. */
void life_trying(uint64_t n, unsigned attempt, const char *server, uint64_t size);
/* STORED; `server` is who READY said it is.  It leaves the queue with the next sync. */
void life_stored(uint64_t n, const char *server, const char *name, int again);
/* It stays, and is sent again after `seconds` at the least. */
void life_requeued(uint64_t n, const char *server, const char *reason, uint64_t seconds,
    const char *note);
/* Likewise: the session ended without an answer for it, and when the next one comes is not
 * known here; other receivers have it after `held` seconds, 0: as soon as this one. */
void life_unanswered(uint64_t n, const char *server, uint64_t held);
void life_refused(uint64_t n, const char *server, const char *code, const char *note);
/* It lies in failed/ now, for good: the reason is in the line before, and beside it. */
void life_set_aside(uint64_t n);
/* Somebody has taken its file out of queue/. */
void life_removed(uint64_t n);
/* The server was told that the number never comes to it. */
void life_skipped(uint64_t n, const char *server, const char *reason);

#endif
