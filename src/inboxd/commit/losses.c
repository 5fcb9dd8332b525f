/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/losses.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/commit/missing.h"
#include "lib/clock.h"
#include "lib/disk.h"

static void
append(struct losses *losses, const struct queue *queue, struct record *record)
{
	snprintf(record->identity, sizeof record->identity, "%s", queue->identity);
	snprintf(record->queue, sizeof record->queue, "%s", queue->id);
	ledger_append(losses->ledger, record);
}

static void
note_unknown(struct losses *losses)
{
	stats_set(losses->stats, STAT_NOW_GAPS, clients_gaps_unknown(losses->clients));
}

/* ---- as they come and go */

static void
on_gap(void *ctx, struct queue *queue, uint64_t first, uint64_t last)
{
	struct losses *losses = ctx;
	struct record record = {
	    .type = RECORD_GAP, .n = first, .to = last, .since = clock_utc()};

	log_limited(&losses->gate, LOG_WARNING, is_jump(first, last) ? "mark_jumped" : "gap",
	    "client=%s queue=%s from=%llu to=%llu", queue->identity, queue->id,
	    (unsigned long long)first, (unsigned long long)last);
	stats_add(losses->stats, STAT_JUMPS, (uint64_t)is_jump(first, last));
	missing_add(queue, first, last, record.since);
	append(losses, queue, &record);
}

void
losses_settle(struct losses *losses, struct queue *queue, uint64_t number)
{
	uint64_t missing = queue_settle(queue, number, on_gap, losses);

	queue->figures.tally.missing += missing;
	stats_add(losses->stats, STAT_GAPS, missing);
	note_unknown(losses);
}

static void
tell_end(struct losses *losses, const struct queue *queue, uint64_t number, const char *how)
{
	log_limited(&losses->gate, LOG_NOTICE, "gap_ended",
	    "client=%s queue=%s n=%llu how=%s note=\"it was missing\"", queue->identity,
	    queue->id, (unsigned long long)number, how);
	note_unknown(losses);
}

void
losses_note_accepted(struct item *item)
{
	if (!missing_end(item->queue, item->number, &item->was))
		item->was.count = 0;
}

void
losses_note_void(struct losses *losses, const struct item *item)
{
	if (item->was.count == 0)
		return;
	missing_undo(item->queue, &item->was);
	note_unknown(losses);
}

void
losses_note_stored(struct losses *losses, const struct item *item)
{
	if (item->was.count > 0)
		tell_end(losses, item->queue, item->number, "stored");
}

int
losses_note_skipped(struct losses *losses, const struct notice *notice)
{
	struct record record = {.type = RECORD_SKIP, .n = notice->number};
	struct gap was;

	if (!missing_end(notice->queue, notice->number, &was))
		return 0;
	tell_end(losses, notice->queue, notice->number, "skipped");
	notice->queue->figures.tally.skipped++;
	stats_add(losses->stats, STAT_SKIPPED, 1);
	snprintf(record.reason, sizeof record.reason, "%s", notice->reason);
	append(losses, notice->queue, &record);
	return 1;
}

/* ---- by hand */

/* The one queue whose identifier begins so. */
static struct queue *
find_queue(const struct losses *losses, struct confirm *confirm)
{
	const struct client *client =
	    clients_find_client(losses->clients, confirm->wish.identity);
	struct queue *queue = NULL, *found = NULL;
	uint64_t count = 0;

	while (client && (queue = client_next(client, queue))) {
		if (strncmp(queue->id, confirm->wish.queue, strlen(confirm->wish.queue)) != 0)
			continue;
		found = queue;
		count++;
	}
	confirm->answer.queues = count;
	confirm->answer.outcome = count == 0 ? CONFIRM_UNKNOWN : CONFIRM_AMBIGUOUS;
	return count == 1 ? found : NULL;
}

/* Whoever is told that it is done has it done, power failure or not: so it is synced here, as
 * rarely as somebody sits and types. */
static int
make_last(struct losses *losses)
{
	if (ledger_flush(losses->ledger) < 0) {
		if (!disk_is_full(errno))
			fatal(EX_IOERR, "ledger_failed", "call=write error=\"%s\"",
			    strerror(errno));
		return -1; /* the end of the turn says so, and tries again */
	}
	if (disk_sync_data(ledger_fd(losses->ledger)) < 0)
		fatal_sync("ledger");
	return 0;
}

static void
confirm_in(struct losses *losses, struct queue *queue, struct confirm *confirm)
{
	const struct confirm_wish *wish = &confirm->wish;
	struct confirm_answer *answer = &confirm->answer;
	struct record record = {
	    .type = RECORD_GAP, .n = wish->first, .to = wish->last, .known = 1};

	snprintf(answer->queue, sizeof answer->queue, "%s", queue->id);
	switch (missing_confirm(queue, wish->first, wish->last, &answer->gaps)) {
	case GAPS_NONE:
		answer->outcome = CONFIRM_NONE;
		return;
	case GAPS_MERGED:
		answer->outcome = CONFIRM_MERGED;
		return;
	case GAPS_CONFIRMED:
		break;
	}
	note_unknown(losses);
	if (answer->gaps > 0) {
		record.time = clock_utc();
		append(losses, queue, &record);
		log_event(LOG_NOTICE, "gap_confirmed", "client=%s queue=%s from=%llu to=%llu",
		    queue->identity, queue->id, (unsigned long long)wish->first,
		    (unsigned long long)wish->last);
	}
	answer->outcome = make_last(losses) == 0 ? CONFIRM_DONE : CONFIRM_FULL;
}

void
losses_confirm(struct losses *losses, struct confirm *confirm)
{
	struct queue *queue;

	memset(&confirm->answer, 0, sizeof confirm->answer);
	confirm->answer.outcome = CONFIRM_FULL;
	if (!losses)
		return;
	queue = find_queue(losses, confirm);
	if (queue)
		confirm_in(losses, queue, confirm);
}
