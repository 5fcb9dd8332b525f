/* SPDX-License-Identifier: ISC */
/*
 * What the files of a session share, and nobody else sees: session.c (the
 * connection and its states), lines.c (what a client's lines do), upload.c and
 * opens.c (items on their way in) and answer.c (how they end).
 */
#ifndef INBOXD_INBOX1_SESSION_PARTS_H
#define INBOXD_INBOX1_SESSION_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/request.h"
#include "inboxd/inbox1/session.h"
#include "inboxd/serve/shop.h"
#include "lib/identity.h"
#include "lib/proto.h"

struct conn;
struct digest;
struct open;

#define LATER_SECONDS 60 /* for all that may pass by itself */
#define BUSY_SECONDS 5   /* for an item that is open elsewhere */
#define OPENS_CLOSED 64  /* numbers remembered */

/*
 * What is read in each state:
 *
 *	GREETING   nothing, then HELLO; the commit thread is asked about the queue
 *	JOINING    nothing, until it has answered
 *	READY      lines
 *	BODY       the bytes of a PUT, into its draft
 *	PIECE      the bytes of a DATA, into its partial
 *	DROPPING   the bytes of an item that has been answered already
 *	LEAVING    nothing: what is in flight is answered, then the last line goes
 *	CLOSED     there is no connection any more
 */
enum state { GREETING, JOINING, READY, BODY, PIECE, DROPPING, LEAVING, CLOSED, STATES };

struct session {
	struct session *next, *previous;
	struct shop *shop;
	struct conn *conn;
	enum state state;
	int crowded, is_open; /* is_open: the handshake is done */
	int paused;
	char identity[IDENTITY_MAX + 1];
	char queue_id[PROTO_QUEUE_LEN + 1];
	/* At the commit thread. */
	struct queue *queue; /* token; NULL before the answer to JOIN */
	uint64_t generation;
	int asked;              /* a join or leave is on its way */
	uint64_t items, bytes;  /* handed over and not come back */
	uint64_t notices;       /* likewise: SETTLED and SKIP */
	int waits_for_room;     /* it is not read for lack of the worker's; counted there */
	/* The item that is coming in. */
	struct item *item;    /* BODY: its draft is open */
	uint64_t remaining;   /* bytes that are still to come */
	struct digest *digest;
	/* Items that come in pieces. */
	struct open *opens;    /* those that were sent SEND */
	struct open *piece;    /* PIECE: whose bytes are coming */
	unsigned open_count;   /* also those that the commit thread is asked about */
	uint64_t closed[OPENS_CLOSED]; /* numbers answered last: their DATA may still come */
	unsigned closed_at;
	uint64_t site_number; /* of the configuration that trusts its client */
	/* Times, in seconds of worker_now(). */
	uint64_t began, last_answer;
	char farewell[PROTO_LINE_MAX + 1]; /* the last line, sent when nothing is in flight */
};

/* ---- session.c */

/* The one place where the state changes. */
void session_enter(struct session *s, enum state state);
void session_send(struct session *s, const struct proto_line *line);
/* Stops reading; `last` (or NULL) is the last line, said when nothing is in
 * flight any more. */
void session_leave(struct session *s, const struct proto_line *last);
void session_go_away(struct session *s, uint64_t seconds, enum proto_code reason);
void session_give_error(struct session *s, enum proto_code code, const char *text);
/* Says the last line if the session is LEAVING and nothing is in flight. */
void session_finish_if_idle(struct session *s);
/* Something has come back from the commit thread: goes on reading if it may. */
void session_go_on(struct session *s);
/* Tells the worker of each change of `items` or `notices`: 1 or -1. */
void session_count_item(struct session *s, int difference);
/* Frees the session if it is CLOSED and nothing can come back to it. */
void session_free_if_over(struct session *s);

static inline struct stats *
session_stats(struct session *s)
{
	return &s->shop->stats;
}

static inline const struct settings *
session_settings(struct session *s)
{
	return s->shop->site->settings;
}

/* The largest item that PUT takes, bytes. */
static inline uint64_t
session_inline(struct session *s)
{
	uint64_t most = session_settings(s)->inline_size, item = s->shop->site->item;

	return most < item ? most : item;
}

/* Fills in what brings a request of this session back to it. */
void session_ask(struct session *s, struct request *request, enum commit_message kind,
    void (*take_back)(struct request *request));

/* ---- lines.c */

/* Takes one line: returns its length with the LF, or 0 if more bytes are needed
 * (or the line was wrong, and the session is LEAVING). */
size_t lines_take(struct session *s, const unsigned char *data, size_t len);

/* ---- answer.c */

void answer_count_offer(struct session *s);
/* An item has come back from the commit thread. */
void answer_item(struct request *request);
/* An item's way ends; `how` is its counter. */
void answer_count_end(struct session *s, enum counter how);
/* LATER or REFUSED, as the code has it. */
void answer_not_stored(struct session *s, uint64_t number, enum proto_code code,
    const char *text);
/* LATER, for what the disk said. */
void answer_failure(struct session *s, uint64_t number, enum draft_result result,
    const char *inbox);

/* ---- upload.c: PUT */

void upload_start(struct session *s, const struct proto_line *line);
/* Bytes of the item; they return how many they took. */
size_t upload_take(struct session *s, const unsigned char *data, size_t len);
size_t upload_drop(struct session *s, size_t len);
/* The connection ends in the middle of an item. */
void upload_cut_off(struct session *s);

/* What OPEN needs of it.  Why an item cannot be taken at all, as a code and a
 * text; or PROTO_CODE_COUNT. */
#define UPLOAD_TEXT_ROOM 256
enum proto_code upload_refusal(struct session *s, const struct proto_line *line,
    struct inbox **inbox, char text[UPLOAD_TEXT_ROOM]);
/* Is there room on the disk for it?  Then it is taken; else LATER full is the
 * answer. */
int upload_take_room(struct session *s, uint64_t size, int is_large);
/* From a PUT or OPEN line, without a draft. */
struct item *upload_new_item(struct session *s, const struct proto_line *line);
/* To the commit thread; it comes back to session_on_item(). */
void upload_hand_over(struct session *s, struct item *item);
/* Reads on past `size` bytes that nobody wants. */
void upload_start_dropping(struct session *s, uint64_t size);

/* ---- opens.c: OPEN and DATA */

void opens_ask(struct session *s, const struct proto_line *line);
/* The commit thread does not know the item: its bytes are wanted, if there is room
 * for them.  Takes `item`. */
void opens_start(struct session *s, struct item *item);
void opens_data(struct session *s, const struct proto_line *line);
size_t opens_take(struct session *s, const unsigned char *data, size_t len);
/* The number will never come: what has come of it goes. */
void opens_forget(struct session *s, uint64_t number);
/* Has one come whole, and we still read back what was there before? */
int opens_are_due(const struct session *s);
/* The connection ends: what has come stays for the next one. */
void opens_cut_off(struct session *s);

#endif
