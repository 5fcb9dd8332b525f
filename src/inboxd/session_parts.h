/* SPDX-License-Identifier: ISC */
/*
 * What the files of a session share, and nobody else sees: session.c (the
 * connection and its states), lines.c (what a client's lines do) and upload.c
 * (an item on its way in, and its answer).
 */
#ifndef INBOXD_SESSION_PARTS_H
#define INBOXD_SESSION_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/session.h"
#include "inboxd/worker.h"
#include "lib/identity.h"
#include "lib/proto.h"

struct conn;
struct digest;

#define LATER_SECONDS 60 /* for all that may pass by itself */

/*
 * What is read in each state:
 *
 *	GREETING   nothing, then HELLO; the commit thread is asked about the queue
 *	JOINING    nothing, until it has answered
 *	READY      lines
 *	BODY       the bytes of a PUT, into its draft
 *	DROPPING   the bytes of a PUT that has been answered already
 *	LEAVING    nothing: what is in flight is answered, then the last line goes
 *	CLOSED     there is no connection any more
 */
enum state { GREETING, JOINING, READY, BODY, DROPPING, LEAVING, CLOSED, STATES };

struct session {
	struct session *next, *previous;
	struct worker *worker;
	struct conn *conn;
	enum state state;
	int crowded, is_open; /* is_open: the handshake is done */
	int paused;
	char identity[IDENTITY_MAX + 1];
	/* At the commit thread. */
	struct queue *queue; /* token; NULL before the answer to JOIN */
	uint64_t generation;
	int asked;              /* a join or leave is on its way */
	uint64_t items, bytes;  /* handed over and not come back */
	/* The item that is coming in. */
	struct item *item;    /* its draft is open; NULL in DROPPING */
	uint64_t remaining;   /* bytes of it that are still to come */
	struct digest *digest;
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
/* Frees the session if it is CLOSED and nothing can come back to it. */
void session_free_if_over(struct session *s);

static inline struct stats *
session_stats(struct session *s)
{
	return worker_counters(s->worker);
}

static inline const struct settings *
session_settings(struct session *s)
{
	return worker_site(s->worker)->settings;
}

/* ---- lines.c */

/* Takes one line: returns its length with the LF, or 0 if more bytes are needed
 * (or the line was wrong, and the session is LEAVING). */
size_t lines_take(struct session *s, const unsigned char *data, size_t len);

/* ---- upload.c */

/* PUT and OPEN. */
void upload_start(struct session *s, const struct proto_line *line);
void upload_refuse_open(struct session *s, const struct proto_line *line);
/* Bytes of the item; they return how many they took. */
size_t upload_take(struct session *s, const unsigned char *data, size_t len);
size_t upload_drop(struct session *s, size_t len);
/* The connection ends in the middle of an item. */
void upload_cut_off(struct session *s);

#endif
