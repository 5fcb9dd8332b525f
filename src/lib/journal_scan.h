/* SPDX-License-Identifier: ISC */
/*
 * The heads that stand in a journal's segments, for journal_read.c alone.  What fails or is
 * refused here is told in the struct journal, and then -1 is returned.
 */
#ifndef LIB_JOURNAL_SCAN_H
#define LIB_JOURNAL_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/journal.h"

/* A head that was found: what the way from one to the other needs. */
struct journal_entry {
	uint64_t number, before, from, last;
	uint32_t crc, chain;
	uint32_t segment, offset, size; /* where the batch lies; whole blocks */
};

struct journal_scan {
	struct journal *journal;
	int dir;          /* borrowed */
	const char *root; /* whose it has to be, borrowed; NULL: anybody's */
	uint32_t end;     /* no segment has this index, or one above it */
	int is_known;     /* whose it is: heads of another owner count for nothing */
	uint32_t owner_at;         /* the segment that says so */
	struct journal_head owner; /* number 0: none yet */
	struct journal_entry *entries;
	size_t count;
	/* The segment at hand, and how many bytes of it are; 0: none is. */
	uint32_t segment;
	size_t size;
	struct journal_head head; /* of the batch at hand */
	unsigned char bytes[JOURNAL_SEGMENT];
};

/* NULL: out of memory. */
MUST_CHECK struct journal_scan *scan_new(struct journal *journal, int dir, const char *root);
void scan_free(struct journal_scan *scan);

/* Finds all heads: by number, and none if there is no journal.  0, or -1. */
MUST_CHECK int scan_all(struct journal_scan *scan);

/* Reads a batch.  1: it is at hand, as it was when its head was found; 0: it is not; -1. */
MUST_CHECK int scan_load_batch(struct journal_scan *scan, const struct journal_entry *entry);
/* Are all its frames right, too?  1, 0 or -1. */
MUST_CHECK int scan_is_whole(struct journal_scan *scan, const struct journal_entry *entry);
/* Frame i of the batch at hand, whose bytes begin at *at there; goes on to the next one. */
struct journal_frame scan_frame(const struct journal_scan *scan,
    const struct journal_entry *entry, uint32_t i, size_t *at);

/* Something failed with errno, which stays.  Returns -1. */
int scan_fail(struct journal_scan *scan);
/* It cannot be gone on with; the reason is to be said in what is returned. */
struct why *scan_refuse(struct journal_scan *scan, enum journal_found found);

/* Room for one more of `size` bytes behind the `count` that it was called for one by one.  NULL:
 * out of memory, and the array is as it was. */
MUST_CHECK void *scan_grow(void *array, size_t count, size_t size);
/* Bytes got, fewer than `len` only at the file's end; -1 with errno. */
MUST_CHECK ssize_t scan_read(int fd, void *dst, size_t len, uint32_t offset);

#endif
