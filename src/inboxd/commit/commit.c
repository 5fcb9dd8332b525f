/* SPDX-License-Identifier: ISC */
/*
 * What is true of the items that the thread has; check_turn() asserts it after each turn:
 *
 *	             arrived        (accepted)          (handed over)
 *	record       none           with the kernel     with the kernel
 *	frame        none           in the batch        synced
 *	draft        in tmp/        in tmp/             the publisher's
 *	answer       none           none                STORED
 *	seq          none           > writer_last()     <= writer_last()
 *
 * Both in brackets are within a turn: after it nothing is accepted.  A duplicate is accepted only
 * to be answered no earlier than the first one; nothing of it is recorded or journaled.
 *
 * And of the marks: published <= durable <= writer_last(), in memory and on the disk, where
 * they are never ahead of memory.
 */
#include "config.h"

#include "inboxd/commit/commit.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/hold.h"
#include "inboxd/base/thread.h"
#include "inboxd/commit/asked.h"
#include "inboxd/commit/behind.h"
#include "inboxd/commit/forgetting.h"
#include "inboxd/commit/item_list.h"
#include "inboxd/commit/reply.h"
#include "inboxd/commit/strands.h"
#include "inboxd/publish/syncer.h"
#include "lib/clock.h"
#include "lib/log.h"

#define ROOM_EVERY 1000 /* milliseconds that it sleeps at most while the disk is full */

/* A turn looks at items for as long as its sync will take, as far as the last one tells, but for so
 * many microseconds in any case, and at so many items: whoever comes meanwhile waits for little
 * more than that sync, and where syncs are slow a batch may be large. */
#define TURN_TIME 1000
#define TURN_ITEMS 64

#define SPARE 8 /* one in so many that may wait for the publisher is for who sends little */

struct commit {
	struct commit_setup setup;
	struct books *books;
	struct writer *writer;
	struct behind behind;
	struct syncer *syncer;
	struct mailbox *in;
	struct stats stats;
	pthread_t thread;
	struct strands arrived;    /* not looked at yet */
	struct item_list accepted; /* in the batch, or duplicates */
	int64_t sync_took;     /* the last one, microseconds */
	size_t syncing;        /* items at the syncer */
	int64_t full_until;    /* no room in the journal before, monotonic microseconds; 0: room */
	int stopping;
};

/* ---- items, as they arrive */

/* The draft first: the journal will not have its bytes. */
static void
make_durable(struct commit *commit, struct item *item)
{
	struct sync_order *order = must_alloc(sizeof *order);

	order->message.kind = COMMIT_SYNCED;
	order->draft = &item->draft;
	order->size = item->size;
	order->reply = commit->in;
	order->asker = item;
	commit->syncing++;
	syncer_send(commit->syncer, order);
}

static void
accept_item(struct commit *commit, struct item *item)
{
	size_t size;
	const char *line = books_accept(commit->books, item, &size);

	writer_add(commit->writer, item->seq, line, size, item->bytes, item->size);
	item_list_add(&commit->accepted, item);
}

/* No room for what is written here? */
static int
is_full(const struct commit *commit)
{
	return books_are_full(commit->books) ||
	    (commit->full_until != 0 && clock_monotonic() < commit->full_until);
}

static void
look_at_item(struct commit *commit, struct item *item)
{
	const char *name;

	if (!books_is_current(item)) {
		reply_item(item, ITEM_STALE);
		return;
	}
	name = books_find_name(item);
	if (name) {
		/* The first one may be of this turn: so the answer waits for its sync. */
		snprintf(item->first_name, sizeof item->first_name, "%s", name);
		item_list_add(&commit->accepted, item);
	} else if (!books_has_share(commit->books, item)) {
		item->over_share = 1;
		reply_later(item, CODE_LATER_FULL);
	} else if (!item_has_inbox(item)) {
		reply_later(item, CODE_LATER_INBOX_FULL);
	} else if (item->asks) {
		reply_item(item, ITEM_UNKNOWN);
	} else if (is_full(commit) || commit->behind.trouble == DRAFT_FULL) {
		reply_later(item, CODE_LATER_FULL);
	} else if (commit->behind.trouble == DRAFT_TROUBLE) {
		reply_later(item, CODE_LATER_TROUBLE);
	} else if (!books_has_room(commit->books, item)) {
		reply_later(item, CODE_LATER_UNSETTLED);
	} else if (!item->bytes && !item->is_durable) {
		make_durable(commit, item);
	} else {
		accept_item(commit, item);
	}
}

/* Is there room for it, in the batch and for the publisher?  The last of it is for those of whom
 * one item waits, and one a round of the publisher.  Where nothing is accepted none is needed. */
static int
has_room(const void *ctx, const struct item *item, int is_alone)
{
	const struct commit *commit = ctx;
	uint64_t lag = commit->behind.lag + writer_batched(commit->writer);
	size_t size = item->bytes ? (size_t)item->size : 0;

	if (commit->behind.trouble != DRAFT_OK || is_full(commit))
		return 1;
	if (!is_alone)
		lag += commit->setup.lag_max / SPARE;
	return lag < commit->setup.lag_max &&
	    writer_has_room(commit->writer, RECORD_LINE_MAX, size) &&
	    (is_alone || writer_leaves_spare(commit->writer, RECORD_LINE_MAX, size));
}

static void
look_at_arrived(struct commit *commit)
{
	int64_t until = clock_monotonic() +
	    (commit->sync_took > TURN_TIME ? commit->sync_took : TURN_TIME);
	uint64_t count = 0;

	while ((count++ < TURN_ITEMS || clock_monotonic() < until) &&
	    strands_find(&commit->arrived, has_room, commit))
		look_at_item(commit, strands_pop(&commit->arrived));
}

/* ---- the messages of a turn */

static void
on_synced(struct commit *commit, struct sync_order *order)
{
	struct item *item = order->asker;

	commit->syncing--;
	item->is_durable = 1;
	if (order->no_room)
		reply_later(item, CODE_LATER_FULL);
	else
		strands_add(&commit->arrived, item);
	free(order);
}

static void
take_message(struct commit *commit, struct message *message)
{
	struct request *request = (struct request *)message;

	switch ((enum commit_message)message->kind) {
	case COMMIT_ITEM:
		queue_hold(((struct item *)request)->queue);
		strands_add(&commit->arrived, (struct item *)request);
		return; /* it is answered when it is time */
	case COMMIT_NEWS:
		behind_take(&commit->behind, (struct publisher_news *)message, commit->books,
		    writer_last(commit->writer));
		strands_begin_round(&commit->arrived);
		return;
	case COMMIT_SYNCED:
		on_synced(commit, (struct sync_order *)message);
		return;
	case COMMIT_STOP:
		commit->stopping = 1;
		free(message);
		return;
	case COMMIT_PROBE:
		behind_ask(&commit->behind, request);
		return;
	case COMMIT_JOIN:
	case COMMIT_SETTLED:
	case COMMIT_SKIP:
	case COMMIT_STATE:
	case COMMIT_LEAVE:
	case COMMIT_VIEW:
	case COMMIT_CENSUS:
	case COMMIT_FORGET:
	case COMMIT_CONFIRM:
	case COMMIT_LIMITS:
	case COMMIT_SHARES:
	case COMMIT_SUPERSEDED:
	case COMMIT_MESSAGES:
		asked_answer(commit->books, request);
		reply_give_back(request);
	}
}

/* ---- the steps of a turn */

/* There was no room for this turn's accept records, or for their frames, so none of these items can
 * be promised.  What was known before them is known still. */
static void
give_up_accepted(struct commit *commit)
{
	struct item *item;

	writer_drop(commit->writer);
	for (item = commit->accepted.first; item; item = item->next) {
		if (!item_is_duplicate(item))
			books_void(commit->books, item);
	}
	while ((item = item_list_pop(&commit->accepted))) {
		if (item_is_duplicate(item) && books_find_name(item))
			reply_item(item, ITEM_AGAIN);
		else
			reply_later(item, CODE_LATER_FULL);
	}
}

/* The journal's blocks are its own, but not everywhere is that enough: btrfs counts what is written
 * over, and copies it after a snapshot.  And its next segment wants a descriptor. */
static void
note_room(struct commit *commit, int rc)
{
	if (rc < 0 && commit->full_until == 0)
		log_event(LOG_ERR, "journal_full", "error=\"%s\"", strerror(errno));
	else if (rc == 0 && commit->full_until != 0)
		log_event(LOG_NOTICE, "journal_has_room", "note=\"items are taken again\"");
	commit->full_until = rc < 0 ? clock_monotonic() + ROOM_EVERY * 1000 : 0;
	stats_set(&commit->stats, STAT_NOW_JOURNAL_FULL, rc < 0);
}

/* All frames of the batch are on the disk after it; or, if there was no room, none. */
static void
sync_journal(struct commit *commit)
{
	uint64_t durable = writer_durable(commit->writer), items = writer_batched(commit->writer);
	int64_t began = clock_monotonic();
	int rc = writer_sync(commit->writer);

	note_room(commit, rc);
	if (rc < 0) {
		give_up_accepted(commit);
		return;
	}
	commit->sync_took = clock_monotonic() - began;
	/* That may have taken long; and what follows is told to others. */
	hold_insist(commit->setup.hold);
	stats_add(&commit->stats, STAT_SYNCS, 1);
	stats_add(&commit->stats, STAT_SYNC_MICROSECONDS, (uint64_t)commit->sync_took);
	stats_observe(&commit->stats, HISTOGRAM_SYNC, (uint64_t)commit->sync_took);
	if (items > 0)
		stats_observe(&commit->stats, HISTOGRAM_BATCH, items);
	if (writer_durable(commit->writer) > durable)
		behind_tell_marked(&commit->behind, writer_durable(commit->writer));
}

/* After the sync: the items are acknowledged, and their drafts go on. */
static void
answer_accepted(struct commit *commit)
{
	struct item *item = commit->accepted.first;
	int64_t now = item ? clock_utc() : 0; /* one sync, one moment */
	size_t i = 0;

	while ((item = item_list_pop(&commit->accepted))) {
		if (item_is_duplicate(item)) {
			reply_item(item, ITEM_AGAIN);
			continue;
		}
		behind_add(&commit->behind, item, writer_frame(commit->writer, i++), now);
		books_count_stored(commit->books, item, now);
		reply_item(item, ITEM_STORED);
	}
	behind_send(&commit->behind);
}

/* What neither a message nor time has to come for. */
static int
is_over(const struct commit *commit)
{
	return commit->stopping && strands_are_empty(&commit->arrived) && commit->syncing == 0 &&
	    (commit->behind.lag == 0 || commit->behind.trouble != DRAFT_OK ||
	        commit->full_until != 0);
}

/* The table at the head, as far as memory tells. */
static void
check_turn(const struct commit *commit)
{
	assert(!commit->accepted.first && writer_batched(commit->writer) == 0);
	assert(commit->behind.published <= commit->behind.durable);
	assert(commit->behind.durable <= writer_last(commit->writer));
	assert(writer_durable(commit->writer) <= commit->behind.durable);
	assert(writer_published(commit->writer) <= commit->behind.published);
}

/* The publisher needs a descriptor of its own for the ledger's file: where there is none, as peers
 * can bring about, the ledger goes on in the old one till there is. */
static void
rotate(struct commit *commit)
{
	int fd = behind_take_descriptor(books_fd(commit->books));

	if (fd < 0)
		return;
	books_rotate(commit->books);
	behind_tell_ledger(&commit->behind, books_fd(commit->books), fd);
}

static void
turn(struct commit *commit)
{
	int flushed;

	/* Nothing is written into, nor answered from, what is another's by now. */
	hold_insist(commit->setup.hold);
	look_at_arrived(commit);
	books_watch_limits(commit->books);
	forgetting_in_steps(books_forgetting(commit->books));
	flushed = books_flush(commit->books) == 0;
	if (!flushed)
		give_up_accepted(commit);
	writer_mark(commit->writer, commit->behind.durable, commit->behind.published);
	if (writer_batched(commit->writer) > 0 || writer_wants_marks(commit->writer) ||
	    (is_over(commit) && writer_published(commit->writer) < commit->behind.published))
		sync_journal(commit);
	answer_accepted(commit);
	stats_set(&commit->stats, STAT_NOW_LEDGER_BYTES, books_size(commit->books));
	/* With nothing gathered: where the journal had no room there are records, void, since. */
	if (flushed && commit->full_until == 0 && books_want_rotation(commit->books))
		rotate(commit);
}

/* What has arrived; waits for it if there is nothing to do before. */
static struct message *
take_messages(struct commit *commit)
{
	if (strands_find(&commit->arrived, has_room, commit))
		return mailbox_take(commit->in);
	if (commit->full_until != 0 || books_are_full(commit->books))
		return mailbox_wait(commit->in, ROOM_EVERY);
	return mailbox_wait(commit->in, forgetting_wait(books_forgetting(commit->books)));
}

static void *
run(void *arg)
{
	struct commit *commit = arg;
	struct message *message, *next;

	while (!is_over(commit)) {
		for (message = take_messages(commit); message; message = next) {
			next = message->next;
			take_message(commit, message);
		}
		turn(commit);
		check_turn(commit);
	}
	if (books_flush(commit->books) < 0)
		log_event(LOG_WARNING, "ledger_tail_lost",
		    "note=\"no room for the last marks; the next start works them out\"");
	return NULL;
}

/* ---- the outside */

static int
start_threads(struct commit *commit)
{
	const struct publisher_setup wanted = {
	    .root = commit->setup.root,
	    .hold = commit->setup.hold,
	    .sync = commit->setup.sync,
	    .journal = writer_dir(commit->writer),
	    .last = writer_published(commit->writer),
	    .news = commit->in,
	    .news_kind = COMMIT_NEWS,
	    .start = commit->setup.start,
	    .number = commit->setup.number,
	};
	int ledger = books_fd(commit->books), fd;

	commit->syncer = syncer_start();
	if (!commit->syncer || behind_start(&commit->behind, &wanted, &commit->stats,
	    commit->setup.patience) < 0)
		return -1;
	/* Here, where nobody is served yet: peers can take all descriptors there are. */
	fd = behind_take_descriptor(ledger);
	if (fd < 0)
		return -1;
	behind_tell_ledger(&commit->behind, ledger, fd);
	return thread_start(&commit->thread, run, commit);
}

static void
free_commit(struct commit *commit)
{
	int error = errno;

	behind_stop(&commit->behind);
	syncer_stop(commit->syncer);
	mailbox_free(commit->in);
	free(commit);
	errno = error;
}

struct commit *
commit_start(const struct commit_setup *setup, struct clients *clients,
    struct ledger *ledger, struct writer *writer)
{
	struct commit *commit = calloc(1, sizeof *commit);

	if (!commit)
		return NULL;
	commit->setup = *setup;
	commit->writer = writer;
	item_list_clear(&commit->accepted);
	stats_add(&commit->stats, STAT_NOW_QUEUES, clients_count(clients));
	stats_set(&commit->stats, STAT_NOW_JOURNAL_BYTES,
	    (uint64_t)writer_segments(writer) * JOURNAL_SEGMENT);
	stats_set(&commit->stats, STAT_NOW_UNSETTLED, clients_items(clients));
	stats_set(&commit->stats, STAT_NOW_SKIPS, clients_skips(clients));
	stats_set(&commit->stats, STAT_NOW_GAPS, clients_gaps_unknown(clients));
	commit->in = mailbox_new();
	commit->books = books_open(clients, ledger, &commit->setup.books, &commit->stats);
	if (commit->in && commit->books && start_threads(commit) == 0)
		return commit;
	free(commit->books); /* it alone: clients and ledger are the caller's */
	free_commit(commit);
	return NULL;
}

void
commit_stop(struct commit *commit)
{
	struct message *stop = must_alloc(sizeof *stop);

	stop->kind = COMMIT_STOP;
	mailbox_post(commit->in, stop);
	thread_join(commit->thread);
	behind_stop(&commit->behind);
	behind_take_last(&commit->behind, commit->in, commit->books, writer_last(commit->writer));
	writer_close(commit->writer);
	books_close(commit->books);
	free_commit(commit);
}

struct mailbox *
commit_mailbox(struct commit *commit)
{
	return commit->in;
}

uint64_t
commit_count(const struct commit *commit, enum counter which)
{
	return stats_get(&commit->stats, which) +
	    stats_get(publisher_stats(commit->behind.publisher), which);
}
