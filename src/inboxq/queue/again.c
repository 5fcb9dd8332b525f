/* SPDX-License-Identifier: ISC */
/*
 * The reason's file is the memory: its text says why, its time says when.
 *
 * Rejected: to let the server say when its rules have changed; one line of protocol more to
 * save a few items a day.
 */
#include "config.h"

#include "inboxq/queue/again.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/proto.h"

#define LOOK_EVERY 3600 /* seconds, at most */
#define BATCH 256       /* in one hold of the spool's lock */

/* Is it one of the answers REFUSED?  What a later one may mean is for people to judge. */
static int
is_of_rules(const char *reason)
{
	for (int code = 0; code < PROTO_CODE_COUNT; code++) {
		const char *text = proto_code_text((enum proto_code)code);
		size_t len = strlen(text);

		if (proto_code_verb((enum proto_code)code) == VERB_REFUSED &&
		    strncmp(reason, text, len) == 0 && reason[len] == ':')
			return 1;
	}
	return 0;
}

static int
is_due(const struct spool *spool, uint64_t n, uint64_t after)
{
	char reason[SPOOL_REASON_MAX + 1];
	time_t now = time(NULL), then = item_reason_time(spool, n);

	/* One of the future was written by a clock that was ahead. */
	if (then == 0 || (now >= then && (uint64_t)(now - then) < after))
		return 0;
	item_read_reason(spool, n, reason);
	return is_of_rules(reason);
}

/* Up to BATCH that are due. */
static int
find_due(const struct spool *spool, uint64_t after, uint64_t due[BATCH], size_t *count)
{
	struct spool_numbers all;

	*count = 0;
	if (spool_list(spool, SPOOL_FAILED, &all) < 0)
		return -1;
	for (size_t i = 0; i < all.count && *count < BATCH; i++) {
		if (is_due(spool, all.at[i], after))
			due[(*count)++] = all.at[i];
	}
	free(all.at);
	return 0;
}

/* Under the lock.  How many are in queue/ now, or -1. */
static ssize_t
requeue(struct spool *spool, const uint64_t *due, size_t count)
{
	uint64_t highest;
	ssize_t done = 0;

	if (spool_highest(spool, &highest) < 0 || spool_raise_last(spool, due[count - 1]) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (item_requeue(spool, due[i], &highest) == 0)
			done++;
		else if (errno != ENOENT) /* nobody has removed it meanwhile */
			log_event(LOG_ERR, "item_stuck", "n=%" PRIu64 " error=\"%s\"", due[i],
			    strerror(errno));
	}
	return done;
}

int
again_offer(struct again *again, struct spool *spool, uint64_t after)
{
	int64_t now = clock_seconds();
	uint64_t due[BATCH];
	ssize_t done;
	size_t count;

	if (after == 0 || now < again->next)
		return 0;
	again->next = now + (int64_t)(after < LOOK_EVERY ? after : LOOK_EVERY);
	if (find_due(spool, after, due, &count) < 0)
		return -1;
	if (count == 0)
		return 0;
	if (spool_lock(spool) < 0)
		return -1;
	done = requeue(spool, due, count);
	spool_unlock(spool);
	/* A full disk takes its time, and sending goes on. */
	if (done < 0)
		return disk_is_full(errno) ? 0 : -1;
	if (done == BATCH)
		again->next = now; /* there may be more */
	log_event(LOG_NOTICE, "offered_again", "items=%zd", done);
	return item_sync_moves(spool);
}
