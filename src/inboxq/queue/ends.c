/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/queue/ends.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/queue/life.h"
#include "inboxq/queue/schedule.h"
#include "inboxq/spool/counts.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

#define STUCK_SECONDS 60 /* until an item that could not leave the spool is tried again */

struct answer {
	uint64_t n, size;
	int is_refused;
};

struct ends {
	struct spool *spool;
	struct sentlog *sentlog;
	struct schedule *schedule;
	struct answer batch[ENDS_BATCH];
	size_t batch_count;
	struct ends_counts counts;
	int is_patient; /* what is stuck is tried again within the session */
};

struct ends *
ends_new(struct spool *spool, struct sentlog *sentlog, struct schedule *schedule)
{
	struct ends *ends = calloc(1, sizeof *ends);

	if (ends) {
		ends->spool = spool;
		ends->sentlog = sentlog;
		ends->schedule = schedule;
	}
	return ends;
}

void
ends_be_patient(struct ends *ends)
{
	ends->is_patient = 1;
}

void
ends_free(struct ends *ends)
{
	free(ends);
}

const struct ends_counts *
ends_counts(const struct ends *ends)
{
	return &ends->counts;
}

/* Moves the item into the batch. */
static int
add_answer(struct ends *ends, uint64_t n, uint64_t size, int is_refused)
{
	ends->batch[ends->batch_count++] = (struct answer){n, size, is_refused};
	schedule_mark_answered(ends->schedule, n);
	return ends->batch_count == ENDS_BATCH ? ends_commit(ends) : 0;
}

/* What became of it stands in sent.log or is to be said again: the item stays for now. */
static void
keep(struct ends *ends, uint64_t n)
{
	log_event(LOG_ERR, "item_stuck", "n=%" PRIu64 " error=\"%s\"", n, strerror(errno));
	schedule_hold(ends->schedule, n,
	    ends->is_patient ? clock_seconds() + STUCK_SECONDS : SCHEDULE_NEVER);
}

/* The header, for sent.log; an item that an operator removed meanwhile, or whose
 * header is damaged, has none. */
static void
read_header(const struct ends *ends, uint64_t n, struct spool_item *item)
{
	struct why why;
	int fd = item_open(ends->spool, SPOOL_QUEUE, n, item, &why);

	if (fd >= 0)
		close(fd);
}

int
ends_stored(struct ends *ends, uint64_t n, const char *server, const char *name)
{
	struct spool_item item;

	if (!schedule_is_unanswered(ends->schedule, n))
		return 0;
	read_header(ends, n, &item);
	if (sentlog_add(ends->sentlog, n, SENTLOG_STORED, server, name, &item) < 0)
		return -1;
	return add_answer(ends, n, item.size, 0);
}

int
ends_refused(struct ends *ends, uint64_t n, const char *server, const char *code,
    const char *text)
{
	char reason[SPOOL_REASON_MAX];
	struct spool_item item;

	if (!schedule_is_unanswered(ends->schedule, n))
		return 0;
	snprintf(reason, sizeof reason, "%s: %s (%.*s)", code, text,
	    server ? (int)strcspn(server, "/") : -1, server ? server : "set aside here");
	if (item_write_reason(ends->spool, n, reason) < 0) {
		keep(ends, n);
		return 0;
	}
	read_header(ends, n, &item);
	if (sentlog_add(ends->sentlog, n, SENTLOG_REFUSED, server, code, &item) < 0)
		return -1;
	return add_answer(ends, n, item.size, 1);
}

/* One item leaves queue/. */
static int
carry_out(struct ends *ends, const struct answer *answer)
{
	if (!answer->is_refused)
		return item_delete(ends->spool, SPOOL_QUEUE, answer->n);
	if (item_set_aside(ends->spool, answer->n) == 0) {
		life_set_aside(answer->n);
		return 0;
	}
	if (errno != ENOENT)
		return -1;
	/* An operator removed it meanwhile. */
	item_drop_reason(ends->spool, answer->n);
	return 0;
}

/* All of it is to be sent again. */
static void
drop_batch(struct ends *ends)
{
	for (size_t i = ends->batch_count; i-- > 0;)
		schedule_hold(ends->schedule, ends->batch[i].n, 0);
	ends->batch_count = 0;
}

int
ends_commit(struct ends *ends)
{
	int moved = 0;

	if (sentlog_sync(ends->sentlog) < 0) {
		drop_batch(ends);
		return -1;
	}
	for (size_t i = 0; i < ends->batch_count; i++) {
		const struct answer *answer = &ends->batch[i];

		if (carry_out(ends, answer) < 0) {
			keep(ends, answer->n);
			continue;
		}
		schedule_forget(ends->schedule, answer->n);
		ends->counts.stored += !answer->is_refused;
		ends->counts.refused += (uint64_t)answer->is_refused;
		ends->counts.stored_bytes += answer->is_refused ? 0 : answer->size;
		moved |= answer->is_refused;
	}
	ends->batch_count = 0;
	counts_try_settle(ends->spool);
	/* In this order an item is in one of the two whatever happens; and it has left
	 * queue/ for good before SKIP says so. */
	if (moved && disk_sync_dir(spool_folder(ends->spool, SPOOL_FAILED)) < 0)
		return -1;
	return moved ? ends_sync(ends->spool) : 0;
}

int
ends_sync(const struct spool *spool)
{
	return disk_sync_dir(spool_folder(spool, SPOOL_QUEUE));
}
