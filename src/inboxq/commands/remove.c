/* SPDX-License-Identifier: ISC */
/* `inboxq remove`: items out of queue/ or failed/ for good. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxq/commands/numbers.h"
#include "inboxq/spool/item.h"
#include "inboxq/spool/sentlog.h"
#include "inboxq/spool/spool.h"
#include "lib/log.h"

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

/* Under the lock: `last` first, then what became of it, and only then the item.  `run` may
 * set it aside meanwhile, so it is looked for in both, where that takes it to last. */
static int
remove_locked(struct spool *spool, struct sentlog *sentlog, uint64_t n)
{
	struct spool_item item;

	if (!has_item(spool, n, &item)) {
		errno = ENOENT;
		return -1;
	}
	if (spool_raise_last(spool, n) < 0 ||
	    sentlog_add(sentlog, n, SENTLOG_REMOVED, NULL, NULL, &item) < 0 ||
	    sentlog_sync(sentlog) < 0 || item_delete(spool, SPOOL_QUEUE, n) < 0 ||
	    item_delete(spool, SPOOL_FAILED, n) < 0)
		return -1;
	item_drop_reason(spool, n);
	return 0;
}

static int
remove_one(struct spool *spool, struct sentlog *sentlog, uint64_t n)
{
	int error;

	if (spool_lock(spool) < 0)
		return command_trouble("cannot lock the spool");
	error = remove_locked(spool, sentlog, n) < 0 ? errno : 0;
	spool_unlock(spool);
	if (error == 0)
		return EX_OK;
	if (error == ENOENT) {
		log_complain("inboxq", "no item %" PRIu64, n);
		return EX_NOINPUT;
	}
	errno = error;
	return command_trouble("cannot remove");
}

static int
check(struct command_call *call)
{
	return call->count ? EX_OK : command_misused(call, "want numbers as list shows them");
}

static int
run(struct command_call *call)
{
	struct sentlog *sentlog = NULL;
	uint64_t *numbers;
	int rc = numbers_read(call, &numbers), one;

	if (rc != EX_OK)
		goto out;
	sentlog = sentlog_open(call->spool);
	if (!sentlog) {
		rc = command_trouble("sent.log");
		goto out;
	}
	for (size_t i = 0; i < call->count && rc != EX_TEMPFAIL; i++) {
		one = remove_one(call->spool, sentlog, numbers[i]);
		if (one != EX_OK)
			rc = one;
	}
	if (item_sync_moves(call->spool) < 0)
		rc = command_trouble("cannot sync the spool");
out:
	sentlog_close(sentlog);
	free(numbers);
	return rc;
}

const struct command command_remove = {
    .name = "remove",
    .synopsis = "N...",
    .help = "deletes items, pending or set aside, for good",
    .rest_max = SIZE_MAX,
    .spool = COMMAND_SPOOL,
    .check = check,
    .run = run,
};
