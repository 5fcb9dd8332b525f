/* SPDX-License-Identifier: ISC */
/*
 * A lock on a file, between processes and within one: between the threads that share a struct
 * lock, and between several of them for one file.  For work of a moment.
 *
 * disk_lock() is for the one lock of a program's life: fcntl(2)'s older locks belong to the
 * process, so that two threads both get one, and closing any descriptor of the file drops it.
 * Here it is F_OFD_SETLK, which belongs to the open file, keeps out the older kind and is kept
 * out by it, on NFS, too.  Where that is missing it is the older kind behind one
 * mutex of the process.
 *
 * Rejected: flock(2), which does not see the locks of programs that use fcntl(2).
 */
#ifndef LIB_LOCK_H
#define LIB_LOCK_H

#include <pthread.h>

#include "lib/attr.h"

struct lock {
	pthread_mutex_t mutex;
	int fd; /* -1: not held */
};

/* Belongs to whoever calls; lock_end() before its memory goes, and not while it is held. */
void lock_begin(struct lock *lock);
void lock_end(struct lock *lock);

/* Takes the lock of file `name` in `dirfd`, made if missing; waits up to `wait` milliseconds.
 * 0, or -1 with errno: EWOULDBLOCK: another has it all the time.  Not nested. */
MUST_CHECK int lock_take(struct lock *lock, int dirfd, const char *name, int wait);
/* By the thread that took it.  errno stays. */
void lock_release(struct lock *lock);

#endif
