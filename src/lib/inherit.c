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
