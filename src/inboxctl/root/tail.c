/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/root/tail.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/root/root.h"
#include "lib/walk.h"

/* ---- where they begin */

/* How many are wanted of a segment, but for copies; no more than `most` are counted. */
static uint64_t
count_segment(struct walk *walk, uint64_t most, history_wants *wants, void *ctx)
{
	struct record record;
	uint64_t count = 0;

	while (count < most) {
		switch (walk_next(walk, &record)) {
		case WALK_RECORD:
			count += !walk->in_state && wants(ctx, &record);
			break;
		case WALK_DAMAGED:
		case WALK_STRANGER:
			break;
		case WALK_TORN:
		case WALK_END:
		case WALK_FAILED:
			return count;
		}
	}
	return count;
}

int
tail_find(const struct root *root, uint64_t count, history_wants *wants, void *ctx,
    char after[SEGMENT_NAME_ROOM])
{
	struct walk *walk = malloc(sizeof *walk);
	char name[SEGMENT_NAME_ROOM];
	uint64_t found = 0;
	int rc = walk ? segment_find_newest(root->ledger, after) : -1;

	/* The newest one is read in any case: what comes stands there. */
	for (int is_newest = 1; rc == 0 && after[0] && (is_newest || found < count);
	     is_newest = 0) {
		memcpy(name, after, sizeof name);
		int fd = segment_open(root->ledger, name);
		if (fd >= 0) {
			walk_start(walk, fd, name, root->id);
			found += count_segment(walk, count - found, wants, ctx);
			close(fd);
		}
		rc = segment_find_previous(root->ledger, name, after);
	}
	if (rc < 0)
		complain("ledger: %s", strerror(errno));
	free(walk);
	return rc;
}

/* ---- what they are */

/* An entry, its record as the line, which takes a sixth of the struct's room. */
struct kept {
	struct kept *next;
	enum outcome outcome;
	int64_t time;
	char renamed[NAME_ROOM];
	size_t len;
	char line[];
};

struct tail {
	uint64_t most, count;
	struct kept *first, **last;
};

struct tail *
tail_new(uint64_t count)
{
	struct tail *tail = calloc(1, sizeof *tail);

	if (!tail)
		return NULL;
	tail->most = count;
	tail->last = &tail->first;
	return tail;
}

static void
drop_first(struct tail *tail)
{
	struct kept *first = tail->first;

	tail->first = first->next;
	if (!tail->first)
		tail->last = &tail->first;
	tail->count--;
	free(first);
}

void
tail_free(struct tail *tail)
{
	if (!tail)
		return;
	while (tail->first)
		drop_first(tail);
	free(tail);
}

int
tail_put(struct tail *tail, const struct entry *entry)
{
	char line[RECORD_LINE_MAX + 1];
	size_t len = record_format(&entry->record, line);
	struct kept *kept;

	if (tail->most == 0)
		return 0;
	kept = malloc(sizeof *kept + len);
	if (!kept)
		return -1;
	*kept = (struct kept){.outcome = entry->outcome, .time = entry->record.time, .len = len};
	memcpy(kept->renamed, entry->renamed, sizeof kept->renamed);
	memcpy(kept->line, line, len);
	if (tail->count == tail->most)
		drop_first(tail);
	*tail->last = kept;
	tail->last = &kept->next;
	tail->count++;
	return 0;
}

int
tail_take(struct tail *tail, struct entry *entry)
{
	const struct kept *first = tail->first;

	if (!first)
		return 0;
	int rc = record_parse(first->line, first->len - 1, &entry->record);
	assert(rc == 0); /* it is our own writing */
	(void)rc;
	entry->record.time = first->time;
	entry->outcome = first->outcome;
	memcpy(entry->renamed, first->renamed, sizeof entry->renamed);
	drop_first(tail);
	return 1;
}
