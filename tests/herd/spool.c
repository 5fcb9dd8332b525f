/* SPDX-License-Identifier: ISC */
/* See spool.h. */
#include "config.h"

#include "spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

#define FIELDS_MAX 32

struct reader {
	struct spool *spool;
	const char *inbox;
	size_t room;
};

static void *
grow(void *rows, size_t count, size_t size)
{
	/* At each power of two. */
	if (count != 0 && (count & (count - 1)) != 0)
		return rows;
	rows = realloc(rows, (count ? 2 * count : 1) * size);
	if (!rows)
		run_die("out of memory");
	return rows;
}

static char *
copy(const char *text)
{
	char *copied = strdup(text);

	if (!copied)
		run_die("out of memory");
	return copied;
}

/* ---- the ledger: "<CRC> accept <seq> <time> <client> <queue> <n> <inbox> <size> <sha256> <name>
 * ...", "<CRC> void <seq>", "<CRC> renamed <seq> <name>" */

static void
add_accept(struct spool *spool, char **field)
{
	struct accept *accept;

	spool->accept = grow(spool->accept, spool->accepts, sizeof *spool->accept);
	accept = &spool->accept[spool->accepts++];
	memset(accept, 0, sizeof *accept);
	accept->seq = strtoull(field[2], NULL, 10);
	accept->identity = copy(field[4]);
	accept->queue = copy(field[5]);
	accept->n = strtoull(field[6], NULL, 10);
	accept->size = strtoull(field[8], NULL, 10);
	if (digest_parse(accept->sha256, field[9], strlen(field[9])) < 0)
		memset(accept->sha256, 0, sizeof accept->sha256);
	accept->name = copy(field[10]);
}

static struct accept *
find_seq(struct spool *spool, uint64_t seq)
{
	/* What is said of an accept stands soon behind it. */
	for (size_t i = spool->accepts; i-- > 0;)
		if (spool->accept[i].seq == seq)
			return &spool->accept[i];
	return NULL;
}

static void
read_record(const struct reader *reader, char *line)
{
	char *field[FIELDS_MAX], *at = line;
	struct accept *accept;
	size_t count = 0;

	line[strcspn(line, "\n")] = '\0';
	while (count < FIELDS_MAX && at) {
		field[count++] = at;
		at = strchr(at, ' ');
		if (at)
			*at++ = '\0';
	}
	if (count >= 11 && strcmp(field[1], "accept") == 0 &&
	    strcmp(field[7], reader->inbox) == 0) {
		add_accept(reader->spool, field);
	} else if (count >= 3 && strcmp(field[1], "void") == 0) {
		accept = find_seq(reader->spool, strtoull(field[2], NULL, 10));
		if (accept)
			accept->is_void = 1;
	} else if (count >= 4 && strcmp(field[1], "renamed") == 0) {
		accept = find_seq(reader->spool, strtoull(field[2], NULL, 10));
		if (accept) {
			free(accept->name);
			accept->name = copy(field[3]);
		}
	}
}

static void
read_segment(const struct reader *reader, FILE *in)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, in) != -1)
		if (strchr(line, '\n'))
			read_record(reader, line);
	free(line);
}

static void
free_accept(struct accept *accept)
{
	free(accept->identity);
	free(accept->queue);
	free(accept->name);
}

static int
by_seq(const void *a, const void *b)
{
	const struct accept *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* A new segment begins with copies of what is not settled. */
static void
drop_copies(struct spool *spool)
{
	size_t kept = 0;

	if (spool->accepts == 0)
		return;
	qsort(spool->accept, spool->accepts, sizeof *spool->accept, by_seq);
	for (size_t i = 1; i < spool->accepts; i++) {
		struct accept *accept = &spool->accept[i];

		if (accept->seq == spool->accept[kept].seq) {
			spool->accept[kept].is_void |= accept->is_void;
			free_accept(accept);
		} else {
			spool->accept[++kept] = *accept;
		}
	}
	spool->accepts = kept + 1;
}

static int
is_segment(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 4 && strcmp(entry->d_name + len - 4, ".log") == 0;
}

static int
read_ledger(struct spool *spool, const char *root, const char *inbox, struct why *why)
{
	struct reader reader = {.spool = spool, .inbox = inbox};
	struct dirent **names;
	char path[1024];
	int count, rc = 0;

	snprintf(path, sizeof path, "%s/ledger", root);
	count = scandir(path, &names, is_segment, alphasort);
	if (count < 0)
		return why_say(why, "%s: %s", path, strerror(errno));
	for (int i = 0; i < count; i++) {
		FILE *in;

		snprintf(path, sizeof path, "%s/ledger/%s", root, names[i]->d_name);
		in = fopen(path, "r");
		if (in) {
			read_segment(&reader, in);
			fclose(in);
		} else {
			rc = why_say(why, "%s: %s", path, strerror(errno));
		}
		free(names[i]);
	}
	free(names);
	drop_copies(spool);
	return rc;
}

/* ---- the inbox */

static int
read_file(struct file *file, int dir, const char *name, struct why *why)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	unsigned long long size;

	if (fd < 0 || digest_file(fd, 0, file->sha256, &size) < 0) {
		why_say(why, "new/%s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	file->size = size;
	file->name = copy(name);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static int
read_inbox(struct spool *spool, const char *root, const char *inbox, struct why *why)
{
	const struct dirent *entry;
	char path[1024];
	DIR *dir;
	int rc = 0;

	snprintf(path, sizeof path, "%s/%s/new", root, inbox);
	dir = opendir(path);
	if (!dir)
		return why_say(why, "%s: %s", path, strerror(errno));
	while (rc == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		spool->file = grow(spool->file, spool->files, sizeof *spool->file);
		rc = read_file(&spool->file[spool->files], dirfd(dir), entry->d_name, why);
		if (rc == 0)
			spool->files++;
	}
	closedir(dir);
	if (spool->files > 0)
		qsort(spool->file, spool->files, sizeof *spool->file, by_name);
	return rc;
}

const struct file *
spool_find(const struct spool *spool, const char *name)
{
	struct file key = {.name = (char *)(uintptr_t)name};

	return spool->files == 0 ? NULL :
	    bsearch(&key, spool->file, spool->files, sizeof *spool->file, by_name);
}

int
spool_read(struct spool *spool, const char *root, const char *inbox, struct why *why)
{
	memset(spool, 0, sizeof *spool);
	/* The folder first: what comes meanwhile has its record by then. */
	if (read_inbox(spool, root, inbox, why) == 0 &&
	    read_ledger(spool, root, inbox, why) == 0)
		return 0;
	spool_free(spool);
	return -1;
}

void
spool_free(struct spool *spool)
{
	for (size_t i = 0; i < spool->accepts; i++)
		free_accept(&spool->accept[i]);
	for (size_t i = 0; i < spool->files; i++)
		free(spool->file[i].name);
	free(spool->accept);
	free(spool->file);
	memset(spool, 0, sizeof *spool);
}
