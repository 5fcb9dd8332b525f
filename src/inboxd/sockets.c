/* SPDX-License-Identifier: ISC */
#include "inboxd/sockets.h"

#include "lib/log.h"

static const struct passed_kind kinds[SOCKET_KINDS] = {
    [SOCKET_PROXY] = {"proxy", 0},
    [SOCKET_STATUS] = {"status", 1},
    [SOCKET_WEB] = {"web", 0},
    [SOCKET_LISTEN] = {NULL, 0},
};

static const char *const settings[SOCKET_KINDS] = {
    [SOCKET_PROXY] = "listen-proxy",
    [SOCKET_STATUS] = "socket",
    [SOCKET_WEB] = "web",
    [SOCKET_LISTEN] = "listen",
};

int
sockets_take(struct passed *passed, struct why *why)
{
	return passed_take(passed, kinds, why);
}

const char *
sockets_setting(enum socket_kind kind)
{
	return settings[kind];
}

void
sockets_log(const struct passed *passed)
{
	int fds[PASSED_MAX];

	for (int kind = 0; kind < SOCKET_KINDS; kind++) {
		size_t count = passed_of(passed, kind, fds);

		if (count > 0)
			log_event(LOG_NOTICE, "sockets_passed", "count=%zu setting=%s note=\"%s\"",
			    count, settings[kind], "they stand in place of what it says");
	}
}
