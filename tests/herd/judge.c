/* SPDX-License-Identifier: ISC */
/* See judge.h. */
#include "config.h"

#include "judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/clock.h"
#include "run.h"
#include "spool.h"

#define TOLD_MAX 20       /* findings */
#define VISIBLE_WITHIN 60 /* seconds */

struct court {
	struct verdict *verdict;
	const struct book *book; /* by key, then name */
	struct spool spool;
	/* The ledger's, none void: by key and digest; by name. */
	const struct accept **by_key, **by_name;
	/* Digests of the book's, in order. */
	const struct entry **by_digest;
	size_t accepts;
	uint64_t told;
};

static void
find(struct court *court, uint64_t *which, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void
find(struct court *court, uint64_t *which, const char *fmt, ...)
{
	const char *word = which == &court->verdict->lost ? "lost" :
	    which == &court->verdict->torn ? "torn" :
	    which == &court->verdict->twice ? "twice" : "unexpected";
	va_list args;

	(*which)++;
	if (court->told++ >= TOLD_MAX)
		return;
	fprintf(stderr, "inboxload: %s: ", word);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

/* ---- orders */

static int
compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->identity, y->identity);

	if (order == 0)
		order = strcmp(x->queue, y->queue);
	if (order == 0)
		order = compare_numbers(x->n, y->n);
	return order ? order : strcmp(x->name, y->name);
}

static int
compare_keys(const struct accept *x, const struct accept *y)
{
	int order = strcmp(x->identity, y->identity);

	if (order == 0)
		order = strcmp(x->queue, y->queue);
	if (order == 0)
		order = compare_numbers(x->n, y->n);
	return order ? order : memcmp(x->sha256, y->sha256, DIGEST_SIZE);
}

static int
compare_by_key(const void *a, const void *b)
{
	return compare_keys(*(const struct accept *const *)a, *(const struct accept *const *)b);
}

static int
compare_by_name(const void *a, const void *b)
{
	const struct accept *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int
compare_by_digest(const void *a, const void *b)
{
	const struct entry *const *x = a, *const *y = b;

	return memcmp((*x)->sha256, (*y)->sha256, DIGEST_SIZE);
}

static int
is_same_item(const struct entry *a, const struct entry *b)
{
	return strcmp(a->identity, b->identity) == 0 && strcmp(a->queue, b->queue) == 0 &&
	    a->n == b->n;
}

static int
is_heard(const struct entry *entry)
{
	return strcmp(entry->name, BOOK_UNHEARD) != 0;
}

/* ---- finding things */

static const struct accept *
record_named(const struct court *court, const char *name)
{
	struct accept key = {.name = (char *)(uintptr_t)name};
	const struct accept *at = &key, **found = NULL;

	if (court->accepts > 0)
		found = bsearch(&at, court->by_name, court->accepts, sizeof at, compare_by_name);
	return found ? *found : NULL;
}

/* Of the book: an entry of the same item, heard or not. */
static const struct entry *
entry_of(const struct court *court, const struct accept *accept)
{
	size_t from = 0, to = court->book->count;
	struct entry key = {.n = accept->n, .name = ""};

	snprintf(key.identity, sizeof key.identity, "%s", accept->identity);
	snprintf(key.queue, sizeof key.queue, "%s", accept->queue);
	while (from < to) {
		size_t at = from + (to - from) / 2;

		if (compare_entries(&court->book->entry[at], &key) < 0)
			from = at + 1;
		else
			to = at;
	}
	if (from < court->book->count && is_same_item(&court->book->entry[from], &key))
		return &court->book->entry[from];
	return NULL;
}

static int
is_digest_of_ours(const struct court *court, const struct file *file)
{
	struct entry key = {.n = 0};
	const struct entry *at = &key;

	memcpy(key.sha256, file->sha256, DIGEST_SIZE);
	return court->book->count > 0 && bsearch(&at, court->by_digest, court->book->count,
	    sizeof at, compare_by_digest) != NULL;
}

/* ---- what must be true */

static void
judge_entry(struct court *court, const struct entry *entry)
{
	const struct accept *record = record_named(court, entry->name);
	const struct file *file = spool_find(&court->spool, entry->name);

	if (!file)
		find(court, &court->verdict->lost, "%s %s %" PRIu64 ": no file %s",
		    entry->identity, entry->queue, entry->n, entry->name);
	else if (file->size != entry->size ||
	    memcmp(file->sha256, entry->sha256, DIGEST_SIZE) != 0)
		find(court, &court->verdict->torn, "%s: %" PRIu64 " bytes of %" PRIu64
		    ", or others than were acknowledged", entry->name, file->size, entry->size);
	if (!record)
		find(court, &court->verdict->lost, "%s: not in the ledger", entry->name);
	else if (strcmp(record->identity, entry->identity) != 0 ||
	    strcmp(record->queue, entry->queue) != 0 || record->n != entry->n ||
	    record->size != entry->size ||
	    memcmp(record->sha256, entry->sha256, DIGEST_SIZE) != 0)
		find(court, &court->verdict->torn, "%s: the ledger has it as %s %s %" PRIu64
		    ", or with another size or digest", entry->name, record->identity,
		    record->queue, record->n);
}

static void
judge_book(struct court *court)
{
	const struct book *book = court->book;

	for (size_t i = 0; i < book->count; i++) {
		const struct entry *entry = &book->entry[i], *before = i > 0 ? entry - 1 : NULL;

		if (!is_heard(entry))
			continue;
		court->verdict->acknowledged++;
		if (before && is_heard(before) && is_same_item(before, entry) &&
		    strcmp(before->name, entry->name) == 0)
			continue; /* acknowledged again, as it should be */
		if (before && is_heard(before) && is_same_item(before, entry))
			find(court, &court->verdict->twice, "%s %s %" PRIu64
			    ": acknowledged as %s and as %s", entry->identity, entry->queue,
			    entry->n, before->name, entry->name);
		judge_entry(court, entry);
	}
}

static void
judge_ledger(struct court *court)
{
	for (size_t i = 0; i < court->accepts; i++) {
		const struct accept *record = court->by_key[i];
		const struct entry *entry = entry_of(court, record);

		court->verdict->records++;
		if (i > 0 && compare_keys(court->by_key[i - 1], record) == 0)
			find(court, &court->verdict->twice, "%s %s %" PRIu64
			    ": the ledger has it as %s and as %s", record->identity,
			    record->queue, record->n, court->by_key[i - 1]->name, record->name);
		if (!entry || memcmp(entry->sha256, record->sha256, DIGEST_SIZE) != 0)
			find(court, &court->verdict->unexpected, "%s %s %" PRIu64
			    ": in the ledger as %s, and nobody sent it", record->identity,
			    record->queue, record->n, record->name);
	}
}

static void
judge_files(struct court *court)
{
	for (size_t i = 0; i < court->spool.files; i++) {
		const struct file *file = &court->spool.file[i];
		const struct accept *record = record_named(court, file->name);
		const struct entry *entry = record ? entry_of(court, record) : NULL;

		court->verdict->files++;
		if (!record && is_digest_of_ours(court, file))
			find(court, &court->verdict->twice, "%s: a second file of its bytes, and "
			    "not in the ledger", file->name);
		else if (!record)
			find(court, &court->verdict->unexpected, "%s: a file, and not in the "
			    "ledger", file->name);
		else if ((record->size != file->size ||
		    memcmp(record->sha256, file->sha256, DIGEST_SIZE) != 0) &&
		    !(entry && is_heard(entry))) /* else it has been told */
			find(court, &court->verdict->torn, "%s: other bytes than the ledger has",
			    file->name);
	}
}

/* ---- all of it */

static void *
need(size_t count, size_t size)
{
	void *rows = calloc(count ? count : 1, size);

	if (!rows)
		run_die("out of memory");
	return rows;
}

static void
sort_all(struct court *court, struct book *book)
{
	const struct spool *spool = &court->spool;

	court->by_key = need(spool->accepts, sizeof *court->by_key);
	court->by_name = need(spool->accepts, sizeof *court->by_name);
	court->by_digest = need(book->count, sizeof *court->by_digest);
	for (size_t i = 0; i < spool->accepts; i++)
		if (!spool->accept[i].is_void)
			court->by_key[court->accepts++] = &spool->accept[i];
	memcpy(court->by_name, court->by_key, court->accepts * sizeof *court->by_key);
	for (size_t i = 0; i < book->count; i++)
		court->by_digest[i] = &book->entry[i];
	qsort(court->by_key, court->accepts, sizeof *court->by_key, compare_by_key);
	qsort(court->by_name, court->accepts, sizeof *court->by_name, compare_by_name);
	qsort(court->by_digest, book->count, sizeof *court->by_digest, compare_by_digest);
}

/* An item is visible a moment after its STORED. */
static void
wait_visible(const struct book *book, const struct options *options)
{
	const struct timespec pause = {0, 20000000};
	int64_t until = clock_seconds() + VISIBLE_WITHIN;
	char path[1024];
	struct stat st;

	for (size_t i = 0; i < book->count; i++) {
		if (!is_heard(&book->entry[i]))
			continue;
		snprintf(path, sizeof path, "%s/%s/new/%s", options->root, options->inbox,
		    book->entry[i].name);
		while (stat(path, &st) < 0 && clock_seconds() < until && !options->judge)
			nanosleep(&pause, NULL);
	}
}

int
judge(struct verdict *verdict, struct book *book, const struct options *options, struct why *why)
{
	struct court court = {.verdict = verdict, .book = book};

	memset(verdict, 0, sizeof *verdict);
	if (book->count > 0)
		qsort(book->entry, book->count, sizeof *book->entry, compare_entries);
	wait_visible(book, options);
	if (spool_read(&court.spool, options->root, options->inbox, why) < 0)
		return -1;
	sort_all(&court, book);
	judge_book(&court);
	judge_ledger(&court);
	judge_files(&court);
	free(court.by_key);
	free(court.by_name);
	free(court.by_digest);
	spool_free(&court.spool);
	return 0;
}
