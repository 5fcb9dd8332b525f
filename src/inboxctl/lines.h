/* SPDX-License-Identifier: ISC */
/*
 * A file's lines, one after the other, in a fixed room whatever the file holds.
 * It may grow meanwhile: the end is the end only for now.
 */
#ifndef INBOXCTL_LINES_H
#define INBOXCTL_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/record.h"

struct lines {
	int fd;          /* borrowed; read by pread(2) */
	uint64_t offset; /* where the next line begins */
	size_t start, held;
	uint64_t skipped; /* bytes of a line too long that are dropped already */
	char buffer[16 * RECORD_LINE_MAX];
};

void lines_start(struct lines *lines, int fd, uint64_t offset);

/*
 * 1: a line, without its LF, valid until the next call; one that does not fit
 * comes with a len above RECORD_LINE_MAX and without its beginning.  0: there
 * is no further whole line.  -1 with errno.
 */
MUST_CHECK int lines_next(struct lines *lines, const char **text, size_t *len);

/* Bytes behind the last LF, once lines_next() has given 0. */
uint64_t lines_rest(const struct lines *lines);

#endif
