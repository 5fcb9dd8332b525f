/* SPDX-License-Identifier: ISC */
/*
 * The root: the one folder, on one file system, that a receiver keeps its promises in.  One
 * receiver at a time: see hold.h.
 */
#ifndef INBOXD_BASE_ROOT_H
#define INBOXD_BASE_ROOT_H

#include "inboxd/base/holder.h"
#include "lib/attr.h"
#include "lib/id.h"
#include "lib/why.h"

struct hold;

struct root {
	int fd;     /* the root itself; also what syncfs syncs */
	int ledger; /* <root>/ledger */
	int journal; /* <root>/journal as it was found; -1: none yet, a first start makes it */
	char id[ID_ROOM]; /* tells it from all other roots; "": it has none yet */
	struct hold *hold; /* NULL: it is not ours */
	int was_used; /* a ledger has been begun here */
	int was_cut; /* the last run did not stop in order, on what may be this boot of the system:
	                what the page cache holds of it may not be what the disk holds */
};

/* Who has the root folder runs the service: as root, the program goes on as that user, for
 * good.  0, or -1 with the reason. */
MUST_CHECK int root_become_owner(const char *path, struct why *error);
/* Opens and checks; takes and changes nothing, beside a receiver that runs, too.  0; or one of
 * sysexits(3) with the reason: EX_NOINPUT where there is no root (yet), or one with another id than
 * `wanted` (NULL: any will do). */
MUST_CHECK int root_look(
    struct root *root, const char *path, const char *wanted, struct why *error);
/* Is `id` ("": none yet) what `wanted` is?  0; or EX_NOINPUT with the reason. */
MUST_CHECK int root_check_id(
    const char *path, const char *id, const char *wanted, struct why *error);
/* Takes its lock, behind root_look(), for root_leave(), and looks at id and journal anew, since
 * who had it before may have made them.  0; HOLD_ELSEWHERE, and *other has it; or one of
 * sysexits(3) with the reason, and the root is left. */
MUST_CHECK int root_take(
    struct root *root, const char *path, struct holder *other, struct why *error);
void root_leave(struct root *root);
/* A root without an id gets one, which lasts.  0, or -1 with errno. */
MUST_CHECK int root_make_id(struct root *root);
/* A ledger has been begun, and from now on items may come.  0, or one of sysexits(3). */
MUST_CHECK int root_mark_running(struct root *root, struct why *error);
/* The run ended in order, though its threads may still be there: nothing is closed. */
void root_mark_stopped(struct root *root);

#endif
