/* SPDX-License-Identifier: ISC */
/* `inboxq fsck`: what is wrong in the spool.  It opens the spool itself, since what keeps the other
 * commands from opening it is a finding here. */
#include "config.h"

#include "inboxq/commands/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxq/base/settings.h"
#include "inboxq/spool/fsck.h"
#include "lib/disk.h"
#include "lib/log.h"

static void
say(void *ctx, enum fsck_kind kind, const char *text)
{
	static const char *const kinds[] = {[FSCK_NOTE] = "note", [FSCK_FOUND] = "wrong",
	    [FSCK_REPAIRED] = "repaired", [FSCK_FAILED] = "wrong"};

	(void)ctx;
	printf("%s: %s\n", kinds[kind], text);
}

/* The spool as it is, or put in order so far that it can be looked at; *wrong and *repaired count
 * what that took. */
static struct spool *
open_spool(const struct settings *settings, int repair, struct fsck_counts *counts)
{
	struct why why, again;
	struct spool *spool = spool_open(settings->spool, 0, &why);

	if (spool)
		return spool;
	counts->wrong++;
	if (repair)
		spool = spool_open(settings->spool, 1, &again);
	if (spool) {
		counts->repaired++;
		printf("repaired: %s: made anew\n", why.text);
	} else {
		printf("wrong: %s\n", why.text);
	}
	return spool;
}

/* While somebody uploads nothing is moved under his hands.  The lock, or -1. */
static int
lock_run(const struct spool *spool, int *repair)
{
	pid_t holder = 0;
	int lock = disk_lock(spool_folder(spool, SPOOL_TOP), "run.lock", &holder);

	if (lock >= 0)
		return lock;
	if (errno == EWOULDBLOCK)
		printf("note: inboxq run is active (process %ld): nothing is repaired; stop it "
		       "first\n", (long)holder);
	else
		printf("note: run.lock: %s: nothing is repaired\n", strerror(errno));
	*repair = 0;
	return -1;
}

static int
run(struct command_call *call)
{
	int repair = command_value(call, "repair") != NULL, lock = -1, rc = EX_OK;
	struct fsck_counts counts, first = {0};
	struct spool *spool = open_spool(call->settings, repair, &first);

	if (!spool)
		return command_finish() == EX_OK ? EX_DATAERR : EX_IOERR;
	spool_set_limits(spool, &(struct spool_limits){call->settings->items,
	    call->settings->bytes, call->config});
	if (repair)
		lock = lock_run(spool, &repair);
	if (fsck_spool(spool, repair, say, NULL, &counts) < 0)
		rc = command_trouble("cannot look through the spool");
	counts.wrong += first.wrong;
	counts.repaired += first.repaired;
	printf("%" PRIu64 " items, %" PRIu64 " wrong, %" PRIu64 " repaired\n", counts.items,
	    counts.wrong, counts.repaired);
	disk_close(lock);
	spool_close(spool);
	if (command_finish() != EX_OK)
		return EX_IOERR;
	return rc == EX_OK && counts.wrong > counts.repaired ? EX_DATAERR : rc;
}

static const struct command_option options[] = {
    {0, "repair", NULL, "puts right what can be; nothing is deleted"},
    {0},
};

const struct command command_fsck = {
    .name = "fsck",
    .synopsis = "[--repair]",
    .help = "looks for what is wrong in the queue's folder",
    .options = options,
    .spool = COMMAND_NO_SPOOL,
    .run = run,
};
