/* SPDX-License-Identifier: ISC */
/* A connect(2) that fails at once is one that fails later: the next address. */
#include "config.h"

#include "inboxq/uplink/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

/* Bytes that the kernel holds unsent: what waits there, a small item waits behind, so
 * what it would gather by itself (some MiB) is too much. */
#define UNSENT_MAX (128 * 1024)

struct dial {
	struct addrinfo *all, *next;
};

struct dial *
dial_new(const char *host, const char *port, struct why *why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct dial *dial = calloc(1, sizeof *dial);
	int rc;

	if (!dial) {
		why_say(why, "out of memory");
		return NULL;
	}
	rc = getaddrinfo(host, port, &hints, &dial->all);
	if (rc != 0) {
		why_say(why, "%s", rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
		free(dial);
		return NULL;
	}
	dial->next = dial->all;
	return dial;
}

void
dial_free(struct dial *dial)
{
	if (!dial)
		return;
	freeaddrinfo(dial->all);
	free(dial);
}

static void
log_failure(const char *address)
{
	log_event(LOG_WARNING, "connect_failed", "address=%s error=\"%s\"", address,
	    strerror(errno));
}

int
dial_next(struct dial *dial, char text[ADDRESS_ROOM])
{
	while (dial->next) {
		const struct addrinfo *address = dial->next;
		const int on = 1, unsent = UNSENT_MAX;
		int fd = socket(address->ai_family,
		    address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);

		dial->next = address->ai_next;
		address_print(address->ai_addr, text);
		if (fd < 0) {
			log_failure(text);
			continue;
		}
		/* Lines leave in batches already; Nagle would only hold the last one. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
#endif
		if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS)
			return fd;
		log_failure(text);
		close(fd);
	}
	return -1;
}
