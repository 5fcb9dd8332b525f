/* SPDX-License-Identifier: ISC */
/*
 * Of each server, in the order of preference: when it may be tried again.  Each has a back-off of
 * its own, which nothing but an item that it stored resets: neither a connection nor a kind word
 * shows that it does.  So the next server has its turn while the first is left alone, and the
 * first its turn again by and by, whoever serves us meanwhile.
 *
 * Pure: times are microseconds of the caller's clock, which nobody sets back; lots come from a
 * seed that tests may set.
 */
#ifndef INBOXQ_QUEUE_SERVERS_H
#define INBOXQ_QUEUE_SERVERS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"

struct servers;

#define SERVERS_NONE SIZE_MAX
/* Nothing that a server does brings us back sooner: microseconds. */
#define SERVERS_FLOOR INT64_C(1000000)

/* All of `names` may be tried at once; they are copied.  `min` and `max` as backoff_next() has
 * them.  NULL: out of memory. */
MUST_CHECK struct servers *servers_new(char *const *names, size_t count, uint64_t min,
    uint64_t max);
void servers_free(struct servers *servers);
/* The lots are drawn from this seed. */
void servers_seed(struct servers *servers, uint64_t seed);
/* Of those that `old` knows by the same name it takes over all that is known, and the wait that
 * all are in. */
void servers_take_over(struct servers *servers, const struct servers *old);

size_t servers_count(const struct servers *servers);
const char *servers_name(const struct servers *servers, size_t which);
/* All names in their order, a blank between two, into `room` bytes: what has no room is "...". */
void servers_print(const struct servers *servers, char *dst, size_t room);
/* A small number that stands for the name as long as the program runs. */
unsigned servers_id(const struct servers *servers, size_t which);

/* The first that may be tried at `now`, or SERVERS_NONE. */
size_t servers_next(const struct servers *servers, int64_t now);
/* Likewise of those before `which`, which serves us now. */
size_t servers_better(const struct servers *servers, size_t which, int64_t now);
/* May this one be tried? */
int servers_may_try(const struct servers *servers, size_t which, int64_t now);
/* Has it asked to be left alone for longer than until `now`? */
int servers_is_away(const struct servers *servers, size_t which, int64_t now);
/* When the first of them may be tried. */
int64_t servers_due(const struct servers *servers);

/* It stored an item. */
void servers_stored(struct servers *servers, size_t which);
/* Nothing more is to be had from it now: it is left alone by its back-off. */
void servers_failed(struct servers *servers, size_t which, int64_t now);
/* Has it failed, and stored nothing since? */
int servers_has_failed(const struct servers *servers, size_t which);
/* It asked to be left alone for so many seconds: no sooner, up to a quarter later, and its
 * back-off counts as well. */
void servers_away(struct servers *servers, size_t which, int64_t now, uint64_t seconds);
/* We left it in order: it may be tried again at once. */
void servers_left(struct servers *servers, size_t which);

/* It has sent us away while there was nothing to send: that is no failure. */
void servers_rest(struct servers *servers, size_t which, int64_t now);

/* None is tried before `until`. */
void servers_wait(struct servers *servers, int64_t until);
/* None is tried for a while, by lot up to `min`: what brings us to them may have brought many. */
void servers_pause(struct servers *servers, int64_t now);
/* Likewise, where it is we who cannot go on: by a back-off of our own. */
void servers_hold(struct servers *servers, int64_t now);
/* Somebody wants it now: no wait counts but those that a server asked for, and the floor. */
void servers_hurry(struct servers *servers, int64_t now);

#endif
