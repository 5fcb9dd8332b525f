/* SPDX-License-Identifier: ISC */
#include "inboxctl/root/story.h"

#include <stdlib.h>
#include <string.h>

/* A gap that no loss explains counts as one number: as in inboxd/commit/clients.h. */
#define JUMP 1000000

static struct story_queue *
find_queue(const struct story *story, const char *id)
{
	for (size_t i = 0; i < story->count; i++)
		if (strcmp(story->queues[i].id, id) == 0)
			return &story->queues[i];
	return NULL;
}

static struct story_queue *
find_or_add(struct story *story, const char *id)
{
	struct story_queue *queue = find_queue(story, id), *more;

	if (queue)
		return queue;
	more = reallocarray(story->queues, story->count + 1, sizeof *more);
	if (!more)
		return NULL;
	story->queues = more;
	queue = &more[story->count++];
	*queue = (struct story_queue){.settled = 1};
	memcpy(queue->id, id, sizeof queue->id);
	return queue;
}

/* A segment says all anew but what is forgotten. */
static void
begin_anew(struct story *story)
{
	size_t kept = 0;

	for (size_t i = 0; i < story->count; i++) {
		struct story_queue *queue = &story->queues[i];
		if (queue->forgotten)
			story->queues[kept++] = *queue;
		else
			free(queue->gaps);
	}
	story->count = kept;
}

/* ---- gaps */

static int
add_gap(struct story_queue *queue, size_t at, struct story_gap gap)
{
	struct story_gap *more = reallocarray(queue->gaps, queue->gap_count + 1, sizeof *more);

	if (!more)
		return -1;
	queue->gaps = more;
	memmove(&more[at + 1], &more[at], (queue->gap_count - at) * sizeof *more);
	more[at] = gap;
	queue->gap_count++;
	return 0;
}

/* So that none reaches over `at`: one that does becomes two.  One of which nobody knows which of
 * its numbers are missing stays. */
static int
cut_gap(struct story_queue *queue, uint64_t at)
{
	for (size_t i = 0; i < queue->gap_count; i++) {
		struct story_gap *gap = &queue->gaps[i], rest = *gap;
		if (gap->first >= at || gap->last < at || gap->missing)
			continue;
		gap->last = at - 1;
		rest.first = at;
		return add_gap(queue, i + 1, rest);
	}
	return 0;
}

/* The number has come after all, or never will by the client's word. */
static int
end_gap(struct story_queue *queue, uint64_t number)
{
	if (cut_gap(queue, number) < 0 || cut_gap(queue, number + 1) < 0)
		return -1;
	for (size_t i = 0; i < queue->gap_count; i++) {
		struct story_gap *gap = &queue->gaps[i];
		if (gap->first != number || gap->last != number)
			continue;
		memmove(gap, gap + 1, (--queue->gap_count - i) * sizeof *gap);
		queue->figures.tally.missing -= queue->figures.tally.missing > 0;
		break;
	}
	return 0;
}

static int
confirm_gaps(struct story_queue *queue, uint64_t first, uint64_t last)
{
	if (cut_gap(queue, first) < 0 || cut_gap(queue, last + 1) < 0)
		return -1;
	for (size_t i = 0; i < queue->gap_count; i++)
		if (queue->gaps[i].first >= first && queue->gaps[i].last <= last)
			queue->gaps[i].is_known = 1;
	return 0;
}

static int
take_gap(struct story_queue *queue, const struct record *record)
{
	const struct story_gap gap = {record->n, record->to, record->missing, record->since,
	    record->known != 0};

	if (record->known && !record->kept)
		return confirm_gaps(queue, record->n, record->to);
	if (!record->kept)
		queue->figures.tally.missing += record->to - record->n >= JUMP
		    ? 1
		    : record->to - record->n + 1;
	return add_gap(queue, queue->gap_count, gap);
}

/* ---- records */

static void
take_queue(struct story_queue *queue, const struct record *record)
{
	queue->forgotten = record->forgotten;
	queue->settled = record->settled;
	queue->figures = record->figures;
	if (record->forgotten)
		queue->gap_count = 0;
}

/* What stands in a state is counted in its queue's figures. */
static int
take_accept(struct story_queue *queue, const struct record *record, int in_state)
{
	struct tally *tally = &queue->figures.tally;

	if (in_state)
		return 0;
	tally->stored++;
	tally->stored_bytes += record->size;
	tally->last_stored = record->time;
	return record->n < queue->settled ? end_gap(queue, record->n) : 0;
}

static int
take_skip(struct story_queue *queue, const struct record *record, int in_state)
{
	if (in_state)
		return 0;
	queue->figures.tally.skipped++;
	return record->n < queue->settled ? end_gap(queue, record->n) : 0;
}

int
story_take(struct story *story, const struct record *record, int in_state)
{
	struct story_queue *queue;
	enum record_type type = record->type;

	if (type == RECORD_BEGIN)
		begin_anew(story);
	if ((type == RECORD_BEGIN || type == RECORD_ACCEPT) && record->time > story->time)
		story->time = record->time;
	if ((type != RECORD_QUEUE && type != RECORD_ACCEPT && type != RECORD_SKIP &&
	        type != RECORD_SETTLED && type != RECORD_GAP) ||
	    strcmp(record->identity, story->client) != 0)
		return 0;
	queue = find_or_add(story, record->queue);
	if (!queue)
		return -1;
	if (type == RECORD_QUEUE)
		take_queue(queue, record);
	else if (type == RECORD_SETTLED)
		queue->settled = record->n > queue->settled ? record->n : queue->settled;
	else if (type == RECORD_GAP)
		return take_gap(queue, record);
	else if (type == RECORD_ACCEPT)
		return take_accept(queue, record, in_state);
	else
		return take_skip(queue, record, in_state);
	return 0;
}

void
story_free(struct story *story)
{
	for (size_t i = 0; i < story->count; i++)
		free(story->queues[i].gaps);
	free(story->queues);
	story->queues = NULL;
	story->count = 0;
}
