/* SPDX-License-Identifier: ISC */
/*
 * Room at the commit thread, and who may have how much of it.  Those who want more
 * of it than there is share evenly what the others leave, and the first of each may
 * always go; so whoever sends most keeps nobody out.
 *
 * Belongs to one worker.  "held": what a session has there, items and notices.
 */
#ifndef INBOXD_SERVE_SHARE_H
#define INBOXD_SERVE_SHARE_H

#include <stdint.h>

struct share {
	uint64_t room;  /* for all, besides the first one of each */
	uint64_t items; /* handed over and not come back */
	uint64_t waiting, waiting_items; /* sessions that wait for room; what they hold */
};

/* May a session that holds `held` have one more?  `waits`: it is counted among those
 * that wait. */
int share_has_room(const struct share *share, uint64_t held, int waits);
/* One is handed over (1) or has come back (-1); `waits`: as above. */
void share_count_item(struct share *share, int difference, int waits);
/* A session that holds `held` of them waits for room (1), or does so no more (-1). */
void share_count_waiting(struct share *share, int difference, uint64_t held);

#endif
