/* SPDX-License-Identifier: ISC */
/* A pipe to ourselves: whichever thread gets the signal, the one that waits hears of it. */
#include "config.h"

#include "inbox-relay/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static int ends[2] = {-1, -1};
static volatile sig_atomic_t asked;

static void
on_signal(int number)
{
	int error = errno;

	asked = number;
	(void)!write(ends[1], "", 1);
	errno = error;
}

int
stop_begin(void)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (pipe(ends) < 0)
		return -1;
	for (int i = 0; i < 2; i++)
		if (fcntl(ends[i], F_SETFD, FD_CLOEXEC) < 0 ||
		    fcntl(ends[i], F_SETFL, O_NONBLOCK) < 0)
			return -1;
	if (sigaction(SIGTERM, &action, NULL) < 0)
		return -1;
	return sigaction(SIGINT, &action, NULL);
}

int
stop_asked(void)
{
	return asked;
}

/* Milliseconds until then, rounded up. */
static int
left_until(int64_t deadline)
{
	int64_t left = deadline - clock_monotonic();

	if (left > CLOCK_SECOND * 3600)
		left = CLOCK_SECOND * 3600;
	return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

void
stop_sleep(int64_t span)
{
	struct pollfd one = {.fd = ends[0], .events = POLLIN};
	int64_t deadline = clock_monotonic() + span;

	while (!asked && left_until(deadline) > 0)
		if (poll(&one, 1, left_until(deadline)) < 0 && errno != EINTR)
			return;
}

int64_t
stop_deadline(int64_t deadline)
{
	static int64_t grace;

	if (asked && !grace)
		grace = clock_monotonic() + STOP_GRACE;
	return grace && grace < deadline ? grace : deadline;
}

int
stop_wait(int fd, short events, int64_t deadline)
{
	struct pollfd both[2] = {{.fd = fd, .events = events}, {.fd = ends[0], .events = POLLIN}};
	int rc;

	for (;;) {
		deadline = stop_deadline(deadline);
		rc = poll(both, asked ? 1 : 2, left_until(deadline));
		if (rc < 0 && errno != EINTR)
			return -1;
		if (rc > 0 && both[0].revents)
			return 1;
		if (rc == 0)
			return 0;
	}
}
