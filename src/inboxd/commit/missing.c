/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/missing.h"

#include <stdio.h>
#include <string.h>

#include "inboxd/commit/view.h"

void
missing_add(struct queue *queue, uint64_t first, uint64_t last, int64_t since)
{
	const struct gap gap = {
	    .first = first, .last = last, .missing = last - first + 1, .since = since, .count = 1};
	uint64_t before = gaps_unknown(&queue->gaps);

	gaps_add(&queue->gaps, &gap);
	queue_count_gaps(queue, before);
}

/* A jump counts as one number missing, whatever of it comes; and what is left of it may be no jump
 * any more.  So the figure is never less than there are gaps: nobody who looks at it alone takes
 * what is missing for nothing. */
int
missing_end(struct queue *queue, uint64_t number, struct gap *was)
{
	const struct gap *gap = gaps_find(&queue->gaps, number);
	uint64_t before = gaps_unknown(&queue->gaps);
	struct tally *tally = &queue->figures.tally;
	int counts = gap && !is_jump(gap->first, gap->last);

	if (number >= queue->settled || !gaps_close(&queue->gaps, number, was))
		return 0;
	queue_count_gaps(queue, before);
	counts = counts && tally->missing > gaps_count(&queue->gaps);
	tally->missing -= (uint64_t)counts;
	was->missing = (uint64_t)counts;
	return 1;
}

void
missing_undo(struct queue *queue, const struct gap *was)
{
	uint64_t before = gaps_unknown(&queue->gaps);
	struct gap gap = *was;

	gap.missing = 1;
	gaps_add(&queue->gaps, &gap);
	queue_count_gaps(queue, before);
	queue->figures.tally.missing += was->missing;
}

enum gaps_confirmed
missing_confirm(struct queue *queue, uint64_t first, uint64_t last, uint64_t *count)
{
	uint64_t before = gaps_unknown(&queue->gaps);
	enum gaps_confirmed rc = gaps_confirm(&queue->gaps, first, last, count);

	queue_count_gaps(queue, before);
	return rc;
}

void
missing_record(const struct queue *queue, const struct gap *gap, struct record *out)
{
	memset(out, 0, sizeof *out);
	out->type = RECORD_GAP;
	snprintf(out->identity, sizeof out->identity, "%s", queue->identity);
	snprintf(out->queue, sizeof out->queue, "%s", queue->id);
	out->n = gap->first;
	out->to = gap->last;
	out->since = gap->since;
	out->known = gap->known;
	out->kept = 1;
	if (gap->missing != gap->last - gap->first + 1)
		out->missing = gap->missing;
	if (gap->count != 1)
		out->gaps = gap->count;
}

void
missing_restore(struct queue *queue, const struct record *record)
{
	const uint64_t before = gaps_unknown(&queue->gaps), all = record->to - record->n + 1;
	const uint64_t missing =
	    record->missing && record->missing < all ? record->missing : all;
	const struct gap gap = {
	    .first = record->n,
	    .last = record->to,
	    .missing = missing,
	    .since = record->since,
	    .count = record->gaps && record->gaps <= missing ? record->gaps : 1,
	    .known = record->known,
	};

	/* Above the mark nothing is missing yet. */
	if (record->to >= queue->settled)
		return;
	gaps_add(&queue->gaps, &gap);
	queue_count_gaps(queue, before);
}

void
missing_show(const struct queue *queue, struct client_view *out)
{
	out->gaps_total = gaps_total(&queue->gaps);
	out->gaps_unknown = gaps_unknown(&queue->gaps);
	out->gap_count = gaps_count(&queue->gaps);
	for (size_t i = 0; i < out->gap_count; i++)
		out->gaps[i] = *gaps_at(&queue->gaps, i);
}
