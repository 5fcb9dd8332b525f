/* SPDX-License-Identifier: ISC */
/*
 * The commit thread: the one owner of what clients have stored, of the ledger,
 * of publishing and of syncing.  Workers hand it drafts; it hands back
 * outcomes.  It makes no libevent call and holds no lock.
 *
 * It works in turns.  Each turn takes all that has arrived meanwhile (there is
 * no timer: a batch is what came while the last sync ran) and makes ONE sync,
 * which is two things at once: the first sync of this turn's drafts (their
 * bytes and their ledger records) and the second sync of the last turn's
 * items (their names in new/):
 *
 *	take the drafts; know duplicates; write accept records
 *	sync
 *	write a mark: accepts are on disk up to here, items up to there
 *	answer the last turn's items: STORED
 *	publish this turn's drafts; they are the next turn's "last"
 */
#ifndef INBOXD_COMMIT_H
#define INBOXD_COMMIT_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/clients.h"
#include "inboxd/draft.h"
#include "inboxd/ledger.h"
#include "inboxd/mailbox.h"
#include "inboxd/settings.h"
#include "inboxd/stats.h"
#include "lib/attr.h"

struct commit;
struct session;
struct client_view;

/*
 * What it is told.  Each message is the sender's malloc'ed struct; those with
 * an answer come back as they are, filled in, to `reply`; the rest is freed
 * here.  Messages of one sender are taken in the order they were sent.
 */
enum commit_message {
	COMMIT_JOIN,    /* struct join: a HELLO; comes back */
	COMMIT_ITEM,    /* struct item; comes back */
	COMMIT_SETTLED, /* struct notice; comes back: so its sender knows how many wait */
	COMMIT_SKIP,    /* likewise */
	COMMIT_LEAVE,   /* struct notice: the session is over; comes back */
	COMMIT_VIEW,    /* struct view: /clients; comes back */
	COMMIT_PROBE,   /* struct probe: are you alive?; comes back */
	COMMIT_STOP,    /* struct message; nothing may follow */
};

/* What it tells a worker unasked, by a struct notice: a newer session has the queue. */
#define COMMIT_SUPERSEDED 50

struct join {
	struct message message;
	struct mailbox *reply;
	struct session *session;
	char identity[IDENTITY_MAX + 1];
	char queue_id[PROTO_QUEUE_LEN + 1];
	uint64_t settled, pending, oldest;
	char agent[RECORD_AGENT_ROOM];
	/* The answer.  `queue` NULL: there are too many queues. */
	struct queue *queue; /* the commit thread's own; a token for all others */
	uint64_t generation; /* goes with it in each message of this session */
	uint64_t mark;
};

enum item_outcome {
	ITEM_STORED, /* published and synced under draft.name */
	ITEM_AGAIN,  /* known: stored before under `first_name` */
	ITEM_LATER,  /* `code` says why; not published */
	ITEM_STALE,  /* its session had been superseded; not published */
	ITEM_UNKNOWN, /* it only asked, and the item is not known */
};

struct item {
	struct message message;
	struct mailbox *reply;
	struct session *session;
	struct queue *queue;
	uint64_t generation;
	uint64_t counted;   /* the session's: bytes that count against its window */
	struct draft draft; /* whole: length and digest are right; or, if it
	                       only asks, without a file (fd -1) */
	int asks;           /* is the item known?  Nothing is accepted */
	uint64_t number, size, sent;
	unsigned char sha256[DIGEST_SIZE];
	char hint[RECORD_HINT_ROOM];
	/* The answer.  The draft goes back with it. */
	enum item_outcome outcome;
	enum proto_code code;
	char first_name[NAME_ROOM];
	/* The commit thread's. */
	struct item *next;
	uint64_t seq; /* of its accept record */
	int no_room;  /* sync.h */
};

/* A duplicate of an item known: it has a first name, and nothing of its own is
 * recorded, synced or published. */
static inline int
item_is_duplicate(const struct item *item)
{
	return item->first_name[0] != '\0';
}

struct notice {
	struct message message;
	struct mailbox *reply;
	struct session *session;
	struct queue *queue;
	uint64_t generation;
	uint64_t number;
	char reason[RECORD_REASON_ROOM];
};

struct view {
	struct message message;
	struct mailbox *reply;
	uint64_t ticket;
	struct client_view *views; /* malloc'ed, NULL: out of memory */
	size_t count;
};

struct probe {
	struct message message;
	struct mailbox *reply;
};

struct commit_settings {
	int root;    /* open root directory, for syncfs; borrowed */
	int sync;    /* enum settings_sync */
	uint64_t ledger_size, ledger_days, unsettled, queues;
	uint32_t start; /* of names: name.h */
	unsigned number; /* of names: one no worker has */
};

/* Takes `clients` and `ledger`, starts the thread.  NULL: no thread, no
 * memory; nothing was taken. */
MUST_CHECK struct commit *commit_start(const struct commit_settings *settings,
    struct clients *clients, struct ledger *ledger);
/* Sends COMMIT_STOP and waits until all is answered and marked. */
void commit_stop(struct commit *commit);

struct mailbox *commit_mailbox(struct commit *commit);
const struct stats *commit_stats(const struct commit *commit);

#endif
