/* SPDX-License-Identifier: ISC */
/*
 * A machine that sleeps, or was just started, to be preloaded: CLOCK_BOOTTIME is what the file
 * CLOCK_FILE says, in seconds, ahead of or behind what it is.  The file is read anew at each call;
 * CLOCK_MONOTONIC stays as it is, as it does in a sleep.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*next)(clockid_t, struct timespec *);
	const char *path = getenv("CLOCK_FILE");
	char text[32] = "";
	ssize_t len;
	int fd, rc;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "clock_gettime");
	rc = next(clock, now);
	if (rc < 0 || clock != CLOCK_BOOTTIME || !path)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return rc;
	len = read(fd, text, sizeof text - 1);
	close(fd);
	if (len > 0)
		now->tv_sec += atoll(text);
	return 0;
}
