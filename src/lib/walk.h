/* SPDX-License-Identifier: ISC */
/*
 * One segment of the ledger, record by record, and what of it is not good.  The
 * receiver's start and inboxctl both read by it, so they say the same of the same
 * bytes:
 *
 *	damaged  a line that is no record, or one that cannot stand where it does, or
 *	         a record that is missing (the numbers of accepts leave none out),
 *	         within the state that a segment begins with, or with a mark behind it that
 *	         vouches for it: such a line was once whole on the disk.
 *	torn     the same with no such mark behind it.  It may never have reached the disk,
 *	         and nothing was promised on its word: neither it nor what follows counts.
 *
 * A mark's `stored` vouches for all up to the line of that accept, which was on the disk when
 * the mark was written; what stands behind that line was with the kernel alone, since what was
 * acknowledged stands in the journal.  In version 1, which had none, a mark vouches for all
 * before it.
 *
 *	a stranger's  the segment of another root: nothing in it counts.
 *
 * The file may grow meanwhile: its end is the end only for now.
 */
#ifndef LIB_WALK_H
#define LIB_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"
#include "lib/why.h"


enum walk_step {
	WALK_RECORD,  /* a good record */
	WALK_DAMAGED, /* `why` says where and what; the walk goes on behind it */
	WALK_STRANGER, /* `why` says whose; WALK_END follows */
	WALK_TORN,    /* all from `offset` on does not count; WALK_END follows */
	WALK_END,     /* there is no further whole line, for now */
	WALK_FAILED   /* reading failed, with errno; `why` says it, too */
};

/* A file's lines in a fixed room, whatever it holds. */
struct walk_lines {
	int fd;            /* borrowed; read by pread(2) */
	uint64_t offset;   /* where the next line begins */
	uint64_t count;    /* of the lines before it */
	size_t start, held;
	uint64_t skipped;  /* bytes of a line too long that are dropped already */
	char buffer[16 * RECORD_LINE_MAX];
};

struct walk {
	const char *name;   /* of the segment, borrowed, for `why` */
	const char *root;
	uint64_t line;      /* of what was given last, from 1 */
	uint64_t offset;    /* end of the last line that counts */
	int in_state;       /* the next record belongs to the state, as far as is known */
	uint64_t next_seq;  /* the next accept's; 0: not known, the begin record is damaged */
	uint64_t version;   /* the segment's; 0: likewise */
	struct why why;
	/* the rest is walk.c's */
	int is_over;    /* nothing behind counts */
	int is_excused; /* what is missing may have stood in a bad line that has been told */
	/* The good mark found ahead: its end, its line, up to which accept it vouches. */
	uint64_t marked_to, mark_line, marked_seq;
	struct walk_lines lines;
};

/* Begins at the start of `fd`, which stays the caller's, as `name` and `root` do: the id of the
 * root whose segment it has to be ("": one that has no id), or NULL: whosever it is. */
void walk_start(struct walk *walk, int fd, const char *name, const char *root);

MUST_CHECK enum walk_step walk_next(struct walk *walk, struct record *out);

/* Bytes read behind `offset` that end in no LF, once walk_next() has given WALK_END. */
uint64_t walk_rest(const struct walk *walk);

#endif
