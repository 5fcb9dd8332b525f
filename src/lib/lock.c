/* SPDX-License-Identifier: ISC */
/*
 * It is asked for again and again, in pauses that grow: neither kind of fcntl(2)'s locks can be
 * waited for with a bound but by a signal.
 *
 * A process that is forked while the lock is held has a copy of its descriptor, with which the
 * open file, and so the lock, would outlive our close(): it is unlocked, and then closed.
 */
#include "config.h"

#include "lib/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "lib/disk.h"

#define PAUSE_MIN 50000   /* ns */
#define PAUSE_MAX 5000000 /* ns */

#if defined(F_OFD_SETLK) && !defined(DISK_PORTABLE)
#define SETLK F_OFD_SETLK

static pthread_mutex_t *
gate_of(struct lock *lock)
{
	return &lock->mutex;
}
#else
#define SETLK F_SETLK

/* The process has one lock, and loses it with the first descriptor that is closed. */
static pthread_mutex_t *
gate_of(struct lock *lock)
{
	static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

	(void)lock;
	return &gate;
}
#endif

void
lock_begin(struct lock *lock)
{
	pthread_mutex_init(&lock->mutex, NULL);
	lock->fd = -1;
}

void
lock_end(struct lock *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

static int
lock_file(int dirfd, const char *name)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0 || fcntl(fd, SETLK, &whole) == 0)
		return fd;
	if (errno == EACCES || errno == EAGAIN)
		errno = EWOULDBLOCK;
	disk_close(fd);
	return -1;
}

static int
try_once(struct lock *lock, int dirfd, const char *name)
{
	int fd;

	if (pthread_mutex_trylock(gate_of(lock)) != 0) {
		errno = EWOULDBLOCK;
		return -1;
	}
	fd = lock_file(dirfd, name);
	if (fd < 0) {
		pthread_mutex_unlock(gate_of(lock));
		return -1;
	}
	lock->fd = fd;
	return 0;
}

int
lock_take(struct lock *lock, int dirfd, const char *name, int wait)
{
	struct timespec pause = {0, PAUSE_MIN};
	long long left = wait * 1000000LL;

	while (try_once(lock, dirfd, name) < 0) {
		if (errno != EWOULDBLOCK || left <= 0)
			return -1;
		nanosleep(&pause, NULL);
		left -= pause.tv_nsec;
		if (pause.tv_nsec < PAUSE_MAX / 2)
			pause.tv_nsec *= 2;
	}
	return 0;
}

void
lock_release(struct lock *lock)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	int error = errno;

	(void)fcntl(lock->fd, SETLK, &whole);
	close(lock->fd);
	lock->fd = -1;
	pthread_mutex_unlock(gate_of(lock));
	errno = error;
}
