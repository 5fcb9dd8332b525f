/* SPDX-License-Identifier: ISC */
/*
 * What the heads in the segments tell: the newest batch that was synced, and the chain from there
 * down to what is published.
 *
 * Each block is read a few times at most, and a batch takes some 100 bytes of memory until the
 * end, whatever the segments hold: 64 MiB that are full take 0.05 s here, from the page cache,
 * and 4 s where each block pretends to be a head with as long a table as fits.
 */
#include "config.h"

#include "lib/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/crc.h"
#include "lib/disk.h"
#include "lib/journal_scan.h"
#include "lib/record.h"
#include "lib/segment.h"

/* ---- the newest one */

/* Another one that is as good would make it a guess. */
static int
check_alone(struct journal_scan *scan, const struct journal_entry *newest)
{
	for (size_t i = 0; i < scan->count; i++) {
		const struct journal_entry *other = &scan->entries[i];
		int rc = other->number == newest->number && other->crc != newest->crc ?
		    scan_is_whole(scan, other) : 0;

		if (rc < 0)
			return -1;
		if (rc > 0)
			return why_say(scan_refuse(scan, JOURNAL_DAMAGED),
			    "%s/%04u and %s/%04u have different batches of the number %" PRIu64,
			    JOURNAL_FOLDER, (unsigned)newest->segment, JOURNAL_FOLDER,
			    (unsigned)other->segment, newest->number);
	}
	return 0;
}

static int
miss(struct journal_scan *scan, const struct journal_entry *torn)
{
	return why_say(scan_refuse(scan, JOURNAL_DAMAGED),
	    "%s/%04u has the beginning of batch %" PRIu64 ", and batch %" PRIu64
	    ", which was on the disk before that, is not there", JOURNAL_FOLDER,
	    (unsigned)torn->segment, torn->number, torn->before);
}

/*
 * The newest batch that is whole; but a torn one says that the one that it follows was synced:
 * so that one is it, if it is newer, and damaged.  NULL: there is none, or it failed, or
 * that one is missing.
 */
static const struct journal_entry *
find_newest(struct journal_scan *scan)
{
	const struct journal_entry *entry, *torn = NULL;
	int rc;

	for (size_t i = scan->count; i > 0; i--) {
		entry = &scan->entries[i - 1];
		if (torn && entry->number < torn->before)
			break;
		rc = scan_is_whole(scan, entry);
		if (rc < 0)
			return NULL;
		if (rc > 0 || (torn && entry->number == torn->before && entry->crc == torn->chain))
			return check_alone(scan, entry) < 0 ? NULL : entry;
		if (!torn)
			torn = entry; /* and none below it follows a newer one */
	}
	if (torn && torn->before > 0)
		(void)miss(scan, torn);
	return NULL;
}

/* ---- the chain */

static int
add_hole(struct journal_scan *scan, uint64_t after, uint64_t until)
{
	struct journal *journal = scan->journal;
	struct journal_hole *grown;

	if (after < journal->head.published)
		after = journal->head.published;
	if (after >= until)
		return 0;
	grown = scan_grow(journal->holes, journal->hole_count, sizeof *grown);
	if (!grown)
		return scan_fail(scan);
	journal->holes = grown;
	journal->holes[journal->hole_count++] = (struct journal_hole){after, until};
	return 0;
}

static int
add_frames(struct journal_scan *scan, const struct journal_entry *entry)
{
	struct journal *journal = scan->journal;
	size_t at = journal_head_size(scan->head.count);
	struct journal_frame frame, *grown;

	for (uint32_t i = 0; i < scan->head.count; i++) {
		frame = scan_frame(scan, entry, i, &at);
		if (frame.seq <= journal->head.published)
			continue;
		grown = scan_grow(journal->frames, journal->count, sizeof frame);
		if (!grown)
			return scan_fail(scan);
		journal->frames = grown;
		journal->frames[journal->count++] = frame;
	}
	return 0;
}

static int
take(struct journal_scan *scan, const struct journal_entry *entry)
{
	int rc = scan_load_batch(scan, entry);

	if (rc == 0)
		return add_hole(scan, entry->from, entry->last);
	return rc < 0 ? -1 : add_frames(scan, entry);
}

/* The first one with this number or a higher one. */
static size_t
find_number(const struct journal_scan *scan, uint64_t number)
{
	size_t low = 0, high = scan->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (scan->entries[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* What the batch follows: *found, or NULL. */
static int
find_before(struct journal_scan *scan, const struct journal_entry *entry,
    const struct journal_entry **found)
{
	int rc;

	*found = NULL;
	for (size_t i = find_number(scan, entry->before); i < scan->count; i++) {
		const struct journal_entry *other = &scan->entries[i];
		if (other->number != entry->before)
			break;
		if (other->crc != entry->chain || other->last != entry->from)
			continue;
		rc = *found ? scan_is_whole(scan, other) : 1;
		if (rc < 0)
			return -1;
		if (rc > 0)
			*found = other;
	}
	return 0;
}

/*
 * What the batch follows is not there: the next one below it that counts, or NULL.  Only a whole
 * one counts: one with bad frames may be a torn one, whose numbers others had later.
 */
static int
find_below(struct journal_scan *scan, const struct journal_entry *entry,
    const struct journal_entry **found)
{
	int rc;

	*found = NULL;
	for (size_t i = find_number(scan, entry->before); i > 0; i--) {
		const struct journal_entry *other = &scan->entries[i - 1];
		rc = other->last <= entry->from ? scan_is_whole(scan, other) : 0;
		if (rc < 0)
			return -1;
		if (rc > 0) {
			*found = other;
			break;
		}
	}
	return add_hole(scan, *found ? (*found)->last : 0, entry->from);
}

static int
by_seq(const void *one, const void *other)
{
	const struct journal_frame *a = one, *b = other;

	return (a->seq > b->seq) - (a->seq < b->seq);
}

static int
by_after(const void *one, const void *other)
{
	const struct journal_hole *a = one, *b = other;

	return (a->after > b->after) - (a->after < b->after);
}

static int
follow(struct journal_scan *scan, const struct journal_entry *newest)
{
	struct journal *journal = scan->journal;
	const struct journal_entry *entry = newest, *next;

	while (entry && entry->last > journal->head.published) {
		if (take(scan, entry) < 0)
			return -1;
		if (find_before(scan, entry, &next) < 0 ||
		    (!next && find_below(scan, entry, &next) < 0))
			return -1;
		entry = next;
	}
	if (journal->count > 0)
		qsort(journal->frames, journal->count, sizeof journal->frames[0], by_seq);
	if (journal->hole_count > 0)
		qsort(journal->holes, journal->hole_count, sizeof journal->holes[0], by_after);
	return 0;
}

/* ---- the whole of it */

static int
check_segment(struct journal_scan *scan, uint32_t segment)
{
	char name[JOURNAL_NAME_ROOM];
	off_t size;
	int fd;

	journal_segment_name(segment, name);
	fd = segment_open(scan->dir, name);
	if (fd < 0 && errno != ENOENT && errno != EBADMSG)
		return scan_fail(scan);
	if (fd < 0)
		return why_say(scan_refuse(scan, JOURNAL_DAMAGED),
		    "%s/%s is %s; the journal has %" PRIu32 " segments", JOURNAL_FOLDER, name,
		    errno == ENOENT ? "missing" : "no file", scan->journal->head.segments);
	size = lseek(fd, 0, SEEK_END);
	disk_close(fd);
	if (size < 0)
		return scan_fail(scan);
	if (size < JOURNAL_SEGMENT)
		return why_say(scan_refuse(scan, JOURNAL_DAMAGED), "%s/%s has %lld bytes; want %d",
		    JOURNAL_FOLDER, name, (long long)size, JOURNAL_SEGMENT);
	return 0;
}

/* What lies in a file that is none of the journal's segments cannot be gone on with. */
static int
check_place(struct journal_scan *scan, uint32_t segment, const char *what)
{
	const struct journal_head *head = &scan->journal->head;

	if (segment < head->segments)
		return 0;
	return why_say(scan_refuse(scan, JOURNAL_DAMAGED),
	    "%s/%04u has %s, and the journal has %" PRIu32 " segments, from %s/0000 on: is it the "
	    "copy of one that was changed?",
	    JOURNAL_FOLDER, (unsigned)segment, what, head->segments, JOURNAL_FOLDER);
}

static int
check_segments(struct journal_scan *scan)
{
	const struct journal *journal = scan->journal;

	for (uint32_t i = 0; i < journal->head.segments; i++) {
		if (check_segment(scan, i) < 0)
			return -1;
	}
	if (check_place(scan, journal->segment, "the newest batch") < 0)
		return -1;
	for (size_t i = 0; i < journal->count; i++) {
		if (check_place(scan, journal->frames[i].segment, "frames that are wanted") < 0)
			return -1;
	}
	return 0;
}

static int
read_newest(struct journal_scan *scan, const struct journal_entry *newest)
{
	struct journal *journal = scan->journal;
	int rc = scan_load_batch(scan, newest);

	if (rc < 0)
		return -1;
	if (rc == 0)
		return why_say(scan_refuse(scan, JOURNAL_DAMAGED),
		    "%s/%04u was written to while it was read", JOURNAL_FOLDER,
		    (unsigned)newest->segment);
	journal->found = JOURNAL_READ;
	journal->head = scan->head;
	journal->segment = newest->segment;
	journal->offset = newest->offset;
	journal->size = newest->size;
	return follow(scan, newest) < 0 ? -1 : check_segments(scan);
}

void
journal_read(struct journal *journal, int dir, const char *root)
{
	const struct journal_entry *newest;
	struct journal_scan *scan;
	int error;

	memset(journal, 0, sizeof *journal);
	journal->found = JOURNAL_NONE;
	if (dir < 0)
		return;
	scan = scan_new(journal, dir, root);
	if (!scan) {
		journal->found = JOURNAL_FAILED;
		(void)why_say(&journal->why, "%s: %s", JOURNAL_FOLDER, strerror(errno));
	} else if (scan_all(scan) == 0 && scan->count > 0) {
		journal->highest = scan->entries[scan->count - 1].number;
		newest = find_newest(scan);
		if (newest)
			(void)read_newest(scan, newest);
	}
	error = errno;
	scan_free(scan);
	errno = error;
}

void
journal_free(struct journal *journal)
{
	free(journal->frames);
	free(journal->holes);
	journal->frames = NULL;
	journal->holes = NULL;
	journal->count = journal->hole_count = 0;
}

/* ---- a frame */

/* Reads them to `dst`, or to nowhere if that is NULL, and continues *crc. */
static int
add_bytes(int fd, uint32_t offset, void *dst, size_t len, uint32_t *crc)
{
	unsigned char passing[JOURNAL_BLOCK], *to = dst ? dst : passing;

	while (len > 0) {
		size_t piece = len < sizeof passing ? len : sizeof passing;
		ssize_t got = scan_read(fd, to, piece, offset);

		if (got < 0)
			return -1;
		if (got < (ssize_t)piece) {
			errno = EBADMSG;
			return -1;
		}
		*crc = crc32c(*crc, to, piece);
		if (dst)
			to += piece;
		offset += (uint32_t)piece;
		len -= piece;
	}
	return 0;
}

int
journal_read_frame(int dir, const struct journal_frame *frame, char *record, void *item)
{
	char name[JOURNAL_NAME_ROOM];
	uint32_t crc = 0;
	int fd, rc;

	journal_segment_name(frame->segment, name);
	fd = segment_open(dir, name);
	if (fd < 0)
		return -1;
	rc = add_bytes(fd, frame->offset, record, frame->record_size, &crc);
	if (rc == 0)
		rc = add_bytes(fd, frame->offset + frame->record_size, item, frame->item_size,
		    &crc);
	disk_close(fd);
	if (rc < 0)
		return -1;
	if (crc != frame->crc) {
		errno = EBADMSG;
		return -1;
	}
	record[frame->record_size] = '\0';
	return 0;
}
