/* SPDX-License-Identifier: ISC */
/*
 * The publisher: a thread that makes what was acknowledged visible.  It owns the way from tmp/ to
 * new/ while the receiver runs, and nothing else; what it is given stands in the journal, so
 * nothing that befalls it can lose an item.
 *
 * It works in rounds, each with one sync for all there is; a batch is what was acknowledged
 * while the last round ran:
 *
 *	            bytes       entry in tmp/   mark "durable"   name in new/
 *	fresh       written     made            -                no
 *	            (a round's sync)
 *	durable     synced      synced          asked for        no
 *	            (the commit thread's next batch carries the mark, and says so)
 *	marked      synced      synced          on the disk      no
 *	            (renamed)
 *	visible     synced      -               on the disk      with the kernel
 *	            (the next round's sync)
 *	published   synced      -               on the disk      synced
 *
 * Before the mark is on the disk nothing is renamed: a consumer may claim and delete an item at
 * once, and after a power failure only the mark tells "a consumer has it" from "it never
 * reached the disk".
 *
 * No room, and whatever else keeps a draft from its name, is a state: the item stays, it is
 * tried again each second, and news tell the trouble.
 */
#ifndef INBOXD_PUBLISH_PUBLISHER_H
#define INBOXD_PUBLISH_PUBLISHER_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/mailbox.h"
#include "inboxd/base/stats.h"
#include "inboxd/drafts/draft.h"
#include "inboxd/publish/publication.h"
#include "lib/attr.h"

/* What it is sent; each is malloc'ed, and freed there. */
enum publisher_message {
	PUBLISHER_TAKE,   /* struct handover */
	PUBLISHER_MARKED, /* struct marked */
	PUBLISHER_LEDGER, /* struct ledger_news */
	PUBLISHER_ASK,    /* struct asked: is it alive? */
	PUBLISHER_STOP    /* bare; nothing may follow */
};

struct handover {
	struct message message;
	struct publication *first; /* ascending by seq, above all before */
};

struct marked {
	struct message message;
	uint64_t durable; /* a mark that says so is on the disk */
};

struct ledger_news {
	struct message message;
	int fd; /* the ledger's file from now on; taken */
};

struct asked {
	struct message message;
	struct message *answer; /* is posted to `reply` */
	struct mailbox *reply;
};

/* An item whose name was taken in new/, and the one that it has there. */
struct renamed {
	struct renamed *next;
	uint64_t seq;
	char name[NAME_ROOM];
};

/* What it tells; malloc'ed, the receiver's. */
struct publisher_news {
	struct message message;
	uint64_t durable, published;  /* up to which seq; they never go back */
	uint64_t items, bytes;        /* that were published since the last news */
	int64_t oldest;               /* `acknowledged` of what waits longest, 0: nothing does */
	enum draft_result trouble;    /* what something waits for: room, or a person; DRAFT_OK:
	                                 nothing does */
	struct renamed *renamed;      /* since the last news */
};

struct hold;

struct publisher_setup {
	int root;      /* for syncfs; borrowed */
	const struct hold *hold; /* likewise; NULL: whose the root is is not looked at */
	int sync;      /* enum settings_sync */
	int journal;   /* its folder, borrowed */
	uint64_t last; /* seq: all up to it is published */
	struct mailbox *news;
	int news_kind;   /* of messages with struct publisher_news */
	uint32_t start;  /* of names: name.h */
	unsigned number; /* of names: one that nobody else has */
};

struct publisher;

/* NULL with errno: no thread, no memory. */
MUST_CHECK struct publisher *publisher_start(const struct publisher_setup *setup);
/* Ends after the round it is at; what it still has is left to the next start. */
void publisher_stop(struct publisher *publisher);

struct mailbox *publisher_mailbox(struct publisher *publisher);
const struct stats *publisher_stats(const struct publisher *publisher);

#endif
