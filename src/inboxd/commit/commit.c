/* SPDX-License-Identifier: ISC */
/*
 * What is true of the items of each batch after a turn; check_turn() asserts it:
 *
 *	             accepted          published         revoked           (answered)
 *	record       gathered or       synced; its mark  as accepted; its  synced
 *	             with the kernel   with the kernel   void gathered
 *	draft        in tmp/           synced            in tmp/           -
 *	name in new/ no                yes, not synced   no                synced
 *	answer       no                no                no                STORED, or LATER
 *	seq          > stored          > stored and      any               <= stored
 *	                               <= synced
 *
 * A duplicate is in a batch only to be answered no earlier than the first one; of it
 * nothing is recorded, synced or published.  After a turn accepted holds those alone that
 * were renamed, or whose mark found no room.
 */
#include "config.h"

#include "inboxd/commit/commit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/commit/books.h"
#include "inboxd/base/fatal.h"
#include "inboxd/commit/sync.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

/* How long the commit thread sleeps at most while the disk is full: milliseconds. */
#define ROOM_EVERY 1000

/* Items in order of arrival. */
struct batch {
	struct item *first, **last;
};

struct commit {
	struct commit_setup setup;
	struct books *books;
	struct mailbox *in;
	struct stats stats;
	struct namer namer;
	pthread_t thread;
	struct batch accepted;  /* recorded this turn, or duplicates */
	struct batch published; /* in new/, which has not been synced since */
	struct batch revoked;   /* recorded, then not published: their void records have
	                           not been synced since */
	uint64_t synced, stored; /* as in the mark record */
	int stopping;
};

static void
batch_clear(struct batch *batch)
{
	batch->first = NULL;
	batch->last = &batch->first;
}

static void
batch_add(struct batch *batch, struct item *item)
{
	item->next = NULL;
	*batch->last = item;
	batch->last = &item->next;
}

static void
give_back(struct request *request)
{
	mailbox_post(request->reply, &request->message);
}

static void
answer(struct item *item, enum item_outcome outcome)
{
	item->outcome = outcome;
	give_back(&item->request);
}

/*
 * For an item that never had a record, or whose void record is on disk: its
 * draft is deleted now, and a record without a draft would read as "a consumer
 * has it".
 */
static void
answer_later(struct item *item, enum proto_code code)
{
	item->code = code;
	answer(item, ITEM_LATER);
}

/* ---- the messages of a turn */

static void
on_item(struct commit *commit, struct item *item)
{
	const char *name;

	if (!books_is_current(item)) {
		answer(item, ITEM_STALE);
		return;
	}
	name = books_find_name(item);
	if (name) {
		/* The first one may be of the last turn or of this: so the
		 * answer waits until this turn's items are stored. */
		snprintf(item->first_name, sizeof item->first_name, "%s", name);
		batch_add(&commit->accepted, item);
	} else if (!books_has_share(commit->books, item)) {
		item->over_share = 1;
		answer_later(item, CODE_LATER_FULL);
	} else if (item->asks) {
		answer(item, ITEM_UNKNOWN);
	} else if (books_are_full(commit->books)) {
		answer_later(item, CODE_LATER_FULL);
	} else if (!books_has_room(commit->books, item)) {
		answer_later(item, CODE_LATER_UNSETTLED);
	} else {
		books_accept(commit->books, item);
		batch_add(&commit->accepted, item);
	}
}

static void
take_message(struct commit *commit, struct message *message)
{
	struct request *request = (struct request *)message;

	switch ((enum commit_message)message->kind) {
	case COMMIT_ITEM:
		on_item(commit, (struct item *)request);
		return; /* it is answered when it is time */
	case COMMIT_STOP:
		commit->stopping = 1;
		free(message);
		return;
	case COMMIT_JOIN:
		books_join(commit->books, (struct join *)request);
		break;
	case COMMIT_SETTLED:
		books_settle(commit->books, (struct notice *)request);
		break;
	case COMMIT_SKIP:
		books_skip(commit->books, (struct notice *)request);
		break;
	case COMMIT_STATE:
		books_note((struct notice *)request);
		break;
	case COMMIT_LEAVE:
		books_leave(commit->books, (struct notice *)request);
		break;
	case COMMIT_VIEW:
		books_view(commit->books, (struct view *)request);
		break;
	case COMMIT_SHARES:
		books_take_shares(commit->books, (struct shares_news *)request);
		break;
	case COMMIT_PROBE:
	case COMMIT_SUPERSEDED:
	case COMMIT_MESSAGES:
		break;
	}
	give_back(request);
}

/* ---- the steps of a turn */

/*
 * Not to be published under its record: the record is void, and duplicates that
 * wait for it have nothing to wait for.  The item is out of the batch already.
 */
static void
void_item(struct commit *commit, struct item *item)
{
	struct item *other, **at = &commit->accepted.first;

	books_void(commit->books, item);
	while ((other = *at)) {
		if (!item_is_duplicate(other) || other->queue != item->queue ||
		    strcmp(other->first_name, item->draft.name) != 0) {
			at = &other->next;
			continue;
		}
		*at = other->next;
		answer_later(other, CODE_LATER_TROUBLE);
	}
	commit->accepted.last = at;
}

/* The same, and the client will hear LATER once the void record is synced. */
static void
revoke_item(struct commit *commit, struct item *item, enum proto_code code)
{
	void_item(commit, item);
	item->code = code;
	batch_add(&commit->revoked, item);
}

/*
 * There was no room for this turn's accept records, so none is in the ledger's
 * file, and none of these items can be promised.  But an item that was renamed
 * has its first record there, marked as synced, and the record that voids it is
 * not: its draft must stay until that is on disk, like those of all revoked.
 */
static void
give_up_accepted(struct commit *commit)
{
	struct item *item;

	while ((item = commit->accepted.first)) {
		commit->accepted.first = item->next;
		if (!item_is_duplicate(item))
			books_void(commit->books, item);
		if (item->draft.old_name[0]) {
			item->code = CODE_LATER_FULL;
			batch_add(&commit->revoked, item);
		} else {
			answer_later(item, CODE_LATER_FULL);
		}
	}
	batch_clear(&commit->accepted);
}

static void
sync_all(struct commit *commit)
{
	struct sync_how how = {
	    .root = commit->setup.root,
	    .sync = commit->setup.sync,
	    .ledger = books_fd(commit->books),
	};
	int64_t began = clock_monotonic();

	sync_turn(&how, commit->accepted.first, commit->published.first);
	stats_add(&commit->stats, STAT_SYNCS, 1);
	stats_add(&commit->stats, STAT_SYNC_MICROSECONDS, (uint64_t)(clock_monotonic() - began));
}

/* After a sync: the last turn's items are stored. */
static void
answer_published(struct commit *commit)
{
	struct item *item;

	while ((item = commit->published.first)) {
		commit->published.first = item->next;
		if (item_is_duplicate(item)) {
			answer(item, ITEM_AGAIN);
		} else {
			books_count_stored(commit->books, item);
			answer(item, ITEM_STORED);
		}
	}
	batch_clear(&commit->published);
}

/* After a sync that covered their void records. */
static void
answer_revoked(struct commit *commit)
{
	struct item *item;

	while ((item = commit->revoked.first)) {
		commit->revoked.first = item->next;
		answer_later(item, item->code);
	}
	batch_clear(&commit->revoked);
}

/* The name is taken in new/, though it cannot be: somebody else made it.  The
 * item gets another name and waits for the next turn. */
static void
publish_renamed(struct commit *commit, struct item *item, struct batch *again)
{
	log_event(LOG_WARNING, "name_taken", "inbox=%s name=%s", item->draft.inbox->name,
	    item->draft.name);
	void_item(commit, item);
	if (draft_rename(&item->draft, &commit->namer, item->queue->identity) == DRAFT_OK) {
		books_accept(commit->books, item);
		batch_add(again, item);
	} else {
		item->code = CODE_LATER_TROUBLE;
		batch_add(&commit->revoked, item);
	}
}

static void
publish_item(struct commit *commit, struct item *item, struct batch *again)
{
	const struct draft *draft = &item->draft;

	if (item->no_room) {
		revoke_item(commit, item, CODE_LATER_FULL);
	} else if (item_is_duplicate(item) ||
	    disk_publish(draft->inbox->tmp, draft->name, draft->inbox->new, draft->name) == 0) {
		batch_add(&commit->published, item);
	} else if (errno == EEXIST) {
		publish_renamed(commit, item, again);
	} else {
		int error = errno;
		log_event(LOG_ERR, "publish_failed", "inbox=%s name=%s error=\"%s\"",
		    draft->inbox->name, draft->name, strerror(error));
		revoke_item(commit, item,
		    draft_failure(error) == DRAFT_FULL ? CODE_LATER_FULL : CODE_LATER_TROUBLE);
	}
}

static void
publish_accepted(struct commit *commit)
{
	struct batch again;
	struct item *item;

	batch_clear(&again);
	while ((item = commit->accepted.first)) {
		commit->accepted.first = item->next;
		if (!commit->accepted.first)
			commit->accepted.last = &commit->accepted.first;
		publish_item(commit, item, &again);
	}
	commit->accepted = again;
	if (!again.first)
		batch_clear(&commit->accepted);
}

static uint64_t
last_seq(const struct batch *batch, uint64_t otherwise)
{
	for (const struct item *item = batch->first; item; item = item->next) {
		if (!item_is_duplicate(item) && item->seq > otherwise)
			otherwise = item->seq;
	}
	return otherwise;
}

static int
has_work(const struct commit *commit)
{
	return commit->accepted.first || commit->published.first || commit->revoked.first;
}

/* The table at the head, as far as memory tells. */
static void
check_turn(const struct commit *commit)
{
	const struct item *item;

	assert(commit->stored <= commit->synced);
	for (item = commit->accepted.first; item; item = item->next)
		assert(item_is_duplicate(item) || item->seq > commit->stored);
	for (item = commit->published.first; item; item = item->next)
		assert(item_is_duplicate(item) ||
		    (item->seq > commit->stored && item->seq <= commit->synced));
	for (item = commit->revoked.first; item; item = item->next)
		assert(!item_is_duplicate(item));
}

static void
turn(struct commit *commit)
{
	int was_full = books_are_full(commit->books);
	int flushed = books_flush(commit->books) == 0;
	int marked = 0;

	/* While the ledger is full nothing new is accepted: what is there now was
	 * recorded and synced, and only its mark found no room. */
	if (!flushed && !was_full)
		give_up_accepted(commit);
	if (!has_work(commit) || (!flushed && !commit->published.first))
		return;
	sync_all(commit);
	commit->synced = last_seq(&commit->accepted, commit->synced);
	commit->stored = last_seq(&commit->published, commit->stored);
	/* The mark must be with the kernel before the first draft is published:
	 * recovery takes it for proof that this turn's drafts were on disk, and
	 * that all records before it were: so none without room is among them. */
	if (flushed) {
		books_mark(commit->books, commit->synced, commit->stored);
		marked = books_flush(commit->books) == 0;
	}
	answer_published(commit);
	if (flushed)
		answer_revoked(commit);
	if (marked)
		publish_accepted(commit);
	stats_set(&commit->stats, STAT_NOW_LEDGER_BYTES, books_size(commit->books));
}

/* What has arrived; waits for it only if nothing else is to do.  While the
 * ledger wants a new segment nothing is taken, until all is marked. */
static struct message *
take_messages(struct commit *commit)
{
	if (books_are_full(commit->books))
		return mailbox_wait(commit->in, ROOM_EVERY);
	if (!books_want_rotation(commit->books))
		return has_work(commit) ? mailbox_take(commit->in)
		                        : mailbox_wait(commit->in, -1);
	if (!has_work(commit))
		books_rotate(commit->books);
	return NULL;
}

static void *
run(void *arg)
{
	struct commit *commit = arg;
	struct message *message, *next;

	while (!commit->stopping || has_work(commit)) {
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

struct commit *
commit_start(const struct commit_setup *setup, struct clients *clients,
    struct ledger *ledger)
{
	struct commit *commit = calloc(1, sizeof *commit);
	sigset_t all, before;
	int rc;

	if (!commit)
		return NULL;
	commit->setup = *setup;
	commit->synced = commit->stored = ledger_last(ledger);
	commit->namer.start = setup->start;
	commit->namer.worker = setup->number;
	batch_clear(&commit->accepted);
	batch_clear(&commit->published);
	batch_clear(&commit->revoked);
	stats_add(&commit->stats, STAT_NOW_QUEUES, clients_count(clients));
	for (size_t i = 0; i < clients_count(clients); i++)
		stats_add(&commit->stats, STAT_NOW_UNSETTLED, clients_at(clients, i)->items);
	commit->in = mailbox_new();
	if (!commit->in)
		goto fail;
	commit->books = books_open(clients, ledger, &commit->setup.books, &commit->stats);
	if (!commit->books)
		goto fail;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&commit->thread, NULL, run, commit);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc == 0)
		return commit;
	errno = rc;
fail:
	free(commit->books); /* it alone: clients and ledger are the caller's */
	mailbox_free(commit->in);
	free(commit);
	return NULL;
}

void
commit_stop(struct commit *commit)
{
	struct message *stop = must_alloc(sizeof *stop);

	stop->kind = COMMIT_STOP;
	mailbox_post(commit->in, stop);
	pthread_join(commit->thread, NULL);
	books_close(commit->books);
	mailbox_free(commit->in);
	free(commit);
}

struct mailbox *
commit_mailbox(struct commit *commit)
{
	return commit->in;
}

const struct stats *
commit_stats(const struct commit *commit)
{
	return &commit->stats;
}
