/* SPDX-License-Identifier: ISC */
/* `inboxq requeue`: what was set aside, back into the queue. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "inboxq/commands/numbers.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/spool.h"
#include "lib/log.h"

#define REQUEUE_BATCH 256

/* What became of one item: 0 and its new number, or errno. */
struct requeued {
	uint64_t n;
	int error;
};

/* Once the lock is let go: whoever reads this may take his time. */
static int
tell_requeued(const struct requeued *done, const uint64_t *numbers, size_t count)
{
	int rc = EX_OK;

	for (size_t i = 0; i < count; i++) {
		if (done[i].error == 0) {
			printf("%" PRIu64 "\n", done[i].n);
		} else if (done[i].error == ENOENT) {
			log_complain("inboxq", "no failed item %" PRIu64, numbers[i]);
			rc = EX_NOINPUT;
		} else {
			errno = done[i].error;
			rc = command_trouble("cannot requeue");
		}
	}
	return fflush(stdout) == 0 ? rc : command_trouble("standard output");
}

/* At most REQUEUE_BATCH.  *highest: the highest number ever given, as far as is known. */
static int
requeue_batch(struct spool *spool, const uint64_t *numbers, size_t count, uint64_t *highest)
{
	struct requeued done[REQUEUE_BATCH] = {0};
	uint64_t last;
	int rc, told;

	if (spool_lock(spool) < 0)
		return command_trouble("cannot lock the spool");
	rc = *highest ? 0 : spool_highest(spool, highest);
	if (rc == 0)
		rc = spool_last(spool, &last);
	if (rc < 0) {
		spool_unlock(spool);
		return command_trouble("cannot read the spool");
	}
	/* What others have added since the last batch is in queue/, or `last` is above it. */
	if (*highest < last)
		*highest = last;
	for (size_t i = 0; i < count; i++) {
		done[i].error = item_requeue(spool, numbers[i], highest) < 0 ? errno : 0;
		done[i].n = *highest;
	}
	spool_unlock(spool);
	rc = item_sync_moves(spool) < 0 ? command_trouble("cannot sync the spool") : EX_OK;
	if (rc == EX_OK)
		spool_note_given(spool, *highest);
	told = tell_requeued(done, numbers, count);
	return rc != EX_OK ? rc : told;
}

/* In batches, between which others get at the spool. */
static int
requeue(struct spool *spool, const uint64_t *numbers, size_t count)
{
	const struct timespec pause = {0, 10 * 1000000};
	uint64_t highest = 0;
	int rc = EX_OK;

	for (size_t at = 0; at < count && (rc == EX_OK || rc == EX_NOINPUT);) {
		size_t batch = count - at < REQUEUE_BATCH ? count - at : REQUEUE_BATCH;
		int one = requeue_batch(spool, numbers + at, batch, &highest);

		if (one != EX_OK)
			rc = one;
		at += batch;
		if (at < count)
			nanosleep(&pause, NULL);
	}
	return rc;
}

static int
check(struct command_call *call)
{
	static char *all[] = {"all", NULL};

	/* As it was called at first. */
	if (command_value(call, "all")) {
		if (call->count)
			return command_misused(call, "--all, and numbers as well?");
		call->rest = all;
		call->count = 1;
	}
	return numbers_check(call);
}

static int
run(struct command_call *call)
{
	struct spool_numbers chosen;
	int rc = numbers_choose(call, SPOOL_FAILED, SPOOL_FAILED, &chosen);

	if (rc == EX_OK)
		rc = requeue(call->spool, chosen.at, chosen.count);
	free(chosen.at);
	return rc;
}

static const struct command_option options[] = {
    {0, "all", NULL, "the same as the operand all"},
    {0, "reason", "CODE", "those that were set aside for this reason"},
    {0, NULL, NULL, NULL},
};

const struct command command_requeue = {
    .name = "requeue",
    .synopsis = "N...|all|--reason CODE",
    .help = "puts items that were set aside back into the queue, and prints their new numbers",
    .options = options,
    .rest_max = SIZE_MAX,
    .spool = COMMAND_SPOOL,
    .check = check,
    .run = run,
};
