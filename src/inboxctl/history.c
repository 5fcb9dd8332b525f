/* SPDX-License-Identifier: ISC */
#include "inboxctl/history.h"

#include <stdlib.h>
#include <string.h>

#include "inboxctl/complain.h"
#include "inboxctl/root.h"
#include "inboxctl/segments.h"

/* More damage than that is not filled from copies. */
#define HOLES_MAX 1000

struct waiting {
	struct waiting *next;
	enum outcome outcome;
	struct record record;
};

/* Accepts that have not been met: from `from` to before `to`. */
struct hole {
	uint64_t from, to;
};

struct history {
	struct segments *segments;
	history_wants *wants;
	void *ctx;
	struct waiting *first, **last;
	int at_end;
	uint64_t next_seq; /* accepts below it are copies */
	int64_t time;
	struct hole holes[HOLES_MAX];
	size_t hole_count;
};

struct history *
history_open(const struct root *root, history_wants *wants, void *ctx)
{
	struct history *history = calloc(1, sizeof *history);

	if (!history)
		return NULL;
	history->segments = segments_open(root->ledger, root->id);
	if (!history->segments) {
		free(history);
		return NULL;
	}
	history->wants = wants;
	history->ctx = ctx;
	history->last = &history->first;
	return history;
}

static void
drop_first(struct history *h)
{
	struct waiting *first = h->first;

	h->first = first->next;
	if (!h->first)
		h->last = &h->first;
	free(first);
}

void
history_close(struct history *history)
{
	if (!history)
		return;
	while (history->first)
		drop_first(history);
	segments_close(history->segments);
	free(history);
}

int64_t
history_began(const struct history *history)
{
	return segments_began(history->segments);
}

uint64_t
history_damage(const struct history *history)
{
	return segments_damage(history->segments);
}

/* ---- copies */

static void
note_hole(struct history *h, uint64_t from, uint64_t to)
{
	if (from < to && h->hole_count < HOLES_MAX)
		h->holes[h->hole_count++] = (struct hole){from, to};
}

/* Takes the number out of the hole it is in; 0: it has been met before. */
static int
fill_hole(struct history *h, uint64_t seq)
{
	for (size_t i = 0; i < h->hole_count; i++) {
		struct hole *hole = &h->holes[i];
		uint64_t to = hole->to;
		if (seq < hole->from || seq >= to)
			continue;
		hole->to = seq;
		if (hole->from == hole->to)
			*hole = h->holes[--h->hole_count];
		note_hole(h, seq + 1, to);
		return 1;
	}
	return 0;
}

/* Is the accept one that has been met?  *outcome gets what is known of it. */
static int
is_copy(struct history *h, uint64_t seq, enum outcome *outcome)
{
	*outcome = OUTCOME_UNCONFIRMED;
	if (h->next_seq == 0 || seq >= h->next_seq) {
		if (h->next_seq != 0)
			note_hole(h, h->next_seq, seq);
		h->next_seq = seq + 1;
		return 0;
	}
	/* State holds what is stored. */
	*outcome = OUTCOME_STORED;
	return !segments_is_first(h->segments) && !fill_hole(h, seq);
}

/* ---- what became of accepts */

static void
on_mark(struct history *h, uint64_t stored)
{
	for (struct waiting *at = h->first; at; at = at->next)
		if (at->outcome == OUTCOME_UNCONFIRMED && at->record.seq <= stored)
			at->outcome = OUTCOME_STORED;
}

/* Void records follow their accept closely, and never a mark that covers it. */
static void
on_void(struct history *h, uint64_t seq)
{
	for (struct waiting *at = h->first; at; at = at->next)
		if (at->outcome == OUTCOME_UNCONFIRMED && at->record.seq == seq)
			at->outcome = OUTCOME_VOID;
}

/* A segment is begun when all accepts before it are decided. */
static void
on_begin(struct history *h, uint64_t seq)
{
	on_mark(h, seq - 1);
	if (h->next_seq != 0 && seq > h->next_seq)
		note_hole(h, h->next_seq, seq);
	h->next_seq = seq;
}

static int
append(struct history *h, const struct record *record, enum outcome outcome)
{
	struct waiting *new = malloc(sizeof *new);

	if (!new) {
		complain("out of memory");
		return -1;
	}
	new->next = NULL;
	new->outcome = outcome;
	new->record = *record;
	*h->last = new;
	h->last = &new->next;
	return 0;
}

static void
put_time(struct history *h, struct record *record)
{
	if (record->type == RECORD_QUEUE)
		record->time = record->figures.hello.seen;
	else if (record->type != RECORD_BEGIN && record->type != RECORD_ACCEPT)
		record->time = h->time;
	if (!segments_in_state(h->segments) || record->type == RECORD_BEGIN)
		h->time = record->time;
}

static int
apply(struct history *h, struct record *record)
{
	enum outcome outcome = OUTCOME_NONE;

	put_time(h, record);
	switch (record->type) {
	case RECORD_BEGIN:
		on_begin(h, record->seq);
		break;
	case RECORD_MARK:
		on_mark(h, record->stored);
		break;
	case RECORD_VOID:
		on_void(h, record->seq);
		break;
	case RECORD_ACCEPT:
		if (is_copy(h, record->seq, &outcome))
			return 0;
		break;
	case RECORD_QUEUE:
	case RECORD_SKIP:
		if (segments_in_state(h->segments) && !segments_is_first(h->segments))
			return 0;
		break;
	case RECORD_RENAMED:
	case RECORD_SETTLED:
	case RECORD_GAP:
	case RECORD_STATE:
	case RECORD_END:
	case RECORD_TYPES:
		break;
	}
	return h->wants(h->ctx, record) ? append(h, record, outcome) : 0;
}

int
history_next(struct history *h, struct record *out, enum outcome *outcome)
{
	int rc;

	while (!h->at_end && (!h->first || h->first->outcome == OUTCOME_UNCONFIRMED)) {
		rc = segments_next(h->segments, out);
		if (rc < 0 || (rc == 1 && apply(h, out) < 0))
			return -1;
		h->at_end = rc == 0;
	}
	if (!h->first)
		return 0;
	*out = h->first->record;
	*outcome = h->first->outcome;
	drop_first(h);
	return 1;
}
