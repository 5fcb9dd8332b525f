/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/books.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/shares.h"
#include "inboxd/commit/bounds.h"
#include "inboxd/commit/forgetting.h"
#include "inboxd/commit/losses.h"
#include "inboxd/commit/missing.h"
#include "lib/clock.h"
#include "lib/log.h"

/* While the disk is full records gather in memory.  From this many bytes on
 * sessions are not begun and what they settle or skip is not kept; their
 * clients see the mark in the next READY and say it again. */
#define GATHERED_MAX ((size_t)16 * 1024 * 1024)

/* How often a full disk is asked again, microseconds. */
#define RETRY_EVERY 500000

/* A session of so many microseconds, or with answers that no other record counts, is worth one at
 * its end, too: else who was seen when it began is silent since then for whoever starts next. */
#define LONG_SESSION 60000000

struct books {
	struct clients *clients;
	struct ledger *ledger;
	const struct books_setup *setup;
	struct limits limits;
	struct bounds_watch watch;
	struct stats *stats;
	uint64_t rotate_at; /* bytes of the segment */
	int full;
	int64_t retry_at; /* while full: monotonic microseconds */
	struct log_gate gate;
	struct forgetting forgetting;
	struct losses losses;
	struct shares *shares; /* NULL: nothing is known yet, or there is no bound */
};

struct books *
books_open(struct clients *clients, struct ledger *ledger, const struct books_setup *setup,
    struct stats *stats)
{
	struct books *books = calloc(1, sizeof *books);

	if (!books)
		return NULL;
	books->clients = clients;
	books->ledger = ledger;
	books->setup = setup;
	books->limits = setup->limits;
	books->stats = stats;
	books->rotate_at = ledger_size(ledger) + setup->ledger_size;
	books->forgetting = (struct forgetting){
	    .clients = clients, .ledger = ledger, .stats = stats, .limits = &books->limits};
	books->losses = (struct losses){.clients = clients, .ledger = ledger, .stats = stats};
	return books;
}

void
books_close(struct books *books)
{
	if (!books)
		return;
	ledger_close(books->ledger);
	clients_free(books->clients);
	shares_free(books->shares);
	free(books);
}

static void
name_queue(struct record *record, const struct queue *queue)
{
	snprintf(record->identity, sizeof record->identity, "%s", queue->identity);
	snprintf(record->queue, sizeof record->queue, "%s", queue->id);
}

/* ---- sessions */

static int
may_gather(const struct books *books)
{
	return !books->full || ledger_gathered(books->ledger) < GATHERED_MAX;
}

static void
supersede(struct books *books, struct queue *queue)
{
	mailbox_post(queue->superseded->reply, &queue->superseded->message);
	stats_add(books->stats, STAT_SUPERSEDED, 1);
}

void
books_set_limits(struct books *books, const struct limits *limits)
{
	books->limits = *limits;
}

void
books_watch_limits(struct books *books)
{
	struct bounds_near near;

	while (bounds_are_near(&books->watch, &books->limits, books->clients, &near))
		log_event(LOG_WARNING, "limit_near", "limit=%s what=%s now=%llu most=%llu",
		    limit_name(near.limit), near.what, (unsigned long long)near.now,
		    (unsigned long long)near.most);
}

/* Its client has settled numbers, and not in this root's time: with another receiver, or this is
 * not the root that it knows. */
static void
note_mark(struct books *books, const struct join *join)
{
	if (join->settled <= 1)
		return;
	stats_add(books->stats, STAT_MARKS_UNKNOWN, 1);
	log_limited(&books->gate, LOG_INFO, "mark_unknown",
	    "client=%s queue=%s settled=%llu note=\"not known here: new to this receiver, or is "
	    "this not its root?\"", join->identity, join->queue_id,
	    (unsigned long long)join->settled);
}

/* What it wants to join, made where it is not known.  NULL: a limit is in the way. */
static struct queue *
make_queue(struct books *books, struct join *join, struct queue *queue)
{
	int made = 0; /* room for so many: there are far too many if a limit has become lower */

	do
		join->limit = bounds_of_session(&books->limits, books->clients,
		    clients_find_client(books->clients, join->identity), queue);
	while (made++ < FORGETTING_STEP &&
	    forgetting_by_room(&books->forgetting, join->limit, join->identity));
	if (join->limit != LIMIT_NONE) {
		stats_add(books->stats, limit_counter(join->limit), 1);
		return NULL;
	}
	if (queue)
		return queue;
	stats_add(books->stats, STAT_NOW_QUEUES, 1);
	note_mark(books, join);
	return clients_add(books->clients, join->identity, join->queue_id, join->settled);
}

static void
record_queue(struct books *books, struct queue *queue)
{
	struct record record = {.type = RECORD_QUEUE};

	queue_record(queue, &record);
	ledger_append(books->ledger, &record);
	queue->is_behind = 0;
}

void
books_join(struct books *books, struct join *join)
{
	struct queue *queue = clients_find(books->clients, join->identity, join->queue_id);

	/* A client that cuts a connection and comes back can be heard on the new one first.  What
	 * it sent on the old one may be settled by now, and so forgotten: it would be stored
	 * again. */
	join->is_late = join->came < (queue ? queue->came : books->forgetting.came);
	if (join->is_late)
		stats_add(books->stats, STAT_SUPERSEDED, 1);
	if (join->is_late || !may_gather(books))
		return;
	queue = make_queue(books, join, queue);
	join->queue = queue;
	if (!queue)
		return;
	if (queue->superseded)
		supersede(books, queue);
	else
		queue->client->speaking++;
	queue->superseded = join->superseded;
	join->superseded = NULL;
	queue->came = join->came;
	queue_hold(queue);
	queue->client->sessions++;
	queue_set_hello(queue, &join->hello);
	queue_see(queue, clock_utc(), ledger_age(books->ledger));
	join->generation = ++queue->generation;
	join->opens = &queue->client->opens;
	join->mark = queue->settled;
	record_queue(books, queue);
}

/* The last session of the queue that spoke for it is over. */
static void
leave(struct books *books, struct queue *queue)
{
	int64_t now = clock_utc(), seen = queue->figures.hello.seen;

	free(queue->superseded);
	queue->superseded = NULL;
	queue->client->speaking--;
	queue_see(queue, now, ledger_age(books->ledger));
	if ((queue->is_behind || now - seen >= LONG_SESSION) && may_gather(books))
		record_queue(books, queue);
}

void
books_leave(struct books *books, struct notice *notice)
{
	if (notice->generation == notice->queue->generation)
		leave(books, notice->queue);
	notice->queue->client->sessions--;
	queue_release(notice->queue);
}

void
books_note(const struct notice *notice)
{
	if (notice->generation == notice->queue->generation)
		notice->queue->figures.hello.backlog = notice->backlog;
}

void
books_settle(struct books *books, const struct notice *notice)
{
	struct queue *queue = notice->queue;
	struct record record = {.type = RECORD_SETTLED, .n = notice->number};
	struct entries before = queue->entries;
	uint64_t mark = queue->settled;

	if (notice->generation != queue->generation || !may_gather(books))
		return;
	losses_settle(&books->losses, queue, notice->number);
	stats_sub(books->stats, STAT_NOW_UNSETTLED, before.items - queue->entries.items);
	stats_sub(books->stats, STAT_NOW_SKIPS, before.skips - queue->entries.skips);
	/* What changed nothing costs nothing, however often it is said. */
	if (queue->settled == mark && queue->entries.items == before.items &&
	    queue->entries.skips == before.skips)
		return;
	name_queue(&record, queue);
	ledger_append(books->ledger, &record);
}

void
books_skip(struct books *books, const struct notice *notice)
{
	struct queue *queue = notice->queue;
	struct record record = {.type = RECORD_SKIP, .n = notice->number};
	enum limit limit;

	if (notice->generation != queue->generation || !may_gather(books))
		return;
	if (losses_note_skipped(&books->losses, notice))
		return;
	limit = bounds_of_skip(&books->limits, queue);
	if (limit != LIMIT_NONE) {
		stats_add(books->stats, STAT_SKIPS_NOT_KEPT, 1);
		log_limited(&books->gate, LOG_WARNING, "skip_not_kept",
		    "client=%s queue=%s n=%llu limit=%s note=\"it may show as missing\"",
		    queue->identity, queue->id, (unsigned long long)notice->number,
		    limit_name(limit));
		return;
	}
	if (!queue_add_skip(queue, notice->number))
		return;
	stats_add(books->stats, STAT_NOW_SKIPS, 1);
	queue->figures.tally.skipped++;
	stats_add(books->stats, STAT_SKIPPED, 1);
	name_queue(&record, queue);
	snprintf(record.reason, sizeof record.reason, "%s", notice->reason);
	ledger_append(books->ledger, &record);
}

const struct clients *
books_clients(const struct books *books)
{
	return books->clients;
}

struct forgetting *
books_forgetting(struct books *books)
{
	return may_gather(books) ? &books->forgetting : NULL;
}

struct losses *
books_losses(struct books *books)
{
	return may_gather(books) ? &books->losses : NULL;
}

/* ---- items */

int
books_is_current(const struct item *item)
{
	return item->generation == item->queue->generation;
}

const char *
books_find_name(const struct item *item)
{
	const struct known *known =
	    queue_find(item->queue, item->number, item->inbox, item->sha256);

	return known ? known->item->name : NULL;
}

int
books_has_room(const struct books *books, struct item *item)
{
	item->limit = bounds_of_item(&books->limits, item->queue);
	if (item->limit == LIMIT_NONE)
		return 1;
	stats_add(books->stats, limit_counter(item->limit), 1);
	return 0;
}

int
books_has_share(const struct books *books, const struct item *item)
{
	char client[NAME_CLIENT_MAX + 1];

	if (item->share == 0 || !books->shares)
		return 1;
	name_show_client(item->queue->identity, client);
	return shares_allow(books->shares, client, item->size, item->share);
}

void
books_take_shares(struct books *books, struct shares_news *news)
{
	shares_free(books->shares);
	books->shares = news->shares;
	news->shares = NULL;
}

static void
add_share(struct books *books, const struct item *item)
{
	char client[NAME_CLIENT_MAX + 1];

	if (item->share == 0)
		return;
	if (!books->shares)
		books->shares = shares_new();
	name_show_client(item->queue->identity, client);
	shares_add(books->shares, client, item->size);
}

const char *
books_accept(struct books *books, struct item *item, size_t *size)
{
	struct queue *queue = item->queue;
	struct record record = {.type = RECORD_ACCEPT};

	item->is_reuse = queue_has_used(queue, item->number);
	if (item->is_reuse)
		log_limited(&books->gate, LOG_WARNING, "number_reused",
		    "client=%s queue=%s n=%llu note=\"a cloned or restored queue?\"",
		    queue->identity, queue->id, (unsigned long long)item->number);
	record.time = item->received ? item->received : clock_utc();
	name_queue(&record, queue);
	record.n = item->number;
	record.size = item->size;
	record.sent = item->sent;
	memcpy(record.sha256, item->sha256, DIGEST_SIZE);
	snprintf(record.inbox, sizeof record.inbox, "%s", item->inbox);
	snprintf(record.name, sizeof record.name, "%s", item->draft.name);
	snprintf(record.hint, sizeof record.hint, "%s", item->hint);
	ledger_append(books->ledger, &record);
	item->seq = record.seq;
	(void)queue_add_item(queue, &record);
	losses_note_accepted(item);
	stats_add(books->stats, STAT_NOW_UNSETTLED, 1);
	add_share(books, item);
	inflow_take(item->draft.inbox->inflow, item->size);
	return ledger_newest(books->ledger, size);
}

void
books_void(struct books *books, const struct item *item)
{
	struct record record = {.type = RECORD_VOID, .seq = item->seq};

	ledger_append(books->ledger, &record);
	inflow_untake(item->draft.inbox->inflow, item->size);
	if (queue_void(item->queue, item->number, item->inbox, item->sha256, item->seq))
		stats_sub(books->stats, STAT_NOW_UNSETTLED, 1);
	losses_note_void(&books->losses, item);
}

void
books_count_stored(struct books *books, const struct item *item, int64_t now)
{
	struct tally *tally = &item->queue->figures.tally;

	losses_note_stored(&books->losses, item);
	tally->stored++;
	tally->stored_bytes += item->size;
	tally->last_stored = now;
	tally->reused += (uint64_t)item->is_reuse;
	stats_add(books->stats, STAT_NUMBERS_REUSED, (uint64_t)item->is_reuse);
	stats_add(books->stats, STAT_BYTES_STORED, item->size);
}

void
books_rename(struct books *books, uint64_t seq, const char *name)
{
	struct record record = {.type = RECORD_RENAMED, .seq = seq};

	snprintf(record.name, sizeof record.name, "%s", name);
	ledger_append(books->ledger, &record);
}

/* ---- the ledger's file */

void
books_mark(struct books *books, uint64_t synced, uint64_t stored)
{
	struct record record = {.type = RECORD_MARK, .synced = synced, .stored = stored};

	ledger_append(books->ledger, &record);
}

int
books_flush(struct books *books)
{
	/* A try on a full disk writes what fits and takes it back again, and what has
	 * gathered may be much: so one now and then, not one for each message. */
	if (books->full && clock_monotonic() < books->retry_at)
		return -1;
	if (ledger_flush(books->ledger) == 0) {
		if (books->full)
			log_event(LOG_NOTICE, "ledger_has_room", "note=\"items are taken again\"");
		books->full = 0;
		return 0;
	}
	if (draft_failure(errno) != DRAFT_FULL)
		fatal(EX_IOERR, "ledger_failed", "call=write error=\"%s\"", strerror(errno));
	if (!books->full)
		log_event(LOG_ERR, "ledger_full", "error=\"%s\"", strerror(errno));
	books->full = 1;
	books->retry_at = clock_monotonic() + RETRY_EVERY;
	return -1;
}

int
books_are_full(const struct books *books)
{
	return books->full;
}

int
books_fd(const struct books *books)
{
	return ledger_fd(books->ledger);
}

uint64_t
books_size(const struct books *books)
{
	return ledger_size(books->ledger);
}

int
books_want_rotation(const struct books *books)
{
	return ledger_size(books->ledger) >= books->rotate_at;
}

void
books_rotate(struct books *books)
{
	struct queue *queue = NULL;

	/* What the state says is all that a start after a crash knows. */
	while ((queue = clients_next(books->clients, queue))) {
		if (queue->superseded)
			queue_see(queue, clock_utc(), ledger_age(books->ledger));
	}
	if (ledger_rotate(books->ledger, books->clients, books->setup->ledger_days) < 0) {
		fatal_if_gone("rotate", "ledger");
		log_event(LOG_ERR, "ledger_not_rotated", "error=\"%s\" note=\"goes on as it is\"",
		    strerror(errno));
	} else {
		log_event(LOG_INFO, "ledger_rotated", "queues=%zu", clients_count(books->clients));
	}
	/* After a failure it is tried again when as much has come once more. */
	books->rotate_at = ledger_size(books->ledger) + books->setup->ledger_size;
}
