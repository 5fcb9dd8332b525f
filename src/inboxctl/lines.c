/* SPDX-License-Identifier: ISC */
#include "inboxctl/lines.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void
lines_start(struct lines *lines, int fd, uint64_t offset)
{
	lines->fd = fd;
	lines->offset = offset;
	lines->start = lines->held = 0;
	lines->skipped = 0;
}

/* Bytes got, 0 at the end, -1 with errno. */
static ssize_t
read_more(struct lines *lines)
{
	ssize_t got;

	if (lines->start > 0)
		memmove(lines->buffer, lines->buffer + lines->start, lines->held);
	lines->start = 0;
	if (lines->held == sizeof(lines->buffer)) {
		lines->skipped += lines->held;
		lines->held = 0;
	}
	do {
		got = pread(lines->fd, lines->buffer + lines->held,
		    sizeof(lines->buffer) - lines->held,
		    (off_t)(lines->offset + lines->skipped + lines->held));
	} while (got < 0 && errno == EINTR);
	if (got > 0)
		lines->held += (size_t)got;
	return got;
}

int
lines_next(struct lines *lines, const char **text, size_t *len)
{
	const char *from, *end;
	ssize_t got;

	for (;;) {
		from = lines->buffer + lines->start;
		end = memchr(from, '\n', lines->held);
		if (end)
			break;
		got = read_more(lines);
		if (got <= 0)
			return (int)got;
	}
	size_t whole = (size_t)(end - from) + 1;
	*text = from;
	*len = lines->skipped > 0 ? sizeof(lines->buffer) : whole - 1;
	lines->offset += lines->skipped + whole;
	lines->start += whole;
	lines->held -= whole;
	lines->skipped = 0;
	return 1;
}

uint64_t
lines_rest(const struct lines *lines)
{
	return lines->skipped + lines->held;
}
