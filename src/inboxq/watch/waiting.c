/* SPDX-License-Identifier: ISC */
#include "inboxq/watch/waiting.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384 /* a power of two */
#define LOOKS 256     /* for one that gives way, in one go */

struct waiting {
	struct waiting_file *first, *last;
	struct waiting_file *giving; /* where to look for one that gives way; NULL: at the first */
	size_t count;
	struct waiting_file *buckets[BUCKETS];
};

struct waiting *
waiting_new(void)
{
	return calloc(1, sizeof(struct waiting));
}

void
waiting_free(struct waiting *waiting)
{
	if (!waiting)
		return;
	while (waiting->first)
		waiting_drop(waiting, waiting->first);
	free(waiting);
}

/* FNV-1a; who fills a bucket with names slows his own folder down, up to WAITING_MAX. */
static struct waiting_file **
bucket_of(struct waiting *waiting, const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return &waiting->buckets[(hash ^ hash >> 16) & (BUCKETS - 1)];
}

static int
make_room(struct waiting *waiting)
{
	for (int i = 0; i < LOOKS; i++) {
		struct waiting_file *file = waiting->giving ? waiting->giving : waiting->first;

		waiting->giving = file->next;
		if (file->sight.said) {
			waiting_drop(waiting, file);
			return 1;
		}
	}
	return 0;
}

struct waiting_file *
waiting_see(struct waiting *waiting, const char *name)
{
	struct waiting_file **bucket = bucket_of(waiting, name), *file;
	size_t len = strlen(name) + 1;

	for (file = *bucket; file; file = file->chain)
		if (strcmp(file->name, name) == 0)
			return file;
	if (waiting->count >= WAITING_MAX && !make_room(waiting))
		return NULL;
	file = calloc(1, sizeof *file + len);
	if (!file)
		return NULL;
	memcpy(file->name, name, len);
	file->chain = *bucket;
	*bucket = file;
	file->before = waiting->last;
	if (waiting->last)
		waiting->last->next = file;
	else
		waiting->first = file;
	waiting->last = file;
	waiting->count++;
	return file;
}

void
waiting_drop(struct waiting *waiting, struct waiting_file *file)
{
	struct waiting_file **at = bucket_of(waiting, file->name);

	while (*at != file)
		at = &(*at)->chain;
	*at = file->chain;
	if (waiting->giving == file)
		waiting->giving = file->next;
	if (file->before)
		file->before->next = file->next;
	else
		waiting->first = file->next;
	if (file->next)
		file->next->before = file->before;
	else
		waiting->last = file->before;
	waiting->count--;
	free(file);
}

struct waiting_file *
waiting_first(const struct waiting *waiting)
{
	return waiting->first;
}

size_t
waiting_count(const struct waiting *waiting)
{
	return waiting->count;
}
