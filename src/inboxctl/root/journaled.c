/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/root/journaled.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/root/root.h"
#include "lib/disk.h"

#define READS_MAX 5   /* at once, while what is damaged changes */
#define AGAIN_MAX 100 /* a real damage is read again for each item that it concerns */

/* ---- reading */

static void
read_once(struct journaled *j)
{
	journal_free(&j->journal);
	memset(&j->journal, 0, sizeof j->journal);
	disk_close(j->dir);
	j->dir = openat(j->root->fd, JOURNAL_FOLDER,
	    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (j->dir < 0 && errno != ENOENT) {
		why_say(&j->journal.why, JOURNAL_FOLDER ": %s", strerror(errno));
		j->journal.found = errno == ENOTDIR || errno == ELOOP ? JOURNAL_DAMAGED :
		                                                        JOURNAL_FAILED;
		return;
	}
	journal_read(&j->journal, j->dir, j->root->id);
}

static size_t
damaged_frames(const struct journal *journal)
{
	size_t count = 0;

	for (size_t i = 0; i < journal->count; i++)
		count += journal->frames[i].is_damaged != 0;
	return count;
}

static int
has_head(const struct journal *journal)
{
	return journal->found == JOURNAL_READ ||
	    (journal->found == JOURNAL_DAMAGED && journal->head.number != 0);
}

/* What two readings differ in, if anything has happened between them. */
struct state {
	enum journal_found found;
	uint64_t number, highest, published;
	size_t damaged, holes;
};

static struct state
state_of(const struct journal *journal)
{
	struct state state;

	memset(&state, 0, sizeof state); /* for memcmp() */
	state.found = journal->found;
	if (!has_head(journal))
		return state;
	state.number = journal->head.number;
	state.highest = journal->highest;
	state.published = journal->head.published;
	state.damaged = damaged_frames(journal);
	state.holes = journal->hole_count;
	return state;
}

static void
read_patiently(struct journaled *j)
{
	/* Longer than the receiver takes for one write(). */
	const struct timespec moment = {.tv_nsec = 50000000};
	struct state before, now;

	read_once(j);
	now = state_of(&j->journal);
	for (int i = 1; i < READS_MAX; i++) {
		if (now.found == JOURNAL_NONE ||
		    (now.found == JOURNAL_READ && now.damaged == 0 && now.holes == 0))
			return;
		before = now;
		nanosleep(&moment, NULL);
		read_once(j);
		now = state_of(&j->journal);
		if (memcmp(&before, &now, sizeof now) == 0)
			return;
	}
}

void
journaled_open(struct journaled *j, const struct root *root)
{
	memset(j, 0, sizeof *j);
	j->root = root;
	j->dir = -1;
	read_patiently(j);
	j->published = has_head(&j->journal) ? j->journal.head.published : 0;
}

void
journaled_close(struct journaled *j)
{
	journal_free(&j->journal);
	disk_close(j->dir);
}

int
journaled_again(struct journaled *j)
{
	struct state before = state_of(&j->journal), now;

	if (j->again++ >= AGAIN_MAX)
		return 0;
	read_patiently(j);
	now = state_of(&j->journal);
	return memcmp(&before, &now, sizeof now) != 0;
}

/* ---- an accept */

int
journaled_is_there(const struct journaled *j)
{
	return has_head(&j->journal);
}

int
journaled_has_published(const struct journaled *j, uint64_t seq)
{
	return has_head(&j->journal) && seq <= j->journal.head.published;
}

int
journaled_has_draft(const struct journaled *j, uint64_t seq)
{
	return has_head(&j->journal) && seq <= j->journal.head.durable;
}

const struct journal_frame *
journaled_next(const struct journaled *j, uint64_t after)
{
	const struct journal_frame *frames = j->journal.frames;
	size_t low = 0, high = j->journal.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (frames[middle].seq <= after)
			low = middle + 1;
		else
			high = middle;
	}
	return low < j->journal.count ? &frames[low] : NULL;
}

static const struct journal_frame *
find_any(const struct journaled *j, uint64_t seq)
{
	const struct journal_frame *frame = journaled_next(j, seq - 1);

	return frame && frame->seq == seq ? frame : NULL;
}

const struct journal_frame *
journaled_find(const struct journaled *j, uint64_t seq)
{
	const struct journal_frame *frame = find_any(j, seq);

	return frame && !frame->is_damaged ? frame : NULL;
}

int
journaled_misses(const struct journaled *j, uint64_t seq)
{
	const struct journal_frame *frame = find_any(j, seq);

	if (frame)
		return frame->is_damaged != 0;
	for (size_t i = 0; i < j->journal.hole_count; i++) {
		const struct journal_hole *hole = &j->journal.holes[i];
		if (seq > hole->after && seq <= hole->until)
			return 1;
	}
	return 0;
}

int
journaled_read(const struct journaled *j, const struct journal_frame *frame,
    struct record *record, void **item)
{
	char line[RECORD_LINE_MAX + 1];
	void *bytes = NULL;

	if (item && frame->has_item) {
		bytes = malloc((size_t)frame->item_size + 1);
		if (!bytes)
			return -1;
	}
	if (journal_read_frame(j->dir, frame, line, bytes) < 0)
		goto fail;
	if (record_parse(line, frame->record_size - 1, record) < 0 ||
	    record->type != RECORD_ACCEPT || record->seq != frame->seq) {
		errno = EBADMSG;
		goto fail;
	}
	if (item)
		*item = bytes;
	return 0;
fail:
	free(bytes); /* leaves errno as it is */
	return -1;
}

int
journaled_is_item(const struct record *record, const void *item, size_t size)
{
	unsigned char sha256[DIGEST_SIZE];

	return size == record->size && digest_of(item, size, sha256) == 0 &&
	    memcmp(sha256, record->sha256, DIGEST_SIZE) == 0;
}

int
journaled_is_same(const struct record *a, const struct record *b)
{
	return a->seq == b->seq && a->n == b->n && a->size == b->size &&
	    memcmp(a->sha256, b->sha256, DIGEST_SIZE) == 0 &&
	    strcmp(a->identity, b->identity) == 0 && strcmp(a->queue, b->queue) == 0 &&
	    strcmp(a->inbox, b->inbox) == 0 && strcmp(a->name, b->name) == 0;
}

/* ---- what is wrong */

uint64_t
journaled_tell(const struct journaled *j)
{
	const struct journal *journal = &j->journal;
	char name[JOURNAL_NAME_ROOM];
	int is_whole = journal->found == JOURNAL_READ || journal->found == JOURNAL_NONE;

	if (!is_whole)
		complain("%s", journal->why.text);
	for (size_t i = 0; i < journal->count; i++) {
		const struct journal_frame *frame = &journal->frames[i];
		if (!frame->is_damaged)
			continue;
		journal_segment_name(frame->segment, name);
		complain(JOURNAL_FOLDER "/%s: the frame of accept %" PRIu64 " at byte %" PRIu32
		         " is damaged: its CRC-32C should be %08" PRIx32,
		    name, frame->seq, frame->offset, frame->crc);
	}
	for (size_t i = 0; i < journal->hole_count; i++)
		complain(JOURNAL_FOLDER ": a batch is missing or damaged: accepts %" PRIu64
		                        " to %" PRIu64 " may have had their frames there",
		    journal->holes[i].after + 1, journal->holes[i].until);
	return damaged_frames(journal) + journal->hole_count + !is_whole;
}
