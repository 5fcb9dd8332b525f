/* SPDX-License-Identifier: ISC */
/*
 * The commit thread's side of the publisher: what lies behind the acknowledgements.  It hands
 * items over, and keeps what the publisher has told: how far drafts are durable, how far items are
 * published, and whether something is in the way.
 */
#ifndef INBOXD_COMMIT_BEHIND_H
#define INBOXD_COMMIT_BEHIND_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/commit/books.h"
#include "inboxd/commit/request.h"
#include "inboxd/publish/publisher.h"
#include "lib/attr.h"

struct behind {
	struct publisher *publisher;
	struct stats *stats;         /* borrowed: of what waits there */
	uint64_t lag;                /* items that the publisher has */
	uint64_t durable, published; /* up to which seq */
	enum draft_result trouble;   /* what it waits for; DRAFT_OK: nothing */
	int64_t patience, heard;     /* how long it may be silent while it has items, and since when
	                                it is: microseconds, monotonic */
	struct handover *handover;   /* that gathers; NULL: nothing does */
	int64_t since;               /* when its first was acknowledged, monotonic microseconds */
	struct publication **last;
};

/* 0, or -1 with errno. */
MUST_CHECK int behind_start(struct behind *behind, const struct publisher_setup *setup,
    struct stats *stats, int64_t patience);
void behind_stop(struct behind *behind);

/* An item is acknowledged, `now`, UTC microseconds: its draft is the publisher's from here on.  The
 * chain of them goes there by behind_send(). */
void behind_add(struct behind *behind, struct item *item, const struct journal_frame *frame,
    int64_t now);
void behind_send(struct behind *behind);

/* A mark "durable" up to there is on the disk. */
void behind_tell_marked(struct behind *behind, uint64_t durable);
/* A descriptor more of an open file; -1 with errno. */
MUST_CHECK int behind_take_descriptor(int fd);
/* The ledger's file is `fd` from now on: the publisher gets it as `taken`, a descriptor of
 * behind_take_descriptor().  Without one the program ends. */
void behind_tell_ledger(struct behind *behind, int fd, int taken);
/* Gives the request back, to show that items still become visible.  Of a publisher that has been
 * silent for longer than our patience, that one has to give it back: one sync may take long, where
 * others have written much to the disk. */
void behind_ask(struct behind *behind, struct request *request);

/* Takes news; of `acknowledged`, the last seq that was, a record goes into the books where
 * more has been published. */
void behind_take(struct behind *behind, struct publisher_news *news, struct books *books,
    uint64_t acknowledged);
/* The same with what is in `in`, where nothing else can be any more: what the publisher has told
 * when nobody read it. */
void behind_take_last(
    struct behind *behind, struct mailbox *in, struct books *books, uint64_t acknowledged);

#endif
