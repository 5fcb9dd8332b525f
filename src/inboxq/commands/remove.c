/* SPDX-License-Identifier: ISC */
/* `inboxq remove`: items out of queue/ or failed/ for good. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxq/commands/numbers.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "lib/log.h"
#include "lib/table.h"
#include "lib/terminal.h"

#define REMOVE_BATCH 256

/* Is item `n` anywhere?  Its header in *item if it can be read. */
static int
has_item(const struct spool *spool, uint64_t n, struct spool_item *item)
{
	struct why why;

	for (int part = SPOOL_QUEUE; part <= SPOOL_FAILED; part++) {
		int fd = item_open(spool, (enum spool_part)part, n, item, &why);

		if (fd >= 0)
			close(fd);
		if (fd >= 0 || errno != ENOENT)
			return 1;
	}
	return 0;
}

/* What became of one: found, gone, or errno. */
struct removed {
	int was_there, error;
};

static int
is_repeated(const uint64_t *numbers, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (numbers[k] == numbers[i])
			return 1;
	return 0;
}

/* Under the lock: `last` first, then what became of them, and only then the items.  `run` may
 * set one aside meanwhile, so it is looked for in both, where that takes it to last. */
static int
remove_locked(struct spool *spool, struct sentlog *sentlog, const uint64_t *numbers,
    size_t count, struct removed *done)
{
	uint64_t highest = 0;
	struct spool_item item;

	for (size_t i = 0; i < count; i++) {
		done[i].was_there = !is_repeated(numbers, i) && has_item(spool, numbers[i], &item);
		if (!done[i].was_there)
			continue;
		if (sentlog_add(sentlog, numbers[i], SENTLOG_REMOVED, NULL, NULL, &item) < 0)
			return -1;
		if (numbers[i] > highest)
			highest = numbers[i];
	}
	if (highest && (spool_raise_last(spool, highest) < 0 || sentlog_sync(sentlog) < 0))
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!done[i].was_there)
			continue;
		if (item_delete(spool, SPOOL_QUEUE, numbers[i]) < 0 ||
		    item_delete(spool, SPOOL_FAILED, numbers[i]) < 0)
			done[i].error = errno;
		else
			item_drop_reason(spool, numbers[i]);
	}
	return 0;
}

static int
tell_removed(const struct removed *done, const uint64_t *numbers, size_t count)
{
	int rc = EX_OK;

	for (size_t i = 0; i < count; i++) {
		if (done[i].error) {
			errno = done[i].error;
			rc = command_trouble("cannot remove");
		} else if (!done[i].was_there && !is_repeated(numbers, i)) {
			log_complain("inboxq", "no item %" PRIu64, numbers[i]);
			rc = rc == EX_OK ? EX_NOINPUT : rc;
		}
	}
	return rc;
}

/* At most REMOVE_BATCH. */
static int
remove_batch(struct spool *spool, struct sentlog *sentlog, const uint64_t *numbers, size_t count)
{
	struct removed done[REMOVE_BATCH] = {0};
	int error;

	if (spool_lock(spool) < 0)
		return command_trouble("cannot lock the spool");
	error = remove_locked(spool, sentlog, numbers, count, done) < 0 ? errno : 0;
	spool_unlock(spool);
	if (error) {
		errno = error;
		return command_trouble("cannot remove");
	}
	return tell_removed(done, numbers, count);
}

/* In batches, between which others get at the spool. */
static int
remove_all(struct spool *spool, const struct spool_numbers *chosen)
{
	struct sentlog *sentlog = sentlog_open(spool);
	int rc = EX_OK;

	if (!sentlog)
		return command_trouble("sent.log");
	for (size_t at = 0; at < chosen->count && (rc == EX_OK || rc == EX_NOINPUT);) {
		size_t left = chosen->count - at, batch = left < REMOVE_BATCH ? left : REMOVE_BATCH;
		int one = remove_batch(spool, sentlog, chosen->at + at, batch);

		if (one != EX_OK)
			rc = one;
		at += batch;
	}
	if (item_sync_moves(spool) < 0)
		rc = command_trouble("cannot sync the spool");
	sentlog_close(sentlog);
	return rc;
}

/* Whoever sits at a terminal is asked; 0: he does not want to. */
static int
is_wanted(const struct spool *spool, const struct spool_numbers *chosen)
{
	struct spool_item item;
	char size[TABLE_CELL_ROOM], answer[16];
	uint64_t bytes = 0, count = 0;

	for (size_t i = 0; i < chosen->count; i++) {
		if (!has_item(spool, chosen->at[i], &item))
			continue;
		count++;
		bytes += item.size;
	}
	if (count == 0)
		return 1; /* that there is none will be said */
	table_size(size, bytes);
	fprintf(stderr, "Remove %" PRIu64 " %s, %s, for good?  No server has stored %s.  [y/N] ",
	    count, count == 1 ? "item" : "items", size, count == 1 ? "it" : "them");
	if (fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 1;
	fputs("Nothing is removed.\n", stderr);
	return 0;
}

static int
is_asked(const struct command_call *call)
{
	return !command_value(call, "yes") && terminal_is(STDIN_FILENO) &&
	    terminal_is(STDERR_FILENO);
}

static int
check(struct command_call *call)
{
	int rc = numbers_check(call);

	if (rc == EX_OK && call->count == 1 && strcmp(call->rest[0], "all") == 0 &&
	    !command_value(call, "yes") && !is_asked(call))
		return command_misused(call, "all: nobody is here to be asked: want --yes");
	return rc;
}

static int
run(struct command_call *call)
{
	struct spool_numbers chosen;
	int rc = numbers_choose(call, SPOOL_QUEUE, SPOOL_FAILED, &chosen);

	if (rc == EX_OK && (!is_asked(call) || is_wanted(call->spool, &chosen)))
		rc = remove_all(call->spool, &chosen);
	free(chosen.at);
	return rc;
}

static const struct command_option options[] = {
    {0, "reason", "CODE", "those that were set aside for this reason"},
    {'y', "yes", NULL, "asks nobody"},
    {0, NULL, NULL, NULL},
};

const struct command command_remove = {
    .name = "remove",
    .synopsis = "N...|all|--reason CODE",
    .help = "deletes items, pending or set aside, for good",
    .options = options,
    .rest_max = SIZE_MAX,
    .spool = COMMAND_SPOOL,
    .check = check,
    .run = run,
};
