/* SPDX-License-Identifier: ISC */
/*
 * The bytes of a file, of a descriptor, or in memory, into a draft.  What is taken is what could be
 * read, from the first byte to the end, with its digest; the size that the system tells
 * is not relied on, since /proc, /sys and some others tell none.
 *
 * A file that is written to meanwhile is read once more: where it still begins with the bytes
 * that were taken, it has grown, as a log does, and they are what it was a moment ago.
 * Else a mixture of old and new was taken, and all begins anew, a few times.
 *
 * Where there are zeros the draft gets a hole: a core dump takes the room that it took.
 */
#ifndef INBOXQ_SPOOL_COPY_H
#define INBOXQ_SPOOL_COPY_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/attr.h"
#include "lib/digest.h"

struct copy;

enum copy_result {
	COPY_OK,
	COPY_GREW,       /* taken as it was a moment ago: it has more bytes by now */
	COPY_CHANGING,   /* it is rewritten again and again */
	COPY_UNREADABLE, /* errno says why */
	COPY_UNWRITABLE, /* the draft: errno says why */
	COPY_NO_DIGEST,
};

/* NULL: out of memory. */
MUST_CHECK struct copy *copy_new(void);
void copy_free(struct copy *copy);

/* From now on it is asked all along: not 0 ends the copying, COPY_UNREADABLE with ECANCELED. */
void copy_set_stop(struct copy *copy, int (*is_stopped)(void));

/* Where the bytes go, and what they were. */
struct copy_draft {
	int fd;
	off_t at; /* behind this byte nothing is kept */
	uint64_t size; /* bytes taken */
	unsigned char sha256[DIGEST_SIZE];
};

/* From descriptor `from`, which is a regular file if `is_file`; else it is read once, as it comes,
 * and waited for where it does not block. */
MUST_CHECK enum copy_result copy_bytes(struct copy *copy, int from, int is_file,
    struct copy_draft *to);

/* From memory. */
MUST_CHECK enum copy_result copy_memory(struct copy *copy, const void *data, size_t size,
    struct copy_draft *to);

#endif
