/* SPDX-License-Identifier: ISC */
#include "inboxctl/root/history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/root/journaled.h"
#include "inboxctl/root/root.h"
#include "inboxctl/root/segments.h"
#include "lib/clock.h"

/* More damage than that is not filled from copies. */
#define HOLES_MAX 1000

/* A record as its line, which takes a sixth of the struct's room. */
struct waiting {
	struct waiting *next;
	enum outcome outcome;
	uint64_t seq; /* an accept's, else 0 */
	int64_t time;
	int64_t came;  /* by the monotonic clock */
	char *renamed; /* or NULL */
	size_t len;
	char line[]; /* with its LF */
};

/* Accepts that have not been met: from `from` to before `to`. */
struct hole {
	uint64_t from, to;
};

/* What the ledger says of itself and of its journal, as far as it is read. */
struct ledger_end {
	uint64_t version;      /* of the newest segment; 0: there is none */
	char journal[ID_ROOM]; /* the generation; "": of a version without one */
	uint64_t last;         /* the last accept that it knows of */
	uint64_t acknowledged; /* the last one that stood in the journal, by a mark */
};

struct history {
	struct segments *segments;
	struct journaled *journaled;
	history_wants *wants;
	void *ctx;
	struct waiting *first, **last;
	int at_end;
	int follows;
	uint64_t next_seq; /* accepts below it are copies */
	struct ledger_end end;
	int is_finished;
	uint64_t damage; /* of the journal, and in how the two fit */
	int64_t time;
	struct hole holes[HOLES_MAX];
	size_t hole_count;
};

struct history *
history_open(const struct root *root, struct journaled *journaled, history_wants *wants,
    void *ctx)
{
	struct history *history = calloc(1, sizeof *history);

	if (!history)
		return NULL;
	history->segments = segments_open(root->ledger, root->id);
	if (!history->segments) {
		free(history);
		return NULL;
	}
	history->journaled = journaled;
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
	free(first->renamed);
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
	return segments_damage(history->segments) + history->damage;
}

static void
note_last(struct history *h, uint64_t seq)
{
	if (seq > h->end.last)
		h->end.last = seq;
}

/* ---- copies */

/* Beside a journal an accept is acknowledged before it is published. */
static int
has_journal(const struct history *h)
{
	return h->end.version >= RECORD_VERSION_JOURNAL;
}

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
	/* State holds what is stored; beside a journal, what is acknowledged. */
	*outcome = has_journal(h) ? OUTCOME_ACKNOWLEDGED : OUTCOME_STORED;
	return !segments_is_first(h->segments) && !fill_hole(h, seq);
}

/* ---- what became of accepts */

static int
is_decided(enum outcome outcome)
{
	return outcome != OUTCOME_UNCONFIRMED && outcome != OUTCOME_ACKNOWLEDGED;
}

static void
on_mark(struct history *h, uint64_t synced, uint64_t stored)
{
	for (struct waiting *at = h->first; at; at = at->next) {
		if (is_decided(at->outcome))
			continue;
		if (at->seq <= stored)
			at->outcome = OUTCOME_STORED;
		else if (has_journal(h) && at->seq <= synced)
			at->outcome = OUTCOME_ACKNOWLEDGED;
	}
	note_last(h, stored);
	if (!has_journal(h))
		return;
	note_last(h, synced);
	if (synced > h->end.acknowledged)
		h->end.acknowledged = synced;
}

/* Void records follow their accept closely, and never a mark that covers it; beside a journal
 * the accept may be missing. */
static void
on_void(struct history *h, uint64_t seq)
{
	for (struct waiting *at = h->first; at; at = at->next)
		if (!is_decided(at->outcome) && at->seq == seq)
			at->outcome = OUTCOME_VOID;
	note_last(h, seq);
	if (has_journal(h) && h->next_seq != 0 && seq >= h->next_seq) {
		note_hole(h, h->next_seq, seq);
		h->next_seq = seq + 1;
	}
}

/* Nor does this follow a mark that covers it. */
static int
on_renamed(struct history *h, const struct record *record)
{
	for (struct waiting *at = h->first; at; at = at->next) {
		if (is_decided(at->outcome) || at->seq != record->seq)
			continue;
		free(at->renamed);
		at->renamed = strdup(record->name);
		if (!at->renamed) {
			complain("out of memory");
			return -1;
		}
	}
	return 0;
}

/* Without a journal a segment is begun when all accepts before it are decided. */
static void
on_begin(struct history *h, const struct record *begin)
{
	if (!has_journal(h))
		on_mark(h, 0, begin->seq - 1);
	note_last(h, begin->seq - 1);
	if (h->next_seq != 0 && begin->seq > h->next_seq)
		note_hole(h, h->next_seq, begin->seq);
	h->next_seq = begin->seq;
	h->end.version = begin->version;
	snprintf(h->end.journal, sizeof h->end.journal, "%s", begin->journal);
}

static int
append(struct history *h, const struct record *record, enum outcome outcome)
{
	char line[RECORD_LINE_MAX + 1];
	size_t len = record_format(record, line);
	struct waiting *new = malloc(sizeof *new + len);

	if (!new) {
		complain("out of memory");
		return -1;
	}
	*new = (struct waiting){.outcome = outcome, .time = record->time, .len = len,
	    .came = h->follows ? clock_monotonic() : 0,
	    .seq = record->type == RECORD_ACCEPT ? record->seq : 0};
	memcpy(new->line, line, len);
	*h->last = new;
	h->last = &new->next;
	return 0;
}

static void
take_first(struct history *h, struct entry *out)
{
	const struct waiting *first = h->first;
	int rc = record_parse(first->line, first->len - 1, &out->record);

	assert(rc == 0); /* it is our own writing */
	(void)rc;
	out->record.time = first->time;
	out->outcome = first->outcome;
	snprintf(out->renamed, sizeof out->renamed, "%s", first->renamed ? first->renamed : "");
	drop_first(h);
}

static void
put_time(struct history *h, struct record *record)
{
	if (record->type == RECORD_QUEUE)
		record->time =
		    record->forgotten ? record->forgotten : record->figures.hello.seen;
	else if (record->type == RECORD_GAP && (record->since || record->time))
		record->time = record->known && !record->kept ? record->time : record->since;
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
		on_begin(h, record);
		break;
	case RECORD_MARK:
		on_mark(h, record->synced, record->stored);
		break;
	case RECORD_VOID:
		on_void(h, record->seq);
		break;
	case RECORD_ACCEPT:
		note_last(h, record->seq);
		if (is_copy(h, record->seq, &outcome))
			return 0;
		break;
	case RECORD_QUEUE:
	case RECORD_SKIP:
		if (segments_in_state(h->segments) && !segments_is_first(h->segments))
			return 0;
		break;
	case RECORD_RENAMED:
		if (on_renamed(h, record) < 0)
			return -1;
		break;
	case RECORD_GAP:
		if (record->kept && !segments_is_first(h->segments))
			return 0;
		break;
	case RECORD_SETTLED:
	case RECORD_STATE:
	case RECORD_END:
	case RECORD_TYPES:
		break;
	}
	return h->wants(h->ctx, record) ? append(h, record, outcome) : 0;
}

/* ---- the journal */

/* 0; or -1 and the reason, with what would be right. */
static int
belong_together(const struct history *h, struct why *why)
{
	const struct journal *journal = &h->journaled->journal;
	const struct journal_head *head = &journal->head;
	const struct ledger_end *end = &h->end;
	uint64_t published = h->journaled->published;

	if (has_journal(h) && journal->found == JOURNAL_NONE)
		return why_say(why, JOURNAL_FOLDER ": is missing, and what was acknowledged last "
		                    "may stand there alone: the ledger goes with the journal %s",
		    end->journal);
	if (!journaled_is_there(h->journaled))
		return 0; /* which journaled_tell() has a word for */
	if (!has_journal(h)) {
		/* One that is just made, for a ledger that is about to go with it. */
		if (journal->count == 0 && published <= end->last)
			return 0;
		return why_say(why, "ledger: ends with accept %" PRIu64 " and goes with no "
		                    "journal, and there is one that ends with accept %" PRIu64
		                    ": its newer segments are missing",
		    end->last, head->last);
	}
	if (strcmp(end->journal, head->generation) != 0)
		return why_say(why, JOURNAL_FOLDER ": is the journal %s: the ledger goes with %s",
		    head->generation, end->journal);
	if (head->last < end->acknowledged)
		return why_say(why, JOURNAL_FOLDER ": ends with accept %" PRIu64 ": the ledger "
		                    "says that accepts up to %" PRIu64 " were acknowledged, so "
		                    "it is older than the ledger",
		    head->last, end->acknowledged);
	if (published > end->last)
		return why_say(why, "ledger: ends with accept %" PRIu64 ": the journal says that "
		                    "accepts up to %" PRIu64 " stand in it, so it is older than "
		                    "the journal",
		    end->last, published);
	return 0;
}

/* All is read: what is wrong is told, once.  That the two do not fit says nothing where the
 * ledger is known not to be whole. */
static int
finish(struct history *h)
{
	struct why why;

	h->is_finished = 1;
	if (!h->journaled)
		return 0;
	h->damage = journaled_tell(h->journaled);
	if (h->journaled->journal.found == JOURNAL_FAILED)
		return -1;
	while (segments_damage(h->segments) == 0 && belong_together(h, &why) < 0) {
		if (journaled_again(h->journaled))
			continue;
		complain("%s; put back what belongs together", why.text);
		h->damage++;
		break;
	}
	return 0;
}

static int
is_its_journal(const struct history *h)
{
	return h->journaled && has_journal(h) && journaled_is_there(h->journaled) &&
	    strcmp(h->end.journal, h->journaled->journal.head.generation) == 0;
}

/* No mark has decided it, but the journal may know more. */
static void
resolve(const struct history *h, struct entry *entry)
{
	uint64_t seq = entry->record.seq;

	if (is_decided(entry->outcome) || !is_its_journal(h))
		return;
	if (journaled_has_published(h->journaled, seq))
		entry->outcome = OUTCOME_STORED;
	else if (journaled_find(h->journaled, seq) || journaled_misses(h->journaled, seq))
		entry->outcome = OUTCOME_ACKNOWLEDGED;
}

/* What was acknowledged, and whose line in the ledger did not reach the disk.  1, or 0. */
static int
next_journaled(struct history *h, struct entry *out)
{
	const struct journal_frame *frame;

	if (!is_its_journal(h))
		return 0;
	while ((frame = journaled_next(h->journaled, h->end.last))) {
		h->end.last = frame->seq;
		if (frame->is_damaged ||
		    journaled_read(h->journaled, frame, &out->record, NULL) < 0 ||
		    !h->wants(h->ctx, &out->record))
			continue;
		out->outcome = OUTCOME_ACKNOWLEDGED;
		out->renamed[0] = '\0';
		return 1;
	}
	return 0;
}

/* ---- the whole */

void
history_after(struct history *h, const char *name)
{
	segments_after(h->segments, name);
}

void
history_follow(struct history *h)
{
	h->follows = 1;
	segments_follow(h->segments);
}

/* 1: the first that waits has been given; 0: there is none, or it may be decided yet. */
static int
follow_next(struct history *h, struct entry *out)
{
	if (!h->first || (!is_decided(h->first->outcome) &&
	                     clock_monotonic() - h->first->came < CLOCK_SECOND))
		return 0;
	take_first(h, out);
	resolve(h, out);
	return 1;
}

int
history_next(struct history *h, struct entry *out)
{
	struct record *record = &out->record;
	int rc;

	while (!h->at_end && (!h->first || !is_decided(h->first->outcome))) {
		rc = segments_next(h->segments, record);
		if (rc < 0 || (rc == 1 && apply(h, record) < 0))
			return -1;
		if (rc == 0 && h->follows)
			return follow_next(h, out);
		h->at_end = rc == 0;
	}
	if (h->first) {
		take_first(h, out);
		resolve(h, out);
		return 1;
	}
	if (!h->is_finished && finish(h) < 0)
		return -1;
	return next_journaled(h, out);
}
