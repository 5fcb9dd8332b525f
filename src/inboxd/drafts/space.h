/* SPDX-License-Identifier: ISC */
/*
 * A full disk is a state, not a failure: what is free is looked at once a
 * second, and two marks ([limits] reserve, reserve-large) say who is still
 * taken.  Large items are turned away first, so that status messages still come
 * in; below the lower mark nothing is, which leaves the ledger its room.  A
 * state is left only an eighth above its mark, so that it does not flicker.
 *
 * What the marks do not see (a quota, another program's rush) shows as a failed
 * write: that item is put off, the next one is tried.
 *
 * Belongs to one worker.
 */
#ifndef INBOXD_DRAFTS_SPACE_H
#define INBOXD_DRAFTS_SPACE_H

#include <stdint.h>

struct settings;

#define SPACE_UNKNOWN INT64_MAX /* also: not limited */

enum space_state { SPACE_ROOM, SPACE_NO_LARGE, SPACE_NONE };

struct space {
	enum space_state state, told; /* told: at the last look */
	uint64_t bytes, inodes; /* free, less what was taken since the last look */
	uint64_t since;         /* seconds: when `state` was entered */
	/* Seconds: since when writes find no room, and when one last did; 0: never. */
	uint64_t failing, failed;
};

/* Looks at the file system of `root`, at `now` (monotonic seconds).  Returns
 * whether the state has changed since the last look. */
int space_look(struct space *space, int root, const struct settings *settings, uint64_t now);

/* Takes room for an item of `size` bytes; `is_large`: larger than [limits]
 * inline.  0: there is none.  That enters the state which says so, where the next look
 * would not leave it at once; with more free than that the item is too large, and turned
 * away alone. */
int space_take(struct space *space, const struct settings *settings, uint64_t size, int is_large,
    uint64_t now);
/* A write found no room. */
void space_failed(struct space *space, uint64_t now);

/* For how many seconds to say LATER: as long as it has been full, so that clients
 * come back more and more rarely; 60 to 3600. */
uint64_t space_seconds(const struct space *space, uint64_t now);

const char *space_text(enum space_state state);

#endif
