/* SPDX-License-Identifier: ISC */
/*
 * What a server has to be told of numbers that will never come to it (SKIP),
 * found in sent.log: refused ones, those that an operator removed, and those that
 * another receiver has stored; and how far it may forget (SETTLED).
 */
#ifndef INBOXQ_UPLINK_SKIPS_H
#define INBOXQ_UPLINK_SKIPS_H

#include <stdint.h>
#include <sys/types.h>

#include "inboxq/spool/sentlines.h"
#include "inboxq/uplink/say.h"
#include "lib/attr.h"
#include "lib/figures.h"

struct conn;
struct schedule;
struct spool;

/* How far the server has been told. */
struct skips_told {
	uint64_t settled; /* the mark it knows */
	struct sentlog_place sentlog; /* read up to here */
	struct backlog backlog; /* what it was told lies here */
	struct say_failed failed;
};

/* Says HELLO, with a mark that a crash of ours does not take back: the deletions are
 * synced.  0, or -1 with errno set. */
MUST_CHECK int skips_hello(const struct spool *spool, const struct schedule *schedule,
    struct skips_told *told, struct conn *conn);

/*
 * Writes SKIP, once each, for the numbers from the mark on that sent.log shows
 * as lost to `server`: the last line of a number counts, and none while its
 * item is in the queue.  Then SETTLED, if the queue's mark is above the server's; and in
 * between where they are many, since what a server remembers is bounded.  By then the
 * deletions are synced, so that no item that the server may forget comes back from a
 * crash of ours.  0, or -1 with errno set.
 */
MUST_CHECK int skips_settle(const struct spool *spool, const struct schedule *schedule,
    struct skips_told *told, const char *server, struct conn *conn);

#endif
