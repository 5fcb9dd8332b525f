/* SPDX-License-Identifier: ISC */
/*
 * Who tells the runner what comes into queue/ and goes from it, other programs' doing: inotify,
 * by name, so that one new item costs the same however many wait.  Where there is no inotify, or
 * it lost count, the folder is looked at as a whole (scan.h), by the second.
 *
 * It also has the headers of what came read, a few in each turn of the loop, so that the first
 * of many items is on its way while the last has not been looked at.
 *
 * Rejected: names alone, without the look.  What was missed once would wait for the next start.
 */
#ifndef INBOXQ_QUEUE_WAKE_H
#define INBOXQ_QUEUE_WAKE_H

#include "lib/attr.h"

struct event_base;
struct schedule;
struct spool;
struct wake;

struct wake_setup {
	struct event_base *base;
	struct spool *spool;
	struct schedule *schedule;
	int once; /* what comes later is not heard of */
	/* From the loop: there may be more to send now; or errno, where the spool failed. */
	void (*on_news)(void *ctx, int error);
	void *ctx;
};

/* Borrows what is in `setup`.  NULL: out of memory. */
MUST_CHECK struct wake *wake_new(const struct wake_setup *setup);
void wake_free(struct wake *wake);

/* To be called before the first session, and every second: takes over what has come and was not
 * heard of.  0, or -1 with errno set. */
MUST_CHECK int wake_look(struct wake *wake);

#endif
