/* SPDX-License-Identifier: ISC */
/*
 * What last kept items from being stored, in words for people: `inboxq status`, `inboxq send` and
 * systemctl(1) show it.  The log has all that happens; this is the one sentence to begin with.
 * One for the process, as the log is; of its main thread.
 */
#ifndef INBOXQ_BASE_NEWS_H
#define INBOXQ_BASE_NEWS_H

#include <time.h>

#include "lib/attr.h"

#define NEWS_ROOM 512

/* Names whom it is about, if anybody: "cap1.example.org: connection refused".  What does
 * not print becomes '?'. */
void news_trouble(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A server was not reached: "cap1.example.org, 192.0.2.1:7117: connection refused", or without the
 * name where that is the address. */
void news_unreached(const char *name, const char *address, const char *error);
/* It is over: a server is there, or has stored an item. */
void news_clear(void);

/* "": no trouble. */
const char *news_text(void);
/* When it came, seconds since 1970 UTC. */
time_t news_time(void);

#endif
