/* SPDX-License-Identifier: ISC */
/* What tells of a file, without a look at its bytes, that it is the same one and was not written
 * to; and what is known of it. */
#ifndef INBOXQ_WATCH_LOOK_H
#define INBOXQ_WATCH_LOOK_H

#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

struct look {
	uint64_t device, inode;
	int64_t size;
	struct timespec written, changed; /* mtime; ctime: what was written, or renamed, or its
	                                     times set */
};

/* What is known of one file of a hot folder, waiting or claimed. */
struct sight {
	int64_t due;      /* clock_monotonic(): not to be looked at before */
	int64_t since;    /* when it was found to have changed last; 0: never looked at */
	struct look look; /* at that time */
	int is_closed;    /* somebody has closed it after writing, or renamed it in */
	int said;         /* what the log was last told of it; 0: nothing */
};

static inline struct look
look_of(const struct stat *st)
{
	return (struct look){st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim};
}

static inline int
look_is_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static inline int
look_is_same(const struct look *a, const struct look *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	    look_is_time(a->written, b->written) && look_is_time(a->changed, b->changed);
}

#endif
