/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/parse.h"

#define FIRST 3 /* SD_LISTEN_FDS_START */

/* An environment that somebody else's supervisor has left is no concern of ours. */
static int
is_for_us(void)
{
	const char *text = getenv("LISTEN_PID");
	uint64_t pid;

	return text && parse_u64(text, strlen(text), INT32_MAX, &pid) == 0 &&
	    pid == (uint64_t)getpid();
}

static int
kind_of(const struct passed_kind kinds[], const char *name, size_t len)
{
	int kind = 0;

	while (kinds[kind].name &&
	    (strlen(kinds[kind].name) != len || memcmp(kinds[kind].name, name, len) != 0))
		kind++;
	return kind;
}

static int
option_of(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

/* What is wrong with it; NULL: nothing. */
static const char *
fault_of(int fd, int is_local)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	int type = option_of(fd, SO_TYPE);

	if (type < 0)
		return errno == EBADF ? "is not open" : "is not a socket";
	if (type != SOCK_STREAM)
		return "is not a stream socket: ListenStream= makes one";
	if (option_of(fd, SO_ACCEPTCONN) != 1)
		return "does not listen: it is wanted with Accept=no";
	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return strerror(errno);
	if (is_local && address.ss_family != AF_UNIX)
		return "is wanted as a UNIX socket";
	if (!is_local && address.ss_family != AF_INET && address.ss_family != AF_INET6)
		return "is wanted with an address of IPv4 or IPv6";
	return NULL;
}

static int
take(struct passed *passed, const struct passed_kind kinds[], const char *name, size_t len,
    struct why *why)
{
	int fd = FIRST + (int)passed->count;
	int kind = kind_of(kinds, name, len);
	const char *fault = fault_of(fd, kinds[kind].is_local);

	if (!fault && (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0))
		fault = strerror(errno);
	if (fault)
		return why_say(why, "the descriptor %d that was passed%s%.*s %s", fd,
		    len > 0 ? " as " : "", (int)(len < 100 ? len : 100), name, fault);
	passed->sockets[passed->count].fd = fd;
	passed->sockets[passed->count].kind = kind;
	passed->count++;
	return 0;
}

int
passed_take(struct passed *passed, const struct passed_kind kinds[], struct why *why)
{
	const char *text = getenv("LISTEN_FDS"), *name = getenv("LISTEN_FDNAMES");
	uint64_t count;

	passed->count = 0;
	if (!text || !is_for_us())
		return 0;
	if (parse_u64(text, strlen(text), PASSED_MAX, &count) < 0)
		return why_say(why, "LISTEN_FDS is no number of at most %d sockets", PASSED_MAX);
	for (uint64_t i = 0; i < count; i++) {
		size_t len = name ? strcspn(name, ":") : 0;

		if (take(passed, kinds, name ? name : "", len, why) < 0)
			return -1;
		name = name && name[len] == ':' ? name + len + 1 : NULL;
	}
	return 0;
}

size_t
passed_of(const struct passed *passed, int kind, int fds[PASSED_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < passed->count; i++) {
		if (passed->sockets[i].kind == kind)
			fds[count++] = passed->sockets[i].fd;
	}
	return count;
}
