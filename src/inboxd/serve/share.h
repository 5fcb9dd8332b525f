/* SPDX-License-Identifier: ISC */
/*
 * Room at the commit thread, and who may have how much of it.  Those who want more
 * of it than there is share evenly what the others leave, and the first of each may
 * always go; so whoever sends most keeps nobody out.
 *
 * Belongs to one worker.
 */
#ifndef INBOXD_SERVE_SHARE_H
#define INBOXD_SERVE_SHARE_H

#include <stdint.h>

struct share {
	uint64_t room;    /* for all, besides the first one of each */
	uint64_t held;    /* by all: handed over and not come back */
	uint64_t waiting; /* sharers that wait for room */
	uint64_t waiting_held;
};

/* One connection's part. */
struct sharer {
	uint64_t held; /* items and notices */
	int waits;     /* for room; counted in the share */
};

/* May it have one more? */
int share_has_room(const struct share *share, const struct sharer *sharer);
/* One is handed over, and has come back. */
void share_take(struct share *share, struct sharer *sharer);
void share_give_back(struct share *share, struct sharer *sharer);
/* It waits for room from now on, or does so no more. */
void share_wait(struct share *share, struct sharer *sharer, int waits);

#endif
