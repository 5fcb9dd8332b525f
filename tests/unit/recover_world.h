/* SPDX-License-Identifier: ISC */
/*
 * A root as a crash left it, a recovery that can be killed, failed and raced at each call it
 * makes of the system, and the promises, checked of what came of it.
 *
 * The calls go through the __wrap_ functions (ld --wrap).  Nothing is synced here for real: a
 * kill loses no page, and what a power failure may take from a file the cases begin with.
 */
#ifndef UNIT_RECOVER_WORLD_H
#define UNIT_RECOVER_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "inboxd/base/site.h"
#include "inboxd/recover/recover.h"
#include "lib/journal.h"
#include "sample.h"

#define OLD_SEGMENT "20261122T141101.000000Z.log"
#define KILLED 99 /* exit status: the hook ended it */
#define SEGMENTS JOURNAL_SEGMENTS_MIN

/* ---- the hook */

enum mode {
	QUIET,
	KILL,       /* ends the process before the call */
	TEAR,       /* the same within a write, and half of it is done */
	FAIL,       /* the call, which is no sync, fails with EIO */
	DENY,       /* the call, which is no read, write or sync, fails with EACCES */
	FULL,       /* the call finds no room */
	FAIL_SYNC,  /* a sync fails with EIO */
	INTERRUPT,  /* a read, write or sync fails with EINTR, and would not the next time */
	CLAIM,      /* a consumer takes all that is in new/ */
	CLAIM_KILL, /* and then the process ends */
	SPOIL,      /* the first item's draft has other bytes once it has been read */
};

struct hook {
	enum mode mode;
	int at, count, tripped;
	/* Something was published, or called durable or published, that had not been synced. */
	int disorder;
	uint64_t first_batch; /* the number of the first one that was written; 0: none was */
};

extern struct hook *hook; /* shared with the children */

/* Has the disk room for copies?  Else opening one fails, or writing to it, or its sync; or it has,
 * but for one sync of a copy, or for one write to the ledger. */
enum room { ROOM, NO_INODE, NO_BLOCK, NO_ROOM_AT_SYNC, NO_ROOM_AT_ONE_SYNC, NO_ROOM_FOR_A_RECORD };
extern enum room room;

extern int random_fails; /* getentropy(3) does */

/* ---- what a crash left */

enum file {
	NONE,
	RIGHT,
	OTHER,  /* as long, but other bytes */
	SHORT,  /* the first half */
	LINKED, /* in new/: the draft itself, by a second link */
};

enum frame {
	NO_FRAME,
	BYTES,   /* carries the item */
	BARE,    /* the record alone: the draft is durable */
	DAMAGED, /* as BYTES, with a flipped bit */
	DAMAGED_BARE,
	FORGED,  /* as BYTES, and the bytes are not those of its record */
	RELABELLED, /* as BYTES, and its record is of another number */
	TORN,    /* of a last batch that was never synced */
};

enum end {
	STORED, /* in new/ or with a consumer, once; remembered */
	TAKEN,  /* with a consumer, who has it elsewhere; remembered */
	VOIDED, /* neither in new/ nor remembered: its client sends it again */
};

struct crashed {
	unsigned seq;
	const char *inbox;
	enum file draft, published;
	enum end end;
	/* Of a root with a journal. */
	enum frame frame;
	int is_void;  /* the ledger says so */
	int is_lacking; /* the ledger does not have it */
};

/* The folders of one inbox. */
struct folders {
	int tmp, new, cur;
};

struct world {
	char path[64];
	int root, ledger;
	struct folders status, old; /* `old` is configured no more */
	struct inbox inbox;
	struct site site;
	struct settings settings;
	struct sample before; /* the segment as the crash left it, without the torn end */
	const struct crashed *items;
	size_t count;
	unsigned synced; /* up to it a mark says that drafts were on the disk */
	int has_journal; /* `synced` is its mark, `durable` */
	uint64_t published;
	char generation[ID_ROOM];
	int was_used; /* as the lock file says */
	int has_followed; /* a segment was begun behind the old one */
	int has_renamed; /* an item got another name in new/ */
};

extern struct world world;

/* Of a root that has no journal yet: its ledger is of version 1, with a record an item and, behind
 * that of seq `synced`, a mark. */
void make_world(const struct crashed *items, size_t count, unsigned synced, unsigned stored);
/* Of one that has: the journal says durable and published, and the ledger's last mark that all up
 * to `published` is stored. */
void make_journal_world(
    const struct crashed *items, size_t count, unsigned durable, unsigned published);
void remove_world(void);
void print_name(char name[NAME_ROOM], unsigned seq);
void make_file(int dir, unsigned seq, enum file file);
/* The ledger's segment, anew, with marks of the same. */
void rewrite_segment(void);
/* The accept's record. */
void add_accept(struct sample *to, const struct crashed *item);
/* What the journal says now. */
void read_journal(struct journal *journal);
/* Flips a bit in a segment of it. */
void flip_journal(uint32_t segment, uint32_t offset, unsigned char bits);

/* ---- recovery */

/* Its code, 0: it went well, and *out is the caller's. */
int run_recovery(struct clients *clients, struct recovered *out, struct why *error);
/* It must go well; what it remembers. */
struct clients *recover_here(void);
/* In a process of its own; its exit status. */
int recover_in_child(enum mode mode, int at);

/* ---- what must have become of it */

int is_known(struct clients *clients, const struct crashed *item);
/* Runs recovery to its end, holds the promises to be kept, and runs it again. */
void recover_and_check(enum mode mode);
/* Makes the world anew by `make`, and recovery trip over its first call, then the second, ...
 * and after each runs it to its end.  `exits`: with what it may end where it tripped, ended by
 * -1.  How many calls there were to be tried. */
int try_each_call(void (*make)(void), enum mode mode, const int *exits);
/* The names, nodes and bytes of all files there, as malloc'ed text. */
char *describe(int dir, int with_nodes);
/* It ends with that code, and says why. */
void assert_ends(int code, const char *why);
/* The same, and it changes nothing. */
void assert_refuses(int code, const char *why);

/* Runs the tests. */
#define RECOVER_RUN(tests) \
	(recover_begin() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL))
int recover_begin(void);

#endif
