/* SPDX-License-Identifier: ISC */
/*
 * What is as it should be is "info", so that `level = notice` ([log] in inboxq.conf) leaves
 * out most of a busy queue's lines, and none of its troubles.  Text of the server's is
 * without bytes that a log may not have, by the protocol's grammar.
 */
#include "config.h"

#include "inboxq/queue/life.h"

#include <inttypes.h>
#include <stdio.h>

#include "inboxq/spool/item.h"
#include "lib/log.h"

void
life_validating(uint64_t n, const struct spool_item *item)
{
	log_event(LOG_INFO, "item_validating",
	    "n=%" PRIu64 " inbox=%s size=%" PRIu64 " file=\"%s\"", n, item->inbox, item->size,
	    item->name);
}

void
life_servicing(uint64_t n)
{
	log_event(LOG_INFO, "item_servicing", "n=%" PRIu64, n);
}

void
life_trying(uint64_t n, unsigned attempt, const char *server, uint64_t size)
{
	log_event(LOG_INFO, "item_trying", "n=%" PRIu64 " try=%u server=%s size=%" PRIu64, n,
	    attempt, server, size);
}

void
life_stored(uint64_t n, const char *server, const char *name, int again)
{
	log_event(LOG_INFO, "item_stored", "n=%" PRIu64 " server=%s name=%s again=%d", n, server,
	    name, again);
}

void
life_requeued(uint64_t n, const char *server, const char *reason, uint64_t seconds,
    const char *note)
{
	log_event(seconds ? LOG_WARNING : LOG_INFO, "item_requeued",
	    "n=%" PRIu64 " server=%s reason=%s in=%" PRIu64 " note=\"%s\"", n, server, reason,
	    seconds, note);
}

void
life_unanswered(uint64_t n, const char *server, uint64_t held)
{
	char wait[32] = "";

	if (held)
		snprintf(wait, sizeof wait, " held=%" PRIu64, held);
	log_event(LOG_INFO, "item_requeued", "n=%" PRIu64 " server=%s reason=unanswered%s", n,
	    server, wait);
}

void
life_refused(uint64_t n, const char *server, const char *code, const char *note)
{
	log_event(LOG_WARNING, "item_refused", "n=%" PRIu64 " server=%s code=%s note=\"%s\"", n,
	    server, code, note);
}

void
life_set_aside(uint64_t n)
{
	log_event(LOG_NOTICE, "item_set_aside", "n=%" PRIu64, n);
}

void
life_removed(uint64_t n)
{
	log_event(LOG_NOTICE, "item_removed", "n=%" PRIu64, n);
}

void
life_skipped(uint64_t n, const char *server, const char *reason)
{
	log_event(LOG_INFO, "item_skipped", "n=%" PRIu64 " server=%s reason=%s", n, server, reason);
}
