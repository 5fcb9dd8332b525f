/* SPDX-License-Identifier: ISC */
/*
 * The journal's segments: which there are, whose they are, and all heads that stand in them.
 *
 * Clients choose most of the bytes, so a head counts only where one can stand.  What a batch
 * covers is passed over.  What is left of one whose beginning another has overwritten is not, and
 * there a client may have put heads of its making: they have not our generation, which
 * nobody is told.  At the beginning of a segment there is never anything but a head; those say
 * whose the journal is.
 */
#include "config.h"

#include "lib/journal_scan.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/crc.h"
#include "lib/disk.h"
#include "lib/segment.h"

#define LEAST 64 /* a power of two */

/* ---- how it ends */

int
scan_fail(struct journal_scan *scan)
{
	int error = errno;

	scan->journal->found = JOURNAL_FAILED;
	(void)why_say(&scan->journal->why, "%s: read: %s", JOURNAL_FOLDER, strerror(error));
	errno = error;
	return -1;
}

struct why *
scan_refuse(struct journal_scan *scan, enum journal_found found)
{
	scan->journal->found = found;
	return &scan->journal->why;
}

void *
scan_grow(void *array, size_t count, size_t size)
{
	int is_full = count == 0 || (count >= LEAST && (count & (count - 1)) == 0);

	return is_full ? reallocarray(array, count ? 2 * count : LEAST, size) : array;
}

/* ---- segments and their bytes */

ssize_t
scan_read(int fd, void *dst, size_t len, uint32_t offset)
{
	size_t held = 0;
	ssize_t got = 1;

	while (held < len && got != 0) {
		got = pread(fd, (char *)dst + held, len - held, (off_t)(offset + held));
		if (got < 0 && errno != EINTR)
			return -1;
		if (got > 0)
			held += (size_t)got;
	}
	return (ssize_t)held;
}

/* Makes the segment the one at hand, with its first `size` bytes at least; what it has not is 0.
 * 1; 0: there is none, or it is no file, and another one may be at hand; -1. */
static int
use(struct journal_scan *scan, uint32_t segment, size_t size)
{
	char name[JOURNAL_NAME_ROOM];
	ssize_t got;
	int fd;

	if (scan->size >= size && scan->segment == segment)
		return 1;
	journal_segment_name(segment, name);
	fd = segment_open(scan->dir, name);
	if (fd < 0)
		return errno == ENOENT || errno == EBADMSG ? 0 : scan_fail(scan);
	got = scan_read(fd, scan->bytes, size, 0);
	disk_close(fd);
	if (got < 0)
		return scan_fail(scan);
	memset(scan->bytes + got, 0, size - (size_t)got);
	scan->segment = segment;
	scan->size = size;
	return 1;
}

static int
same_owner(const struct journal_head *one, const struct journal_head *other)
{
	return strcmp(one->root, other->root) == 0 &&
	    strcmp(one->generation, other->generation) == 0;
}

/* Does a batch begin there in the segment at hand?  Then its head is, too, and `size` are the bytes
 * of its blocks. */
static int
look(struct journal_scan *scan, uint32_t offset, uint32_t *size)
{
	const unsigned char *bytes = scan->bytes + offset;
	struct journal_head *head = &scan->head;
	size_t taken;

	head->version = 0;
	taken = journal_get_head(bytes, head);
	if (taken == 0 || taken > scan->size - offset ||
	    (scan->is_known && !same_owner(head, &scan->owner)))
		return 0;
	taken = journal_check_head(bytes, head, JOURNAL_SEGMENT - offset);
	if (taken == 0)
		return 0;
	if (head->version != JOURNAL_VERSION) {
		head->version = 0; /* all else is of ours: it is no newer one, it was damaged */
		return 0;
	}
	*size = (uint32_t)((taken + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK);
	return 1;
}

/* Visits all segments, with so many bytes of each at hand. */
static int
each_segment(struct journal_scan *scan, size_t bytes, int (*visit)(struct journal_scan *))
{
	int rc;

	for (uint32_t i = 0; i < scan->end; i++) {
		rc = use(scan, i, bytes);
		if (rc < 0 || (rc > 0 && visit(scan) < 0))
			return -1;
	}
	return 0;
}

static int
each_batch(struct journal_scan *scan,
    int (*visit)(struct journal_scan *, uint32_t offset, uint32_t size))
{
	uint32_t size;

	for (uint32_t offset = 0; offset < scan->size; offset += size) {
		size = JOURNAL_BLOCK;
		if (look(scan, offset, &size) && visit(scan, offset, size) < 0)
			return -1;
	}
	return 0;
}

/* The name of a segment's file has four digits. */
static int
find_end(struct journal_scan *scan)
{
	DIR *listing = disk_list(scan->dir);
	const struct dirent *file;
	int error;

	if (!listing)
		return scan_fail(scan);
	while (errno = 0, (file = readdir(listing))) {
		unsigned long index = strtoul(file->d_name, NULL, 10);
		if (strspn(file->d_name, "0123456789") == 4 && !file->d_name[4] &&
		    index >= scan->end)
			scan->end = (uint32_t)index + 1;
	}
	error = errno;
	closedir(listing);
	errno = error;
	return error ? scan_fail(scan) : 0;
}

/* ---- whose it is */

static int
own(struct journal_scan *scan, uint32_t offset, uint32_t size)
{
	const struct journal_head *head = &scan->head;

	(void)offset, (void)size;
	if (scan->root && strcmp(head->root, scan->root) != 0)
		return why_say(scan_refuse(scan, JOURNAL_STRANGER),
		    "%s/%04u is of the root with the id %s, and this is %s", JOURNAL_FOLDER,
		    (unsigned)scan->segment, head->root,
		    scan->root[0] ? scan->root : "one without an id");
	if (scan->owner.number > 0 && !same_owner(head, &scan->owner))
		return why_say(scan_refuse(scan, JOURNAL_STRANGER),
		    "%s/%04u is not of the journal that %s/%04u is of: want segments that were "
		    "made together", JOURNAL_FOLDER, (unsigned)scan->segment, JOURNAL_FOLDER,
		    (unsigned)scan->owner_at);
	if (scan->owner.number == 0)
		scan->owner_at = scan->segment;
	scan->owner = *head;
	return 0;
}

static int
own_start(struct journal_scan *scan)
{
	uint32_t size;

	/* A table that ends behind the block that was read. */
	if (journal_get_head(scan->bytes, &scan->head) > JOURNAL_BLOCK &&
	    use(scan, scan->segment, JOURNAL_SEGMENT) < 0)
		return -1;
	if (look(scan, 0, &size))
		return own(scan, 0, size);
	if (scan->head.version > JOURNAL_VERSION)
		return why_say(scan_refuse(scan, JOURNAL_NEWER),
		    "%s/%04u has version %" PRIu32 "; this program reads version %d",
		    JOURNAL_FOLDER, (unsigned)scan->segment, scan->head.version,
		    JOURNAL_VERSION);
	return 0;
}

static int
own_any(struct journal_scan *scan)
{
	return each_batch(scan, own);
}

/* Where no segment has a good head at its beginning, all that there are must agree. */
static int
find_owner(struct journal_scan *scan)
{
	if (each_segment(scan, JOURNAL_BLOCK, own_start) < 0 ||
	    (scan->owner.number == 0 && each_segment(scan, JOURNAL_SEGMENT, own_any) < 0))
		return -1;
	scan->is_known = scan->owner.number > 0;
	return 0;
}

/* ---- the batches */

static int
note(struct journal_scan *scan, uint32_t offset, uint32_t size)
{
	const struct journal_head *head = &scan->head;
	struct journal_entry *grown =
	    scan_grow(scan->entries, scan->count, sizeof *grown);

	if (!grown)
		return scan_fail(scan);
	scan->entries = grown;
	scan->entries[scan->count++] = (struct journal_entry){.number = head->number,
	    .before = head->before, .from = head->from, .last = head->last, .crc = head->crc,
	    .chain = head->chain, .segment = scan->segment, .offset = offset, .size = size};
	return 0;
}

static int
note_all(struct journal_scan *scan)
{
	return each_batch(scan, note);
}

/* Of the same batch twice, as where somebody has copied a segment, who comes from above meets the
 * one in the lower segment first. */
static int
by_number(const void *one, const void *other)
{
	const struct journal_entry *a = one, *b = other;

	if (a->number != b->number)
		return a->number > b->number ? 1 : -1;
	return (a->segment < b->segment) - (a->segment > b->segment);
}

int
scan_load_batch(struct journal_scan *scan, const struct journal_entry *entry)
{
	const unsigned char *bytes = scan->bytes + entry->offset;
	int rc = use(scan, entry->segment, JOURNAL_SEGMENT);

	if (rc < 0)
		return -1;
	return rc > 0 && journal_get_head(bytes, &scan->head) > 0 &&
	    scan->head.crc == entry->crc &&
	    journal_check_head(bytes, &scan->head, entry->size) > 0;
}

struct journal_frame
scan_frame(const struct journal_scan *scan, const struct journal_entry *entry, uint32_t i,
    size_t *at)
{
	const unsigned char *bytes = scan->bytes + entry->offset;
	struct journal_frame frame;
	size_t size;

	journal_get_row(bytes, i, &frame);
	size = journal_frame_size(&frame);
	frame.segment = entry->segment;
	frame.offset = (uint32_t)(entry->offset + *at);
	frame.is_damaged = crc32c(0, bytes + *at, size) != frame.crc;
	*at += size;
	return frame;
}

int
scan_is_whole(struct journal_scan *scan, const struct journal_entry *entry)
{
	size_t at;
	int rc = scan_load_batch(scan, entry);

	if (rc <= 0)
		return rc;
	at = journal_head_size(scan->head.count);
	for (uint32_t i = 0; i < scan->head.count; i++) {
		if (scan_frame(scan, entry, i, &at).is_damaged)
			return 0;
	}
	return 1;
}

/* ---- the whole of it */

int
scan_all(struct journal_scan *scan)
{
	if (find_end(scan) < 0 || find_owner(scan) < 0)
		return -1;
	if (!scan->is_known)
		return 0;
	if (each_segment(scan, JOURNAL_SEGMENT, note_all) < 0)
		return -1;
	if (scan->count > 0)
		qsort(scan->entries, scan->count, sizeof scan->entries[0], by_number);
	return 0;
}

struct journal_scan *
scan_new(struct journal *journal, int dir, const char *root)
{
	struct journal_scan *scan = malloc(sizeof *scan);

	if (!scan)
		return NULL;
	memset(scan, 0, offsetof(struct journal_scan, bytes));
	scan->journal = journal;
	scan->dir = dir;
	scan->root = root;
	return scan;
}

void
scan_free(struct journal_scan *scan)
{
	if (!scan)
		return;
	free(scan->entries);
	free(scan);
}
