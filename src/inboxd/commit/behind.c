/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/behind.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "lib/clock.h"

int
behind_start(struct behind *behind, const struct publisher_setup *setup, struct stats *stats,
    int64_t patience)
{
	behind->patience = patience;
	behind->stats = stats;
	behind->durable = behind->published = setup->last;
	behind->publisher = publisher_start(setup);
	return behind->publisher ? 0 : -1;
}

void
behind_stop(struct behind *behind)
{
	publisher_stop(behind->publisher);
	behind->publisher = NULL;
}

static void
post(struct behind *behind, struct message *message, enum publisher_message kind)
{
	message->kind = (int)kind;
	mailbox_post(publisher_mailbox(behind->publisher), message);
}

/* ---- there */

static void
count(struct behind *behind, const struct publication *p)
{
	if (behind->lag++ == 0) {
		behind->heard = clock_monotonic();
		stats_set(behind->stats, STAT_NOW_LAG_SINCE,
		    (uint64_t)(p->acknowledged / CLOCK_SECOND));
	}
	stats_add(behind->stats, STAT_NOW_LAG_ITEMS, 1);
	stats_add(behind->stats, STAT_NOW_LAG_BYTES, p->size);
}

void
behind_add(struct behind *behind, struct item *item, const struct journal_frame *frame,
    int64_t now)
{
	struct publication *p = must_alloc(sizeof *p);

	assert(frame->seq == item->seq);
	p->draft = item->draft;
	p->frame = *frame;
	p->size = item->size;
	p->acknowledged = now;
	inflow_store(p->draft.inbox->inflow, p->size, now);
	p->beside = item->beside;
	p->beside_fd = -1;
	item->beside = NULL;
	item->draft.fd = -1;
	item->draft.site = NULL;
	if (!behind->handover) {
		behind->handover = must_alloc(sizeof *behind->handover);
		behind->since = clock_monotonic();
		behind->last = &behind->handover->first;
	}
	p->since = behind->since;
	*behind->last = p;
	behind->last = &p->next;
	count(behind, p);
}

void
behind_send(struct behind *behind)
{
	if (!behind->handover)
		return;
	post(behind, &behind->handover->message, PUBLISHER_TAKE);
	behind->handover = NULL;
}

void
behind_tell_marked(struct behind *behind, uint64_t durable)
{
	struct marked *marked = must_alloc(sizeof *marked);

	marked->durable = durable;
	post(behind, &marked->message, PUBLISHER_MARKED);
}

int
behind_take_descriptor(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

void
behind_tell_ledger(struct behind *behind, int fd, int taken)
{
	struct ledger_news *news = must_alloc(sizeof *news);

	if (taken < 0 || dup2(fd, taken) < 0 || fcntl(taken, F_SETFD, FD_CLOEXEC) < 0)
		fatal(EX_OSERR, "ledger_failed", "call=dup error=\"%s\"", strerror(errno));
	news->fd = taken;
	post(behind, &news->message, PUBLISHER_LEDGER);
}

void
behind_ask(struct behind *behind, struct request *request)
{
	struct asked *asked;

	if (behind->lag == 0 || clock_monotonic() - behind->heard < behind->patience) {
		mailbox_post(request->reply, &request->message);
		return;
	}
	asked = must_alloc(sizeof *asked);
	asked->answer = &request->message;
	asked->reply = request->reply;
	post(behind, &asked->message, PUBLISHER_ASK);
}

/* ---- and back */

static void
take_renamed(struct publisher_news *news, struct books *books)
{
	struct renamed *renamed;

	while ((renamed = news->renamed)) {
		news->renamed = renamed->next;
		books_rename(books, renamed->seq, renamed->name);
		free(renamed);
	}
}

/* What was handed over since the news is not in them. */
static uint64_t
oldest(const struct behind *behind, const struct publisher_news *news)
{
	if (behind->lag == 0)
		return 0;
	return (uint64_t)((news->oldest > 0 ? news->oldest : clock_utc()) / CLOCK_SECOND);
}

void
behind_take(struct behind *behind, struct publisher_news *news, struct books *books,
    uint64_t acknowledged)
{
	behind->heard = clock_monotonic();
	take_renamed(news, books);
	if (news->published > behind->published)
		books_mark(books, acknowledged, news->published);
	behind->durable = news->durable;
	behind->published = news->published;
	behind->trouble = news->trouble;
	behind->lag -= news->items;
	stats_sub(behind->stats, STAT_NOW_LAG_ITEMS, news->items);
	stats_sub(behind->stats, STAT_NOW_LAG_BYTES, news->bytes);
	stats_set(behind->stats, STAT_NOW_LAG_SINCE, oldest(behind, news));
	stats_set(behind->stats, STAT_NOW_PUBLISH_TROUBLE, news->trouble != DRAFT_OK);
	free(news);
}

void
behind_take_last(
    struct behind *behind, struct mailbox *in, struct books *books, uint64_t acknowledged)
{
	struct message *message, *next;

	for (message = mailbox_take(in); message; message = next) {
		next = message->next;
		assert(message->kind == COMMIT_NEWS);
		behind_take(behind, (struct publisher_news *)message, books, acknowledged);
	}
}
