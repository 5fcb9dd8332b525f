/* SPDX-License-Identifier: ISC */
/*
 * What the commit thread is asked, and how the answer finds its way: a request
 * goes there as a message and comes back as it is, filled in, to the mailbox
 * of the thread that asked, which calls take_back().  So nobody on that way
 * has to know who asks what.
 */
#ifndef INBOXD_COMMIT_REQUEST_H
#define INBOXD_COMMIT_REQUEST_H

#include <stdint.h>

#include "inboxd/base/limits.h"
#include "inboxd/base/mailbox.h"
#include "inboxd/commit/gaps.h"
#include "inboxd/commit/view.h"
#include "inboxd/drafts/draft.h"
#include "lib/digest.h"
#include "lib/identity.h"
#include "lib/proto.h"
#include "lib/record.h"

struct strand;
struct queue;
struct shares;
struct site;

/* Each is the sender's malloc'ed struct, which begins with a struct request, and
 * comes back, but for those that say that they are freed there.  Those of
 * one sender are taken in the order they were sent. */
enum commit_message {
	COMMIT_JOIN,    /* struct join: a HELLO */
	COMMIT_ITEM,    /* struct item */
	COMMIT_SETTLED, /* struct notice */
	COMMIT_SKIP,    /* likewise */
	COMMIT_STATE,   /* likewise: what lies at the client */
	COMMIT_LEAVE,   /* struct notice: the session is over */
	COMMIT_VIEW,    /* struct view: /clients */
	COMMIT_CENSUS,  /* struct census: how many clients there are of which state */
	COMMIT_FORGET,  /* struct forget: queues are forgotten, as somebody wants it */
	COMMIT_CONFIRM, /* struct confirm: what is missing is known, as somebody says */
	COMMIT_SHARES,  /* struct shares_news: what waits has been counted */
	COMMIT_LIMITS,  /* struct new_limits: what clients may use up from now on */
	COMMIT_PROBE,   /* struct request: are you alive? */
	COMMIT_STOP,    /* a bare message: nothing may follow; freed there */
	COMMIT_NEWS,    /* struct publisher_news, the publisher's: freed there */
	COMMIT_SYNCED,  /* struct sync_order, the syncer's: freed there */
	COMMIT_SUPERSEDED, /* never sent there: it says so by join->superseded */
	COMMIT_MESSAGES
};

struct request {
	struct message message;
	struct mailbox *reply;
	/* Called by the thread that reads `reply`; takes the request. */
	void (*take_back)(struct request *request);
	void *asker;
};

/* Fills in how it comes back: to the thread of `reply`, by take_back(). */
static inline void
request_fill(struct request *request, enum commit_message kind, struct mailbox *reply,
    void (*take_back)(struct request *request), void *asker)
{
	request->message.kind = (int)kind;
	request->reply = reply;
	request->take_back = take_back;
	request->asker = asker;
}

/* The receiver of answers: is the message one, then it is taken back.  0: it is none. */
static inline int
request_return(struct message *message)
{
	struct request *request = (struct request *)message;

	if (message->kind >= COMMIT_MESSAGES)
		return 0;
	request->take_back(request);
	return 1;
}

struct join {
	struct request request;
	char identity[IDENTITY_MAX + 1];
	char queue_id[PROTO_QUEUE_LEN + 1];
	uint64_t came; /* its connection: the later, the higher; 0: not known */
	uint64_t settled;
	struct hello hello;
	/* What is sent, unasked, when a newer session has the queue: taken by the
	 * queue, which gives it to the asker then, or frees it. */
	struct request *superseded;
	/* The answer.  `queue` NULL: `limit` is in the way, or the disk is full; or it `is_late`: a
	 * connection that came after its own has had the queue, and may have settled what it would
	 * send. */
	enum limit limit;
	int is_late;
	struct queue *queue; /* the commit thread's own; a token for all others */
	uint64_t generation; /* goes with it in each message of this session */
	_Atomic uint64_t *opens; /* of its client: large items open, as all its sessions count them
	                            that are not over */
	uint64_t mark;
};

/* Answers that a session has given by itself, since it told the last time: they go with what it
 * sends anyway. */
struct untold {
	uint64_t later, refused;
};

enum item_outcome {
	ITEM_STORED, /* it stands in the journal, synced, under draft.name */
	ITEM_AGAIN,  /* known: stored before under `first_name` */
	ITEM_LATER,  /* `code` says why; not accepted */
	ITEM_STALE,  /* its session had been superseded; not accepted */
	ITEM_UNKNOWN, /* it only asked, and the item is not known */
};

struct item {
	struct request request;
	struct queue *queue;
	uint64_t generation;
	struct untold untold;
	struct strand *strand; /* the session's, where it waits (strands.h) */
	uint64_t counted;   /* the session's: bytes that count against its window */
	struct draft draft; /* whole: length and digest are right; or, if it
	                       only asks, without a file (fd -1) */
	uint64_t share;     /* most bytes of its client that may wait; 0: no bound */
	int asks;           /* is the item known?  Nothing is accepted */
	int was_open;       /* it asked, and its bytes have come */
	char *refusal;      /* malloc'ed: why `code` is the answer if it is not known; NULL: no
	                       rule forbids it */
	uint64_t number, size, sent;
	char inbox[PROTO_INBOX_MAX + 1];
	unsigned char sha256[DIGEST_SIZE];
	char hint[RECORD_HINT_ROOM];
	int64_t received; /* when it was whole, UTC microseconds, as it is told beside it; 0: when
	                     it is accepted */
	char *beside; /* what is to lie beside it, malloc'ed (drafts/meta.h); NULL: nothing */
	/* Its bytes, malloc'ed, for the journal; NULL: they come in pieces, or are too many to be
	 * kept, and the draft has to be durable first. */
	unsigned char *bytes;
	uint64_t kept; /* the worker's: how many they are */
	int64_t whole; /* likewise: when the last byte had come, monotonic microseconds */
	/* The answer.  The draft goes back with it, but of an item that was stored: that one is the
	 * publisher's, and only its name is here. */
	enum item_outcome outcome;
	enum proto_code code;
	char first_name[NAME_ROOM];
	/* The commit thread's. */
	struct item *next;
	uint64_t seq; /* of its accept record */
	int is_durable; /* its draft, and the entry in tmp/ */
	struct gap was; /* missing, but for this item; count 0: it was not */
	int is_reuse; /* its queue had used the number, for this or another item */
	int over_share; /* LATER full is for this client alone */
	enum limit limit; /* LATER unsettled: which was in the way */
};

/* A duplicate of an item known: it has a first name, and nothing of its own is
 * recorded or published. */
static inline int
item_is_duplicate(const struct item *item)
{
	return item->first_name[0] != '\0';
}

/* Does as little wait in its inbox as may?  A large item is asked about before its bytes come, and
 * never again; nor is one that a rule forbids, unless it is known. */
static inline int
item_has_inbox(const struct item *item)
{
	const struct inbox *inbox = item->draft.inbox;

	return item->refusal || item->was_open ||
	    inflow_has_room(inbox->inflow, &inbox->most, item->size, inbox->name);
}

struct notice {
	struct request request;
	struct queue *queue;
	uint64_t generation;
	uint64_t number;
	struct untold untold;
	char reason[RECORD_REASON_ROOM];
	struct backlog backlog;
};

struct shares_news {
	struct request request;
	struct shares *shares; /* taken */
};

struct new_limits {
	struct request request;
	struct limits limits;
};

#define VIEWS_MAX 250 /* queues in one answer: nobody waits long for who asks */

struct view {
	struct request request;
	struct site *site; /* a reference: who is expected, and what is called silent or behind */
	struct view_filter filter;
	uint64_t from; /* where it begins: 0, or where an answer said to go on */
	struct client_view *views; /* malloc'ed, NULL: out of memory */
	size_t count;
	uint64_t next; /* where to go on; 0: these were the last */
};

/* Counted a part at a time: it is sent again until it is whole. */
struct census {
	struct request request;
	struct site *site; /* a reference */
	char behind[IDENTITY_MAX + 1]; /* the last client counted; "": none yet */
	size_t at; /* the first one expected that may stand behind it */
	int is_whole;
	struct census_counts counts;
};

struct forget {
	struct request request;
	struct forget_wish wish;
	struct forget_answer answer;
};

struct confirm {
	struct request request;
	struct confirm_wish wish;
	struct confirm_answer answer;
};

#endif
