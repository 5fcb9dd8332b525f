/* SPDX-License-Identifier: ISC */
/*
 * A machine that sleeps, was just started, or whose date is set, to be preloaded: the file
 * CLOCK_FILE says by how many seconds CLOCK_BOOTTIME is ahead of or behind what it is, then,
 * where it says more, by how many the time of day is.  The file is read anew at each call;
 * CLOCK_MONOTONIC stays as it is, as it does in a sleep, and so do the times of files.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long
ahead(clockid_t clock)
{
	const char *path = getenv("CLOCK_FILE");
	long long boot = 0, day = 0;
	char text[64] = "";
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof text - 1) > 0)
		sscanf(text, "%lld %lld", &boot, &day);
	close(fd);
	return clock == CLOCK_BOOTTIME ? boot : day;
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*next)(clockid_t, struct timespec *);
	int rc;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	rc = next(clock, now);
	if (rc == 0 && (clock == CLOCK_BOOTTIME || clock == CLOCK_REALTIME))
		now->tv_sec += ahead(clock);
	return rc;
}

time_t
time(time_t *at)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (at)
		*at = now.tv_sec;
	return now.tv_sec;
}

int
gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec fine;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &fine);
	now->tv_sec = fine.tv_sec;
	now->tv_usec = fine.tv_nsec / 1000;
	return 0;
}
