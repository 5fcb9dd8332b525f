/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/recover/frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxd/base/fatal.h"

/* ---- do they belong to each other? */

#define PUT_BACK \
	"Put back what belongs there, ledger/ and journal/ of one moment; or, to go on without " \
	"what the journal alone has, see inbox-spool(5), RECOVERY"

static int
refuse(struct recovery *r, const char *what)
{
	r->code = EX_DATAERR;
	return why_say(r->error, "%s. " PUT_BACK, what);
}

/* What the reader has found is not a journal that can be used. */
static int
fail_reading(struct recovery *r)
{
	if (r->journal.found != JOURNAL_FAILED)
		return refuse(r, r->journal.why.text);
	*r->error = r->journal.why;
	return recovery_said(r);
}

/* As it was made, before the first batch behind that. */
static int
was_never_used(const struct journal *journal)
{
	return journal->found == JOURNAL_NONE ||
	    (journal->found == JOURNAL_READ && journal->highest == 1);
}

/* Of a root that has been taken over, or is taken over now: a start that was cut off may have
 * made it. */
static int
hold_against_none(struct recovery *r)
{
	struct why why;

	if (was_never_used(&r->journal))
		return 0;
	if (r->journal.found != JOURNAL_READ)
		return fail_reading(r);
	why_say(&why,
	    "journal/ has been used, up to accept %" PRIu64 ", and ledger/ %s%s does not know it: "
	    "the ledger is older than the journal, or gone",
	    r->journal.head.last, r->segment[0] ? "in its newest file " : "is empty and",
	    r->segment);
	return refuse(r, why.text);
}

static int
hold_against_ledger(struct recovery *r)
{
	const struct journal_head *head = &r->journal.head;
	const struct replay *replay = &r->replay;
	struct why why;

	if (r->journal.found == JOURNAL_NONE) {
		why_say(&why,
		    "journal/ is missing or empty, and ledger/%s says that there was one",
		    r->segment);
	} else if (r->journal.found != JOURNAL_READ) {
		return fail_reading(r);
	} else if (strcmp(head->generation, replay->journal) != 0) {
		why_say(&why,
		    "ledger/%s goes with the journal of generation %s, and journal/ is of %s",
		    r->segment, replay->journal[0] ? replay->journal : "(none)",
		    head->generation);
	} else if (head->last < replay->synced || head->last < replay->stored) {
		why_say(&why,
		    "journal/ is older than the ledger: it ends with accept %" PRIu64
		    ", and ledger/%s says that %" PRIu64 " was acknowledged",
		    head->last, r->segment, replay->synced);
	} else if (replay->next_seq <= head->published) {
		why_say(&why,
		    "ledger/%s is older than the journal: it ends with accept %" PRIu64
		    ", and journal/ says that %" PRIu64 " was published",
		    r->segment, replay->next_seq - 1, head->published);
	} else {
		return 0;
	}
	return refuse(r, why.text);
}

int
frames_read(struct recovery *r)
{
	journal_read(&r->journal, r->root->journal, r->root->id);
	r->due_seq = r->replay.next_seq;
	if (!recovery_has_journal(r)) {
		r->published = r->replay.stored;
		r->last = r->replay.next_seq - 1;
		return hold_against_none(r);
	}
	if (hold_against_ledger(r) < 0)
		return -1;
	r->published = r->journal.head.published;
	if (r->published < r->replay.stored)
		r->published = r->replay.stored;
	r->last = r->journal.head.last;
	return 0;
}

/* ---- which items are unfinished */

static struct unfinished *
add(struct recovery *r, const struct tail_item *item)
{
	struct unfinished *u;

	r->all = must_grow(r->all, r->count, &r->room, sizeof *r->all);
	u = &r->all[r->count++];
	*u = (struct unfinished){.item = *item, .fd = -1};
	return u;
}

static int
is_of_bytes(const struct record *record, const void *bytes, size_t size)
{
	unsigned char sha256[DIGEST_SIZE];

	if (digest_of(bytes, size, sha256) < 0)
		return -1;
	return size == record->size && memcmp(sha256, record->sha256, DIGEST_SIZE) == 0;
}

/* 1: the frame's record, and its bytes are the record's if they will be wanted; 0: it is
 * damaged; -1 with errno. */
static int
read_frame(const struct recovery *r, const struct journal_frame *frame, struct record *record)
{
	char line[RECORD_LINE_MAX + 1];
	unsigned char bytes[JOURNAL_ITEM_MAX];
	int wants_bytes = frame->has_item && frame->seq > r->journal.head.durable;

	if (frame->is_damaged || frame->item_size > sizeof bytes)
		return 0;
	if (journal_read_frame(r->root->journal, frame, line, wants_bytes ? bytes : NULL) < 0)
		return errno == EBADMSG ? 0 : -1;
	if (record_parse(line, frame->record_size - 1, record) < 0 ||
	    record->type != RECORD_ACCEPT || record->seq != frame->seq)
		return 0;
	return wants_bytes ? is_of_bytes(record, bytes, frame->item_size) : 1;
}

static int
by_accept(const void *left, const void *right)
{
	const struct remembered *a = left, *b = right;

	return (a->known->item->seq > b->known->item->seq) -
	    (a->known->item->seq < b->known->item->seq);
}

/* Those that are not published, of the accepts that stand in the state: few, of what may be
 * millions of items.  A damaged journal asks for many of them, and all are looked at once. */
static void
list_remembered(struct recovery *r)
{
	const struct known *known = NULL;
	struct queue *queue = NULL;

	r->has_remembered = 1;
	while ((queue = clients_next(r->clients, queue))) {
		while ((known = entries_next(&queue->entries, known))) {
			if (known->is_skip || known->item->seq <= r->published)
				continue;
			r->remembered = must_grow(r->remembered, r->remembered_count,
			    &r->remembered_room, sizeof *r->remembered);
			r->remembered[r->remembered_count++] =
			    (struct remembered){queue, known};
		}
	}
	if (r->remembered_count > 0)
		qsort(r->remembered, r->remembered_count, sizeof *r->remembered, by_accept);
}

/* Of an accept that stands in the state, or before the segment. */
static int
find_in_books(struct recovery *r, uint64_t seq, struct tail_item *out)
{
	const struct known_item *item;
	size_t low = 0, high;

	if (!r->has_remembered)
		list_remembered(r);
	for (high = r->remembered_count; low < high;) {
		size_t middle = low + (high - low) / 2;
		if (r->remembered[middle].known->item->seq < seq)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == r->remembered_count || r->remembered[low].known->item->seq != seq)
		return 0;
	item = r->remembered[low].known->item;
	*out = (struct tail_item){.queue = r->remembered[low].queue, .seq = seq,
	    .number = r->remembered[low].known->number, .size = item->size};
	memcpy(out->sha256, item->sha256, DIGEST_SIZE);
	snprintf(out->inbox, sizeof out->inbox, "%s", item->inbox);
	snprintf(out->name, sizeof out->name, "%s", item->name);
	return 1;
}

/* Its frame says nothing: does the ledger?  There the numbers leave none out, so what is not an
 * accept that counts is void; but from before the segment only what the state has is known. */
static int
add_without_frame(struct recovery *r, uint64_t seq, const char *what)
{
	struct tail_item *told = replay_find(&r->replay, seq);
	struct tail_item item;
	struct why why;

	if (told && !told->is_void) {
		add(r, told)->was_framed = 1;
		told->is_listed = 1;
		return 0;
	}
	if (seq < r->replay.first_seq && find_in_books(r, seq, &item)) {
		add(r, &item)->was_framed = 1;
		return 0;
	}
	if (told || (seq >= r->replay.first_seq && seq < r->due_seq))
		return 0;
	why_say(&why,
	    "journal/: accept %" PRIu64 " cannot be read, since %s, and ledger/%s does not have it",
	    seq, what, r->segment);
	return refuse(r, why.text);
}

static int
fail_other(struct recovery *r, uint64_t seq)
{
	struct why why;

	why_say(&why,
	    "journal/ and ledger/%s have different items for accept %" PRIu64 ": they are of "
	    "different moments", r->segment, seq);
	return refuse(r, why.text);
}

static int
add_frame(struct recovery *r, const struct journal_frame *frame)
{
	struct tail_item *told = replay_find(&r->replay, frame->seq);
	struct tail_item item;
	struct record record;
	struct unfinished *u;
	int rc = read_frame(r, frame, &record);

	if (rc < 0)
		return recovery_fail(r, "read", JOURNAL_FOLDER, "");
	if (rc == 0)
		return add_without_frame(r, frame->seq, "its frame is damaged");
	replay_describe(r->clients, &record, &item);
	if (told &&
	    (strcmp(told->name, item.name) != 0 || strcmp(told->inbox, item.inbox) != 0 ||
	        memcmp(told->sha256, item.sha256, DIGEST_SIZE) != 0))
		return fail_other(r, frame->seq);
	if (told && told->is_void)
		return 0;
	if (frame->seq >= r->due_seq)
		told = replay_add(&r->replay, r->clients, &record);
	if (told)
		told->is_listed = 1;
	u = add(r, &item);
	u->was_framed = 1;
	u->frame = frame;
	return 0;
}

/* What a batch had that cannot be read. */
static int
add_hole(struct recovery *r, const struct journal_hole *hole)
{
	uint64_t seq = hole->after < r->published ? r->published : hole->after;

	while (seq < hole->until) {
		if (add_without_frame(r, ++seq, "its batch is damaged") < 0)
			return -1;
	}
	return 0;
}

static int
by_seq(const void *left, const void *right)
{
	const struct unfinished *a = left, *b = right;

	return (a->item.seq > b->item.seq) - (a->item.seq < b->item.seq);
}

static int
add_journal(struct recovery *r)
{
	const struct journal *journal = &r->journal;

	for (size_t i = 0; i < journal->count; i++) {
		if (journal->frames[i].seq > r->published &&
		    add_frame(r, &journal->frames[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < journal->hole_count; i++) {
		if (add_hole(r, &journal->holes[i]) < 0)
			return -1;
	}
	return 0;
}

int
frames_list(struct recovery *r)
{
	struct replay *replay = &r->replay;

	if (recovery_has_journal(r) && add_journal(r) < 0)
		return -1;
	for (size_t i = replay->first; i < replay->count; i++) {
		const struct tail_item *item = &replay->tail[i];
		if (!item->is_void && !item->is_listed && item->seq > r->published)
			add(r, item);
	}
	if (r->count > 0)
		qsort(r->all, r->count, sizeof *r->all, by_seq);
	return 0;
}
