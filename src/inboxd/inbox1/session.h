/* SPDX-License-Identifier: ISC */
/*
 * One client's session: the receiver's side of inbox-protocol(7), on one connection.
 * Here are its states, what it says, and its end; what comes is in lines.h and items.h,
 * and inbox1.c is the whole as a front.
 *
 * It lives as long as something may still come back to it: its connection, an item or a
 * notice at the commit thread.  It belongs to its worker.
 */
#ifndef INBOXD_INBOX1_SESSION_H
#define INBOXD_INBOX1_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/commit/request.h"
#include "inboxd/serve/front.h"
#include "inboxd/serve/shop.h"
#include "lib/identity.h"
#include "lib/proto.h"

struct conn;
struct intake;

/*
 * What is read in each state:
 *
 *	GREETING   nothing, then HELLO; the commit thread is asked about the queue
 *	JOINING    nothing, until it has answered
 *	READY      lines
 *	BODY       bytes of an item, which intake takes or drops
 *	LEAVING    nothing: what is in flight is answered, then the last line goes
 *	CLOSED     there is no connection any more
 */
enum state { GREETING, JOINING, READY, BODY, LEAVING, CLOSED, STATES };

struct session {
	struct guest guest; /* first: a guest is cast back to it */
	struct shop *shop;
	struct conn *conn; /* NULL: CLOSED */
	enum state state;
	int paused;
	int has_begun_line;  /* and its rest is still to come; */
	uint64_t line_began; /* since these seconds of shop->awake */
	int has_quit; /* the client: nothing is owed to us any more */
	char identity[IDENTITY_MAX + 1];
	char queue_id[PROTO_QUEUE_LEN + 1];
	struct intake *intake;
	struct sharer sharer; /* items and notices at the commit thread */
	/* There, too. */
	struct queue *queue; /* token; NULL before the answer to JOIN */
	uint64_t generation;
	int asked;           /* a join or leave is on its way */
	uint64_t notices;    /* SETTLED, SKIP and STATE */
	uint64_t last_answer; /* seconds of shop->now */
	char *farewell; /* the last line, said when nothing is in flight; NULL: none */
};

/* The one place where the state changes. */
void session_enter(struct session *s, enum state state);
void session_send(struct session *s, const struct proto_line *line);

/* Stops reading; `last` (or NULL) is the last line, said when nothing is in
 * flight any more. */
void session_leave(struct session *s, const struct proto_line *last);
/* After `seconds`, or some more, by lot: away_seconds(). */
void session_go_away(struct session *s, uint64_t seconds, enum proto_code reason);
void session_give_error(struct session *s, enum proto_code code, const char *text);
/* The connection is over, and freed: in on_close(). */
void session_close(struct session *s, const char *error);

/* Must reading stop for now? */
int session_must_wait(const struct session *s);
/* Stops reading until session_go_on() finds that it need not. */
void session_pause(struct session *s);
/* After what came was read: does it wait for its share of the way to the commit thread? */
void session_note_wait(struct session *s);
/* Something has come back from the commit thread, or gone out to the client: goes on, or
 * says the last line, or is freed. */
void session_go_on(struct session *s);

#define SESSION_LATER 60 /* seconds, where a client should come back another time */

#endif
