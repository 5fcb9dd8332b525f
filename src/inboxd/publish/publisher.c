/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/publish/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/hold.h"
#include "inboxd/base/thread.h"
#include "inboxd/publish/beside.h"
#include "inboxd/publish/sync.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"
#include "lib/record.h"

#define RETRY_EVERY 1000 /* milliseconds */

/* So long after a sync the next one waits for more, unless there is enough: it costs about as
 * much for a few, and acknowledgements wait for the same disk.  Milliseconds; items. */
#define PAUSE 10
#define ENOUGH 1024

struct chain {
	struct publication *first, **last;
};

struct publisher {
	struct publisher_setup setup;
	struct sync_how how;
	struct namer namer;
	struct mailbox *in;
	struct stats stats;
	pthread_t thread;
	struct chain fresh, durable, visible; /* as in the table of publisher.h */
	size_t fresh_count;
	int64_t synced;  /* when, monotonic microseconds */
	uint64_t last;   /* seq of the newest that was taken */
	uint64_t marked; /* up to here the mark "durable" is on the disk */
	struct publisher_news told; /* durable, published: as told last */
	struct publisher_news *news; /* that gather */
	enum draft_result trouble; /* of the last round */
	struct log_gate gate;
	int stopping;
};

static void
chain_clear(struct chain *chain)
{
	chain->first = NULL;
	chain->last = &chain->first;
}

static void
chain_add(struct chain *chain, struct publication *p)
{
	p->next = NULL;
	*chain->last = p;
	chain->last = &p->next;
}

/* Takes all of it; its publications stay linked. */
static struct publication *
chain_take(struct chain *chain)
{
	struct publication *first = chain->first;

	chain_clear(chain);
	return first;
}

static void
free_publication(struct publication *p)
{
	draft_close(&p->draft);
	beside_free(p);
	free(p);
}

/* ---- messages */

static void
take_handover(struct publisher *publisher, struct handover *handover)
{
	struct publication *p, *next;

	for (p = handover->first; p; p = next) {
		next = p->next;
		publisher->last = p->frame.seq;
		publisher->fresh_count++;
		chain_add(&publisher->fresh, p);
	}
}

static void
take_message(struct publisher *publisher, struct message *message)
{
	struct asked *asked;

	switch ((enum publisher_message)message->kind) {
	case PUBLISHER_TAKE:
		take_handover(publisher, (struct handover *)message);
		break;
	case PUBLISHER_MARKED:
		publisher->marked = ((struct marked *)message)->durable;
		break;
	case PUBLISHER_LEDGER:
		disk_close(publisher->how.ledger);
		publisher->how.ledger = ((struct ledger_news *)message)->fd;
		break;
	case PUBLISHER_ASK:
		asked = (struct asked *)message;
		mailbox_post(asked->reply, asked->answer);
		break;
	case PUBLISHER_STOP:
		publisher->stopping = 1;
		break;
	}
	free(message);
}

/* ---- what goes wrong */

/* It is tried again, and meanwhile told. */
static void
trouble(struct publisher *publisher, const struct draft *draft, const char *call)
{
	fatal_if_gone(call, draft->name);
	publisher->trouble = draft_failure(errno);
	stats_add(&publisher->stats, STAT_PUBLISH_FAILED, 1);
	log_limited(&publisher->gate, LOG_ERR, "publish_failed",
	    "call=%s inbox=%s name=%s error=\"%s\" note=\"it is safe in the journal, and tried "
	    "again\"", call, draft->inbox->name, draft->name, strerror(errno));
}

/* ---- a draft that is lost, made anew from the journal */

static void
make_anew(struct publisher *publisher, struct publication *p)
{
	void *bytes = must_alloc(p->frame.item_size + 1);
	char accept[RECORD_LINE_MAX + 1];
	int rc = journal_read_frame(publisher->setup.journal, &p->frame, accept, bytes), fd = -1;

	if (rc == 0)
		fd = draft_make_of(
		    p->draft.inbox, p->draft.name, accept, bytes, p->frame.item_size);
	free(bytes);
	if (rc < 0 && !disk_is_shortage(errno))
		fatal(EX_IOERR, "journal_failed", "call=read seq=%" PRIu64 " error=\"%s\"",
		    p->frame.seq, strerror(errno));
	if (fd < 0) {
		trouble(publisher, &p->draft, "make");
		return;
	}
	disk_close(p->draft.fd);
	p->draft.fd = fd;
	p->is_lost = 0;
}

/* ---- marked: renamed */

/* Somebody else has made a file of that name in new/: the item gets another one, which is told. */
static int
publish_renamed(struct publisher *publisher, struct publication *p)
{
	struct draft *draft = &p->draft;
	char client[NAME_CLIENT_MAX + 1], name[NAME_ROOM];
	struct renamed *renamed;

	if (name_read_client(draft->name, draft->inbox->suffix, client) < 0)
		client[0] = '\0';
	name_next(&publisher->namer, client, draft->inbox->suffix, name);
	if (beside_make_as(p, name) < 0)
		return -1;
	if (disk_publish(draft->inbox->tmp, draft->name, draft->inbox->new, name) < 0) {
		beside_drop(p, name);
		return -1;
	}
	beside_drop(p, draft->name);
	stats_add(&publisher->stats, STAT_NAMES_TAKEN, 1);
	log_event(LOG_WARNING, "name_taken", "inbox=%s name=%s instead=%s", draft->inbox->name,
	    draft->name, name);
	renamed = must_alloc(sizeof *renamed);
	renamed->seq = p->frame.seq;
	memcpy(renamed->name, name, sizeof name);
	renamed->next = publisher->news->renamed;
	publisher->news->renamed = renamed;
	return 0;
}

/* An item that somebody has taken out of tmp/, where nobody may, is in the journal still. */
static void
publish_gone(struct publisher *publisher, struct publication *p)
{
	log_event(LOG_ERR, "draft_gone", "inbox=%s name=%s note=\"%s\"", p->draft.inbox->name,
	    p->draft.name,
	    p->frame.has_item ? "it is made anew from the journal"
	                      : "it was acknowledged, and somebody has taken it out of tmp/");
	stats_add(&publisher->stats, STAT_PUBLISH_FAILED, 1);
	p->is_lost = p->frame.has_item != 0;
	if (!p->is_lost)
		inflow_publish(p->draft.inbox->inflow, p->size);
	chain_add(p->is_lost ? &publisher->fresh : &publisher->visible, p);
}

/* ENOENT may be of the folder new/, too, and then nothing is lost. */
static int
is_gone(const struct draft *draft)
{
	struct stat st;
	int rc = fstatat(draft->inbox->tmp, draft->name, &st, AT_SYMLINK_NOFOLLOW);

	if (rc == 0)
		errno = ENOENT;
	return rc < 0 && errno == ENOENT;
}

static void
publish(struct publisher *publisher, struct publication *p)
{
	const struct draft *draft = &p->draft;
	int rc = disk_publish(draft->inbox->tmp, draft->name, draft->inbox->new, draft->name);

	if (rc < 0 && errno == EEXIST)
		rc = publish_renamed(publisher, p);
	if (rc == 0) {
		stats_observe(&publisher->stats, HISTOGRAM_PUBLISH_LAG,
		    (uint64_t)(clock_monotonic() - p->since));
		inflow_publish(draft->inbox->inflow, p->size);
		chain_add(&publisher->visible, p);
	} else if (errno == ENOENT && is_gone(draft)) {
		publish_gone(publisher, p);
	} else {
		trouble(publisher, draft, "rename");
		chain_add(&publisher->durable, p);
	}
}

static void
publish_marked(struct publisher *publisher)
{
	struct publication *p, *next;

	for (p = chain_take(&publisher->durable); p; p = next) {
		next = p->next;
		if (p->frame.seq <= publisher->marked)
			publish(publisher, p);
		else
			chain_add(&publisher->durable, p);
	}
}

/* ---- a round's sync */

static void
sync_all(struct publisher *publisher)
{
	int64_t began = clock_monotonic();

	for (struct publication *p = publisher->fresh.first; p; p = p->next) {
		if (p->is_lost)
			make_anew(publisher, p);
		if (beside_is_due(p) && beside_write(p) < 0)
			trouble(publisher, &p->draft, "meta");
	}
	sync_round(&publisher->how, publisher->fresh.first, publisher->visible.first);
	publisher->synced = clock_monotonic();
	stats_add(&publisher->stats, STAT_PUBLISHES, 1);
	stats_add(&publisher->stats, STAT_PUBLISH_MICROSECONDS,
	    (uint64_t)(publisher->synced - began));
	stats_observe(
	    &publisher->stats, HISTOGRAM_PUBLISH_ROUND, (uint64_t)(publisher->synced - began));
}

/* After it: what was visible is published, and what was fresh durable. */
static void
go_on(struct publisher *publisher)
{
	struct publication *p, *next;

	for (p = chain_take(&publisher->visible); p; p = next) {
		next = p->next;
		publisher->news->items++;
		publisher->news->bytes += p->size;
		free_publication(p);
	}
	publisher->fresh_count = 0;
	for (p = chain_take(&publisher->fresh); p; p = next) {
		next = p->next;
		if (p->is_lost || beside_is_due(p)) {
			errno = ENOSPC;
			if (publisher->trouble == DRAFT_OK)
				trouble(publisher, &p->draft, "sync");
			chain_add(&publisher->fresh, p);
			continue;
		}
		disk_close(p->draft.fd);
		p->draft.fd = -1;
		beside_close(p);
		chain_add(&publisher->durable, p);
	}
}

/* ---- news */

static void
look_at(const struct chain *chain, uint64_t *before, int64_t *oldest)
{
	for (const struct publication *p = chain->first; p; p = p->next) {
		if (p->frame.seq <= *before)
			*before = p->frame.seq - 1;
		if (*oldest == 0 || p->acknowledged < *oldest)
			*oldest = p->acknowledged;
	}
}

static void
tell(struct publisher *publisher)
{
	struct publisher_news *news = publisher->news, *told = &publisher->told;
	uint64_t durable = publisher->last, published;

	look_at(&publisher->fresh, &durable, &news->oldest);
	published = durable;
	look_at(&publisher->durable, &published, &news->oldest);
	look_at(&publisher->visible, &published, &news->oldest);
	news->durable = durable > told->durable ? durable : told->durable;
	news->published = published > told->published ? published : told->published;
	news->trouble = publisher->trouble;
	*told = *news;
	news->message.kind = publisher->setup.news_kind;
	mailbox_post(publisher->setup.news, &news->message);
	publisher->news = must_alloc(sizeof *publisher->news);
}

/* ---- rounds */

static int
has_to_sync(const struct publisher *publisher)
{
	return publisher->fresh.first || publisher->visible.first;
}

/* Milliseconds until the next sync, if there is something to sync. */
static int
until_sync(const struct publisher *publisher)
{
	int64_t left = publisher->synced + PAUSE * 1000 - clock_monotonic();

	return publisher->fresh_count >= ENOUGH || left <= 0 ? 0 : (int)(left / 1000) + 1;
}

static void
do_round(struct publisher *publisher)
{
	enum draft_result before = publisher->trouble;

	publisher->trouble = DRAFT_OK;
	if (publisher->durable.first || has_to_sync(publisher))
		hold_insist(publisher->setup.hold);
	publish_marked(publisher);
	if (has_to_sync(publisher) && (before != DRAFT_OK || until_sync(publisher) == 0)) {
		sync_all(publisher);
		go_on(publisher);
		tell(publisher);
	} else if (publisher->trouble != before) {
		tell(publisher);
	}
	if (before != DRAFT_OK && publisher->trouble == DRAFT_OK)
		log_event(LOG_NOTICE, "publishing_again", "%s", "");
}

/* What has arrived; waits for it while there is nothing to do. */
static struct message *
take_messages(struct publisher *publisher)
{
	const struct publication *next = publisher->durable.first;
	int left = -1;

	if (publisher->trouble != DRAFT_OK)
		left = RETRY_EVERY;
	else if (next && next->frame.seq <= publisher->marked)
		left = 0;
	else if (has_to_sync(publisher))
		left = until_sync(publisher);
	return left == 0 ? mailbox_take(publisher->in) : mailbox_wait(publisher->in, left);
}

static void *
run(void *arg)
{
	struct publisher *publisher = arg;
	struct message *message, *next;

	while (!publisher->stopping) {
		for (message = take_messages(publisher); message; message = next) {
			next = message->next;
			take_message(publisher, message);
		}
		do_round(publisher);
	}
	return NULL;
}

/* ---- the outside */

struct publisher *
publisher_start(const struct publisher_setup *setup)
{
	struct publisher *publisher = must_alloc(sizeof *publisher);
	int error;

	publisher->setup = *setup;
	publisher->last = publisher->marked = setup->last;
	publisher->told.durable = publisher->told.published = setup->last;
	publisher->namer.start = setup->start;
	publisher->namer.worker = setup->number;
	sync_begin(&publisher->how, setup->root, setup->sync);
	chain_clear(&publisher->fresh);
	chain_clear(&publisher->durable);
	chain_clear(&publisher->visible);
	publisher->news = must_alloc(sizeof *publisher->news);
	publisher->in = mailbox_new();
	if (publisher->in && thread_start(&publisher->thread, run, publisher) == 0)
		return publisher;
	error = errno;
	sync_end(&publisher->how);
	mailbox_free(publisher->in);
	free(publisher->news);
	free(publisher);
	errno = error;
	return NULL;
}

static void
free_chain(struct chain *chain)
{
	struct publication *p, *next;

	for (p = chain_take(chain); p; p = next) {
		next = p->next;
		free_publication(p);
	}
}

void
publisher_stop(struct publisher *publisher)
{
	struct message *stop;

	if (!publisher)
		return;
	stop = must_alloc(sizeof *stop);
	stop->kind = PUBLISHER_STOP;
	mailbox_post(publisher->in, stop);
	thread_join(publisher->thread);
	free_chain(&publisher->fresh);
	free_chain(&publisher->durable);
	free_chain(&publisher->visible);
	sync_end(&publisher->how);
	mailbox_free(publisher->in);
	free(publisher->news);
	free(publisher);
}

struct mailbox *
publisher_mailbox(struct publisher *publisher)
{
	return publisher->in;
}

const struct stats *
publisher_stats(const struct publisher *publisher)
{
	return &publisher->stats;
}
