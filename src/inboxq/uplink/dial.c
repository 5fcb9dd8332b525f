/* SPDX-License-Identifier: ISC */
/* A connect(2) that fails at once is one that fails later: the next address. */
#include "config.h"

#include "inboxq/uplink/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inboxq/base/news.h"
#include "inboxq/uplink/resolve.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/tls.h"

/* Bytes that the kernel holds unsent: what waits there, a small item waits behind, so
 * what it would gather by itself (some MiB) is too much. */
#define UNSENT_MAX (128 * 1024)

struct dial {
	struct resolver *resolver;
	struct resolve *resolve; /* NULL: it has answered */
	struct lookup found;
	size_t next;
	int64_t limit;             /* of all addresses together, microseconds */
	int64_t end, begun, until; /* of all; of the last address, and its share */
	void (*on_ready)(void *ctx);
	void *ctx;
};

/* The reason names the host that it is about: mostly the server itself. */
static void
tell_news(const struct lookup *lookup)
{
	const char *name = lookup->server.name, *why = lookup->why.text;

	if (strncmp(why, name, strlen(name)) == 0)
		news_trouble("%s", why);
	else
		news_trouble("%s: %s", name, why);
}

static void
on_answer(void *ctx, const struct lookup *lookup)
{
	struct dial *dial = ctx;

	dial->found = *lookup;
	resolve_free(dial->resolve);
	dial->resolve = NULL;
	lookup = &dial->found;
	if (lookup->why.text[0] && lookup->count > 0)
		log_event(LOG_WARNING, "resolve_failed", "server=%s error=\"%s\" note=\"%s\"",
		    lookup->server.name, lookup->why.text, lookup->is_old
		    ? "the addresses of before are tried" : "its other servers are tried");
	else if (lookup->count == 0)
		log_event(LOG_WARNING, "resolve_failed", "server=%s error=\"%s\"",
		    lookup->server.name, lookup->why.text);
	if (lookup->why.text[0] && (lookup->is_old || lookup->count == 0))
		tell_news(lookup);
	dial->end = clock_monotonic() + dial->limit;
	dial->on_ready(dial->ctx);
}

struct dial *
dial_new(const struct dial_setup *setup, const char *word, void (*on_ready)(void *ctx), void *ctx)
{
	struct dial *dial = calloc(1, sizeof *dial);
	char identity[IDENTITY_MAX + 1];
	struct server server;
	struct why why;

	if (!dial)
		return NULL;
	/* The settings were checked: this cannot fail. */
	(void)!server_parse(word, &server, &why);
	tls_own_identity(setup->tls, identity);
	dial->resolver = setup->resolver;
	dial->limit = (int64_t)setup->seconds * CLOCK_SECOND;
	dial->on_ready = on_ready;
	dial->ctx = ctx;
	dial->resolve = resolve_new(setup->resolver, &server, identity, setup->seconds, on_answer,
	    dial);
	if (dial->resolve)
		return dial;
	free(dial);
	return NULL;
}

void
dial_free(struct dial *dial)
{
	if (!dial)
		return;
	resolve_free(dial->resolve);
	free(dial);
}

static void
log_failure(const struct dial_target *target)
{
	log_event(LOG_WARNING, "connect_failed", "server=%s address=%s error=\"connect: %s\"",
	    target->name, target->address, strerror(errno));
	news_unreached(target->name, target->address, strerror(errno));
}

/* -1 with errno. */
static int
start_connect(const struct lookup_address *to)
{
	const int on = 1, unsent = UNSENT_MAX;
	int fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -1;
	/* Lines leave in batches already; Nagle would only hold the last one. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef TCP_NOTSENT_LOWAT
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
#endif
	if (connect(fd, (const struct sockaddr *)&to->address, to->len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The address under way is one of `left`.  One that has spoken may have used up what was for all:
 * the share of an address is never less than if all had been silent. */
static void
begin_share(struct dial *dial, int64_t left)
{
	int64_t share, least = dial->limit / (int64_t)dial->found.count;

	dial->begun = clock_monotonic();
	share = (dial->end - dial->begun) / left;
	dial->until = dial->begun + (share > least ? share : least);
}

int
dial_next(struct dial *dial, struct dial_target *target)
{
	while (dial->next < dial->found.count) {
		size_t left = dial->found.count - dial->next;
		const struct lookup_address *to = &dial->found.at[dial->next++];
		int fd = start_connect(to);

		address_print((const struct sockaddr *)&to->address, target->address);
		strcpy(target->name, to->name);
		target->port = to->port;
		if (fd >= 0) {
			begin_share(dial, (int64_t)left);
			return fd;
		}
		log_failure(target);
	}
	return -1;
}

void
dial_blame(struct dial *dial)
{
	if (dial->next > 0)
		resolver_blame(dial->resolver, &dial->found.server,
		    &dial->found.at[dial->next - 1]);
}

int
dial_is_late(const struct dial *dial, int has_spoken)
{
	return clock_monotonic() >= (has_spoken ? dial->begun + dial->limit : dial->until);
}
