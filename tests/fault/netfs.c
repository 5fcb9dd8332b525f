/* SPDX-License-Identifier: ISC */
/*
 * The personality of a network file system, for what lies below FAULT_ROOT.
 *
 * FAULT_FS=netfs: renameat2() knows no flags, fallocate() is not there, fstatfs() says FUSE, and
 * syncfs() says 0 and does nothing; a trace calls that one "nosync", as nothing is covered by it.
 * FAULT_FS_DELAY: milliseconds that each call takes which goes to the server: names looked up,
 * made, moved and taken away, and syncs.  Names that change do so one by one, as Linux holds a
 * folder's lock, or that of all moves, over the whole of such a call.
 *
 * A server that is gone is a fault (judge.c: root), and so is a call that is done and says it is
 * not (DONE-EIO), or a lock that is not to be had (lock:1:ENOLCK:on).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shim.h"

static const char *root;
static int is_netfs;
static long delay;
static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void
set_up(void)
{
	const char *kind = getenv("FAULT_FS"), *milliseconds = getenv("FAULT_FS_DELAY");

	root = getenv("FAULT_ROOT");
	is_netfs = kind && strcmp(kind, "netfs") == 0;
	if (kind && !is_netfs)
		shim_end("FAULT_FS is none that is known here");
	delay = milliseconds ? atol(milliseconds) : 0;
}

int
shim_is_on_root(const char *path)
{
	size_t len = root ? strlen(root) : 0;

	return !root || (strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0'));
}

static const struct {
	const char *call;
	int rc, error;
} says[] = {
    {"renameat2 with flags", -1, EINVAL},
    {"fallocate", -1, EOPNOTSUPP},
    {"syncfs", 0, 0},
    {"statfs", 0, 0},
};

int
shim_netfs_says(const char *call, const char *path, int *rc)
{
	for (size_t i = 0; is_netfs && i < sizeof says / sizeof says[0]; i++) {
		if (strcmp(says[i].call, call) != 0 || !shim_is_on_root(path))
			continue;
		*rc = says[i].rc;
		errno = says[i].error ? says[i].error : errno;
		return 1;
	}
	return 0;
}

int
shim_netfs_is_slow(void)
{
	return delay > 0;
}

static int
is_one_of(const char *call, const char *const *calls)
{
	while (*calls && strcmp(*calls, call) != 0)
		calls++;
	return *calls != NULL;
}

void
shim_netfs_wait(const char *call, const char *path)
{
	static const char *const changes[] = {"openat", "unlinkat", "renameat", "renameat2",
	    "linkat", "mkdirat", NULL}, *const asks[] = {"fstatat", "fsync", "fdatasync", "statvfs",
	    NULL};
	struct timespec wait = {delay / 1000, delay % 1000 * 1000000};
	int one_by_one = is_one_of(call, changes), saved = errno;

	if (delay == 0 || !path[0] || !shim_is_on_root(path) ||
	    (!one_by_one && !is_one_of(call, asks)))
		return;
	if (one_by_one)
		pthread_mutex_lock(&names);
	nanosleep(&wait, NULL);
	if (one_by_one)
		pthread_mutex_unlock(&names);
	errno = saved;
}
