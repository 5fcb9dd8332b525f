/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/queue/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/queue/life.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

#define LEARN_AT_ONCE 2048                    /* headers */
#define LEARN_FOR (CLOCK_SECOND / 50)         /* microseconds: a slow disk has its time, too */

/* Whoever sets the clock neither puts a scan off nor makes one dear. */
static double
monotonic(void)
{
	return 1e-6 * (double)clock_monotonic();
}

/* May queue/ hold what the last scan did not see?  A long scan is not repeated at once. */
static int
is_due(const struct scan *scan, const struct spool *spool)
{
	struct stat st;

	if (scan->looked == 0.0)
		return 1;
	if (monotonic() - scan->looked < 10 * scan->cost)
		return 0;
	if (scan->is_wanted || fstat(spool_folder(spool, SPOOL_QUEUE), &st) < 0)
		return 1;
	return seen_may_differ(&scan->seen, &st);
}

/* What is no item stays where it is, and is named once. */
static void
tell_strays(struct scan *scan, const struct spool_numbers *found)
{
	if (found->strays > scan->strays)
		log_event(LOG_WARNING, "queue_strays",
		    "count=%zu name=%s note=\"what lies in queue/ and is no item stays there: "
		    "inboxq fsck tells of it\"", found->strays, found->stray);
	scan->strays = found->strays;
}

int
scan_queue(struct scan *scan, struct spool *spool, struct schedule *schedule)
{
	struct spool_numbers found = {0};
	double begin = monotonic();
	struct seen seen;
	struct stat st;
	uint64_t highest;
	int rc = -1;

	if (!is_due(scan, spool))
		return 0;
	if (spool_lock(spool) < 0)
		return -1;
	if (fstat(spool_folder(spool, SPOOL_QUEUE), &st) < 0)
		goto out;
	seen_note(&seen, &st);
	if (spool_list(spool, SPOOL_QUEUE, &found) < 0 || spool_highest(spool, &highest) < 0)
		goto out;
	if (disk_sync_dir(spool_folder(spool, SPOOL_QUEUE)) < 0)
		goto out;
	/* Here, once a scan, rather than before each batch of answers: what is in the
	 * queue now may leave it from here on. */
	if (found.count && spool_raise_last(spool, found.at[found.count - 1]) < 0)
		goto out;
	/* Somebody may have put an item there by hand. */
	if (found.count && highest < found.at[found.count - 1])
		highest = found.at[found.count - 1];
	if (schedule_merge(schedule, found.at, found.count, highest) < 0)
		goto out;
	tell_strays(scan, &found);
	scan->is_wanted = 0;
	scan->looked = begin;
	scan->seen = seen;
	scan->cost = monotonic() - begin;
	rc = 0;
out:
	spool_unlock(spool);
	free(found.at);
	/* Here, and not at the start alone: as long as items come, so may drafts that no one
	 * finishes. */
	if (rc == 0)
		spool_sweep(spool);
	return rc;
}

/* In queue/ it lasts, and its number is never given again. */
static int
make_last(struct spool *spool, uint64_t n)
{
	int rc;

	if (disk_sync_dir(spool_folder(spool, SPOOL_QUEUE)) < 0 || spool_lock(spool) < 0)
		return -1;
	rc = spool_raise_last(spool, n);
	spool_unlock(spool);
	return rc;
}

/* May what came be there still?  One that was seen by another look may have left since. */
static int
is_there(const struct spool *spool, const struct schedule *schedule, uint64_t n)
{
	char name[SPOOL_NAME_ROOM];
	struct stat st;

	if (n > schedule_counts(schedule)->highest)
		return 1;
	spool_number_name(name, n);
	return fstatat(spool_folder(spool, SPOOL_QUEUE), name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
scan_take(struct spool *spool, struct schedule *schedule, const struct scan_news *news,
    size_t count)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < count; i++)
		if (!news[i].has_gone && news[i].n > highest)
			highest = news[i].n;
	if (highest && make_last(spool, highest) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (news[i].has_gone)
			schedule_remove(schedule, news[i].n);
		else if (is_there(spool, schedule, news[i].n) &&
		    schedule_add(schedule, news[i].n) < 0)
			return -1;
	}
	return 0;
}

static enum schedule_priority
priority_of(const struct spool_item *item)
{
	switch (item->priority) {
	case ITEM_HIGH:
		return SCHEDULE_HIGH;
	case ITEM_LOW:
		return SCHEDULE_LOW;
	case ITEM_NORMAL:
	case ITEM_PRIORITIES:
		break;
	}
	return SCHEDULE_NORMAL;
}

static void
take_facts(struct schedule *schedule, uint64_t n, const struct spool_item *item, int is_right)
{
	struct schedule_facts facts = {priority_of(item), item->inbox, item->size};

	if (schedule_learn(schedule, n, &facts) && is_right)
		life_validating(n, item);
}

void
scan_tell(struct schedule *schedule, uint64_t n, const struct spool_item *item)
{
	take_facts(schedule, n, item, 1);
}

/* 0, or -1 where it is we who cannot read it. */
static int
learn(const struct spool *spool, struct schedule *schedule, uint64_t n)
{
	struct spool_item item;
	struct why why;
	int fd = item_open(spool, SPOOL_QUEUE, n, &item, &why);

	if (fd < 0 && errno == ENOENT) {
		life_removed(n);
		schedule_remove(schedule, n);
		return 0;
	}
	if (fd < 0 && !item_is_to_blame(errno))
		return -1;
	if (fd >= 0)
		close(fd);
	take_facts(schedule, n, &item, fd >= 0);
	return 0;
}

unsigned
scan_learn(const struct spool *spool, struct schedule *schedule)
{
	int64_t end = clock_monotonic() + LEARN_FOR;
	unsigned done = 0;
	uint64_t n;

	while (done < LEARN_AT_ONCE && (n = schedule_unknown(schedule))) {
		if (learn(spool, schedule, n) < 0)
			break;
		done++;
		if (clock_monotonic() > end)
			break;
	}
	return done;
}
