/* SPDX-License-Identifier: ISC */
/*
 * What became of the copies, by sent.log: the item of one that was stored is deleted.
 *
 * A start reads all of it before it looks into queue/, for STORED alone: what else it says is of
 * copies that have come back since, perhaps.  What is written from then on is heeded whole.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "inboxq/watch/known.h"
#include "inboxq/watch/relay_parts.h"
#include "lib/conf.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/parse.h"
#include "lib/proto.h"

int
relay_key(const struct relay *relay, const char *name, char key[ID_ROOM])
{
	char text[CONF_LINE_MAX + 1 + PROTO_NAME_MAX + 1];
	unsigned char sha256[DIGEST_SIZE];
	char hex[DIGEST_TEXT_ROOM];
	int len = snprintf(text, sizeof text, "%s\n%s", relay->settings->folder, name);

	if (len < 0 || (size_t)len >= sizeof text || digest_of(text, strlen(text), sha256) < 0)
		return -1;
	digest_print(hex, sha256);
	snprintf(key, ID_ROOM, "%.*s", PROTO_ID_LEN, hex);
	return 0;
}

/* Is it the key of this item of ours? */
static int
is_ours(struct relay *relay, const char *claim, const char *name)
{
	char key[ID_ROOM];

	if (!claim[0] || !is_plain_name(name, strlen(name), PROTO_NAME_MAX))
		return 0;
	if (relay_key(relay, name, key) == 0)
		return strcmp(key, claim) == 0;
	relay->sweep_due = clock_monotonic() + RELAY_AGAIN;
	return 0;
}

/* What is told of the item beside it; inboxd deletes it later, where we may not. */
static void
drop_meta(const struct relay *relay, const char *name)
{
	char path[sizeof "../meta/.json" + PROTO_NAME_MAX];

	snprintf(path, sizeof path, "../meta/%s.json", name);
	(void)unlinkat(relay->dir, path, 0);
}

/* It is stored further up: no other consumer needs to have it. */
static void
claim(struct relay *relay, const struct sentlog_line *line)
{
	int was_known = relayed_has(relay->relayed, line->claim);

	if (unlinkat(relay->dir, line->name, 0) == 0) {
		drop_meta(relay, line->name);
		log_event(LOG_INFO, "relay_stored", "folder=%s file=%s n=%" PRIu64 " there=%s",
		    relay->printed, line->name, line->n, line->there);
	} else if (errno == ENOENT) {
		if (was_known)
			log_event(LOG_INFO, "relay_gone",
			    "folder=%s file=%s n=%" PRIu64 " note=\"stored; another consumer has "
			    "taken it, too\"", relay->printed, line->name, line->n);
	} else {
		relay_complain(relay, "cannot delete what is stored: ", strerror(errno));
		/* It must not be copied again; where that cannot be noted, it is. */
		(void)!relayed_add(relay->relayed, line->claim, 0, 1);
		relay->sweep_due = clock_monotonic() + RELAY_AGAIN;
		return;
	}
	relayed_drop(relay->relayed, line->claim);
}

static void
on_end(void *ctx, const struct sentlog_line *line)
{
	struct relay *relay = ctx;

	if (!is_ours(relay, line->claim, line->name))
		return;
	if (line->end == SENTLOG_STORED) {
		claim(relay, line);
		return;
	}
	if (relay->is_history)
		return;
	if (line->end == SENTLOG_REFUSED)
		relayed_set_aside(relay->relayed, line->claim);
	if (line->end == SENTLOG_REMOVED) {
		relayed_drop(relay->relayed, line->claim);
		if (!waiting_see(relay->waiting, line->name))
			relay->must_list = 1;
	}
}

int
relay_read_ends(struct relay *relay)
{
	struct sentlog_place all = {0};
	int rc = 0;

	if (relay->sweep_due && clock_monotonic() >= relay->sweep_due) {
		relay->sweep_due = 0;
		relay->is_history = 1;
		rc = sentlog_read(relay->setup.spool, &all, on_end, relay);
		relay->is_history = 0;
	}
	return rc < 0 ? rc : sentlog_read(relay->setup.spool, &relay->ends, on_end, relay);
}

static void
on_item(void *ctx, enum spool_part part, uint64_t n, const struct spool_item *item)
{
	struct relay *relay = ctx;

	(void)n;
	if (is_ours(relay, item->claim, item->name) &&
	    relayed_add(relay->relayed, item->claim, item->size, part == SPOOL_FAILED) < 0)
		relay->must_find = 1;
}

int
relay_find(struct relay *relay)
{
	int rc;

	relay->ends = (struct sentlog_place){0};
	relay->must_find = 0;
	relay->is_history = 1;
	rc = sentlog_read(relay->setup.spool, &relay->ends, on_end, relay);
	relay->is_history = 0;
	if (rc == 0)
		rc = known_items(relay->setup.spool, on_item, relay);
	if (rc == 0 && relay->must_find) {
		errno = ENOMEM;
		rc = -1;
	}
	return rc < 0 ? rc : sentlog_read(relay->setup.spool, &relay->ends, on_end, relay);
}
