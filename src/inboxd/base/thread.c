/* SPDX-License-Identifier: ISC */
#include "inboxd/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

int
thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

void
thread_join(pthread_t thread)
{
	(void)pthread_join(thread, NULL);
}
