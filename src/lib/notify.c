/* SPDX-License-Identifier: ISC */
/*
 * A message is sent from a socket of its own, so no state is kept; they are
 * few.  It never blocks: a supervisor that does not read costs a message.
 *
 * Rejected: libsystemd, a large dependency for one datagram.
 */
#include "config.h"

#include "lib/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/parse.h"

static void
log_failure(const char *reason)
{
	static int logged;

	if (logged)
		return;
	logged = 1;
	log_event(LOG_WARNING, "notify_failed", "error=\"%s\"", reason);
}

static void
notify_send(const char *message)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");

	if (!path || *path == '\0')
		return;
	size_t len = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof addr.sun_path) {
		log_failure("NOTIFY_SOCKET is neither a path nor an abstract name");
		return;
	}
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		log_failure(strerror(errno));
		return;
	}
	/* An abstract name has no closing NUL; its length ends it. */
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (sendto(fd, message, strlen(message), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
	        size) == -1)
		log_failure(strerror(errno));
	close(fd);
}

void
notify_ready(void)
{
	notify_send("READY=1");
}

void
notify_reloading(void)
{
	char message[64];

	snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    clock_monotonic());
	notify_send(message);
}

void
notify_stopping(void)
{
	notify_send("STOPPING=1");
}

void
notify_status(const char *text)
{
	char message[1024];

	snprintf(message, sizeof message, "STATUS=%.*s", (int)strcspn(text, "\n"), text);
	notify_send(message);
}

void
notify_watchdog(void)
{
	notify_send("WATCHDOG=1");
}

void
notify_extend(uint64_t microseconds)
{
	char message[64];

	snprintf(message, sizeof message, "EXTEND_TIMEOUT_USEC=%" PRIu64, microseconds);
	notify_send(message);
}

uint64_t
notify_watchdog_interval(void)
{
	const char *usec_text = getenv("WATCHDOG_USEC"), *pid_text = getenv("WATCHDOG_PID");
	uint64_t usec, pid;

	if (!usec_text ||
	    parse_u64(usec_text, strlen(usec_text), INT64_MAX, &usec) == -1)
		return 0;
	if (pid_text && (parse_u64(pid_text, strlen(pid_text), INT32_MAX, &pid) == -1 ||
	                            pid != (uint64_t)getpid()))
		return 0;
	return usec;
}
