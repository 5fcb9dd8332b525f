/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

int
inherit_descriptors(void)
{
	/* The lowest that is free is taken, and all below are open by now. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return -1;
	return 0;
}

/* POSIX says int; glibc has an enum of its own. */
#ifdef __GLIBC__
#define LIMIT(which) ((__rlimit_resource_t)(which))
#else
#define LIMIT(which) (which)
#endif

uint64_t
inherit_limit(int which)
{
	struct rlimit limit;

	if (getrlimit(LIMIT(which), &limit) < 0)
		return UINT64_MAX;
	limit.rlim_cur = limit.rlim_max;
	(void)!setrlimit(LIMIT(which), &limit); /* what it is by then is asked for */
	if (getrlimit(LIMIT(which), &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

void
inherit_signals(int holds_hangup)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t blocked;

	sigemptyset(&blocked);
	if (holds_hangup)
		sigaddset(&blocked, SIGHUP);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}
