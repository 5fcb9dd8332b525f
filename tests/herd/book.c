/* SPDX-License-Identifier: ISC */
/* See book.h. */
#include "config.h"

#include "book.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

static struct entry *
add(struct book *book)
{
	if (book->count == book->room) {
		book->room = book->room ? 2 * book->room : 1024;
		book->entry = realloc(book->entry, book->room * sizeof *book->entry);
		if (!book->entry)
			run_die("out of memory");
	}
	return &book->entry[book->count++];
}

void
book_add(struct book *book, const struct entry *entry, const char *name, size_t name_len)
{
	struct entry *added = add(book);

	*added = *entry;
	added->name = strndup(name, name_len);
	if (!added->name)
		run_die("out of memory");
}

void
book_join(struct book *to, struct book *from)
{
	for (size_t i = 0; i < from->count; i++)
		*add(to) = from->entry[i];
	free(from->entry);
	memset(from, 0, sizeof *from);
}

void
book_free(struct book *book)
{
	for (size_t i = 0; i < book->count; i++)
		free(book->entry[i].name);
	free(book->entry);
	memset(book, 0, sizeof *book);
}

int
book_write(const struct book *book, const char *path, struct why *why)
{
	FILE *out = fopen(path, "w");
	int failed;

	if (!out)
		return why_say(why, "%s: %s", path, strerror(errno));
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *entry = &book->entry[i];
		char hex[DIGEST_TEXT_ROOM];

		digest_print(hex, entry->sha256);
		fprintf(out, "%s %s %" PRIu64 " %s %" PRIu64 " %s\n", entry->identity,
		    entry->queue, entry->n, hex, entry->size, entry->name);
	}
	failed = ferror(out);
	if (fclose(out) != 0 || failed)
		return why_say(why, "%s: %s", path, strerror(errno));
	return 0;
}

static int
read_line(struct book *book, const char *line)
{
	char hex[DIGEST_TEXT_ROOM], name[PROTO_NAME_MAX + 1], end;
	struct entry entry;

	if (sscanf(line, "%31s %32s %" SCNu64 " %64s %" SCNu64 " %255s%c", entry.identity,
	    entry.queue, &entry.n, hex, &entry.size, name, &end) != 7 || end != '\n' ||
	    digest_parse(entry.sha256, hex, strlen(hex)) < 0)
		return -1;
	book_add(book, &entry, name, strlen(name));
	return 0;
}

int
book_read(struct book *book, const char *path, struct why *why)
{
	FILE *in = fopen(path, "r");
	char *line = NULL;
	size_t room = 0, count = 0;
	int rc = 0;

	if (!in)
		return why_say(why, "%s: %s", path, strerror(errno));
	while (rc == 0 && getline(&line, &room, in) != -1) {
		count++;
		rc = read_line(book, line);
	}
	if (rc < 0)
		why_say(why, "%s:%zu: no entry of a book", path, count);
	free(line);
	fclose(in);
	return rc;
}
