/* SPDX-License-Identifier: ISC */
/*
 * A root is one receiver's at a time: whoever has the lock on <root>/lock, by fcntl(2), from before
 * the ledger is read until the end.  The file says who that is (holder.h): in its first line who
 * ran here last, or runs, and, while another start is under way, in a second who that is.  It is
 * empty until a first ledger has been begun, but for that start's line.
 *
 * The text keeps nobody out, and need not be on the disk: what a power failure does to it, another
 * boot id says.
 *
 * The lock may be lost all the same: a file system that several hosts share takes it from one that
 * it believes to be dead, and gives it to another one; somebody deletes the file, or moves it.  Who
 * has slept through that would acknowledge into what is another's by now; so it is looked at before
 * anything is acknowledged, by hold_insist().
 */
#ifndef INBOXD_BASE_HOLD_H
#define INBOXD_BASE_HOLD_H

#include "inboxd/base/holder.h"
#include "lib/attr.h"
#include "lib/why.h"

/* Below the root. */
#define HOLD_FILE "lock"

struct hold;

/* This process, on this system; `run` is drawn, `id` the root's. */
void hold_describe(struct holder *own, const char *id);

#define HOLD_ELSEWHERE (-1)

/*
 * Takes the lock of the root folder `root`, called `path` in errors, and says so in its file.
 * `root` has to stay open.
 * 0 and *out; HOLD_ELSEWHERE: a process of another host has it, as far as *other tells; or one of
 * sysexits(3), with the reason: EX_UNAVAILABLE where one of this host has it.
 */
MUST_CHECK int hold_take(struct hold **out, int root, const char *path, const struct holder *own,
    struct holder *other, struct why *error);

/* What the file said when the lock was taken: who ran here last.  HOLDER_NONE: nobody. */
const struct holder *hold_before(const struct hold *hold);
/* What it says of us. */
const struct holder *hold_own(const struct hold *hold);

/* From now on it is we who run here, in the root with this id.  0; or -1 with errno. */
MUST_CHECK int hold_mark_running(struct hold *hold, const char *id);
/* The run has ended in order.  Other threads may still look.  0; or -1 with errno. */
MUST_CHECK int hold_mark_stopped(struct hold *hold);

/* From any thread: is it ours still?  0; or -1 with the reason. */
MUST_CHECK int hold_look(const struct hold *hold, struct why *why);
/* Likewise, and if not, ends the program with EX_IOERR at once.  NULL: nothing is looked at. */
void hold_insist(const struct hold *hold);

/* Lets go of it.  NULL: does nothing. */
void hold_release(struct hold *hold);

/* What the file of a root says of who has it, or had it last; read without any lock, and not for a
 * process that has it: it would lose it.  HOLDER_NONE: nothing, or it cannot be read. */
void hold_peek(int root, struct holder *last);

#endif
