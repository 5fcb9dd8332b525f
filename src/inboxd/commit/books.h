/* SPDX-License-Identifier: ISC */
/*
 * The books: what clients have stored (clients.h) and the record of it
 * (ledger.h), kept in step.  Each function here changes both or neither, so
 * that what a restart reads is what was known.  Belongs to the commit thread.
 */
#ifndef INBOXD_COMMIT_BOOKS_H
#define INBOXD_COMMIT_BOOKS_H

#include <stdint.h>

#include "inboxd/base/limits.h"
#include "inboxd/base/stats.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/ledger.h"
#include "inboxd/commit/request.h"
#include "lib/attr.h"

struct books;
struct forgetting;
struct losses;

struct books_setup {
	uint64_t ledger_size, ledger_days; /* of a segment, bytes; how long it is kept */
	struct limits limits; /* at first */
};

/* Takes `clients` and `ledger`; `setup` and `stats` are borrowed. */
MUST_CHECK struct books *books_open(struct clients *clients, struct ledger *ledger,
    const struct books_setup *setup, struct stats *stats);
void books_close(struct books *books);

/* A HELLO: fills in the answer.  The queue's older session, if there is one,
 * is told that it is superseded: its notices count no more. */
void books_join(struct books *books, struct join *join);
/* The session is over. */
void books_leave(struct books *books, struct notice *notice);
/* A STATE.  No record is made of it: the next of the queue has it. */
void books_note(const struct notice *notice);
void books_settle(struct books *books, const struct notice *notice);
void books_skip(struct books *books, const struct notice *notice);
/* What is known, to be looked at. */
const struct clients *books_clients(const struct books *books);
/* Who is known no more; NULL while the disk is full, and there is no room for the record of it. */
struct forgetting *books_forgetting(struct books *books);
/* What is missing; NULL likewise. */
struct losses *books_losses(struct books *books);

/* Is the item's session still the one that speaks for the queue? */
int books_is_current(const struct item *item);
/* The name under which the item is known, or NULL. */
const char *books_find_name(const struct item *item);
/* May its queue have one more item unsettled?  Else item->limit says why not. */
int books_has_room(const struct books *books, struct item *item);
/* From now on; what is more than that stays. */
void books_set_limits(struct books *books, const struct limits *limits);
/* Warns where what is remembered comes near a limit, once each time.  For each turn. */
void books_watch_limits(struct books *books);

/* Does what waits of its client leave room for it ([limits] share)? */
int books_has_share(const struct books *books, const struct item *item);
/* What waits has been counted: it holds until the next count, with what is accepted till then. */
void books_take_shares(struct books *books, struct shares_news *news);

/* The accept record; item->seq gets its number.  Returns its line in the ledger, with the LF, which
 * stays until the next record or flush. */
const char *books_accept(struct books *books, struct item *item, size_t *size);
/* It was not journaled, and will not be under this record. */
void books_void(struct books *books, const struct item *item);
/* It is stored, `now`, UTC microseconds: for the queue's figures. */
void books_count_stored(struct books *books, const struct item *item, int64_t now);
/* All accepts up to `synced` are acknowledged; up to `stored` items and ledger are on the disk. */
void books_mark(struct books *books, uint64_t synced, uint64_t stored);
/* An item that is known by the name that its accept says has `name` in new/. */
void books_rename(struct books *books, uint64_t seq, const char *name);

/* Writes the ledger's gathered records to its file, without a sync.  0; or -1 while the disk is
 * full: they stay gathered, and the file as it was.  Any other failure ends the program. */
MUST_CHECK int books_flush(struct books *books);
/* No room at the last flush? */
int books_are_full(const struct books *books);
int books_fd(const struct books *books);
/* Bytes in the ledger's open segment. */
uint64_t books_size(const struct books *books);

/* Has the segment reached its size?  Then books_rotate(), when all that gathered is flushed. */
int books_want_rotation(const struct books *books);
void books_rotate(struct books *books);

#endif
