/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxd/commit/writer.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/commit/blocks.h"
#include "lib/crc.h"
#include "lib/disk.h"

/* At the end of each segment so many bytes are for marks alone, lest a journal that is full lack
 * the room for those that free it.  The last of them are for the marks that end that state:
 * that all drafts are durable, that a segment is free, and twice that for a recovery. */
#define FOR_MARKS (16 * JOURNAL_BLOCK)
#define FOR_LAST_MARKS (6 * JOURNAL_BLOCK)

/* Frames of a batch, at most: what fits in a segment is fewer. */
#define BATCH_MAX 2048

struct segment {
	uint64_t last; /* of its last batch; 0: it has none that is wanted */
};

struct writer {
	int dir;                  /* <root>/journal */
	int fd;                   /* the segment in use */
	uint32_t segment, offset; /* where the next batch begins */
	struct segment *segments; /* as many as the journal has */
	struct journal_head next; /* the head of the batch that gathers */
	struct journal_head newest; /* of the one on the disk */
	uint64_t highest;         /* number of any batch there was */
	struct journal_frame *table;
	unsigned char *frames; /* the batch's, one behind the other; room for a segment */
	size_t size;           /* bytes of them */
	unsigned char *whole;  /* the batch as it is written */
};

static size_t
in_blocks(size_t size)
{
	return (size + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

static int
fail(struct why *error, const char *what)
{
	return why_say(error, "%s " JOURNAL_FOLDER "/: %s", what, strerror(errno));
}

static int
fail_room(struct why *error, uint32_t segments)
{
	int cause = errno;

	if (disk_is_full(cause))
		why_say(error, JOURNAL_FOLDER "/: %s: it wants %u MiB ([receiver] journal): %s",
		    strerror(cause), (unsigned)segments,
		    cause == EFBIG ? "raise the limit of a file's size (LimitFSIZE)"
		                   : "make room, or set it smaller");
	else
		(void)fail(error, "make");
	errno = cause;
	return -1;
}

/* ---- memory */

static struct writer *
new_writer(int dir, uint32_t segments)
{
	struct writer *writer = must_alloc(sizeof *writer);

	writer->dir = dir;
	writer->fd = -1;
	writer->segments = must_alloc(segments * sizeof *writer->segments);
	writer->table = must_alloc(BATCH_MAX * sizeof *writer->table);
	writer->frames = must_alloc(JOURNAL_SEGMENT);
	writer->whole = must_alloc(JOURNAL_SEGMENT);
	writer->next.segments = segments;
	return writer;
}

void
writer_close(struct writer *writer)
{
	if (!writer)
		return;
	disk_close(writer->fd);
	disk_close(writer->dir);
	free(writer->segments);
	free(writer->table);
	free(writer->frames);
	free(writer->whole);
	free(writer);
}

/* ---- making and opening */

static int
make_folder(int root, struct why *error)
{
	int dir;

	if (mkdirat(root, JOURNAL_FOLDER, 0700) < 0 && errno != EEXIST)
		return fail(error, "make");
	dir = disk_open_dir(root, JOURNAL_FOLDER);
	if (dir < 0)
		return fail(error, "open");
	if (disk_sync_dir(root) < 0)
		fatal_sync("root");
	return dir;
}

struct writer *
writer_make(int root, const char *root_id, uint32_t segments, uint64_t last, struct why *error)
{
	struct writer *writer;
	int cause, dir = make_folder(root, error);

	if (dir < 0)
		return NULL;
	if (blocks_drop(dir, 0) < 0 || blocks_make(dir, 0, segments) < 0) {
		(void)fail_room(error, segments);
		disk_close(dir);
		return NULL;
	}
	writer = new_writer(dir, segments);
	snprintf(writer->next.root, sizeof writer->next.root, "%s", root_id);
	writer->next.from = writer->next.last = last;
	writer->fd = blocks_open(dir, 0);
	if (writer->fd < 0 || id_draw(writer->next.generation) < 0) {
		(void)fail(error, "begin");
		writer_close(writer);
		return NULL;
	}
	writer_mark(writer, last, last);
	if (writer_sync(writer) < 0) {
		cause = errno;
		(void)!blocks_drop(dir, 0);
		errno = cause;
		(void)fail_room(error, segments);
		writer_close(writer);
		return NULL;
	}
	return writer;
}

/* Which frames the segments hold that are not free. */
static void
take_frames(struct writer *writer, const struct journal *found)
{
	for (size_t i = 0; i < found->count; i++) {
		struct segment *segment = &writer->segments[found->frames[i].segment];
		if (found->frames[i].seq > segment->last)
			segment->last = found->frames[i].seq;
	}
}

struct writer *
writer_open(int root, const struct journal *found, struct why *error)
{
	int dir = disk_open_dir(root, JOURNAL_FOLDER);
	struct writer *writer;

	if (dir < 0) {
		(void)fail(error, "open");
		return NULL;
	}
	writer = new_writer(dir, found->head.segments);
	writer->next = writer->newest = found->head;
	writer->next.from = found->head.last;
	writer->next.count = 0;
	writer->highest = found->highest;
	writer->segment = found->segment;
	writer->offset = found->offset + found->size;
	take_frames(writer, found);
	writer->fd = blocks_open(dir, found->segment);
	if (writer->fd < 0 ||
	    disk_write_again(
	        writer->fd, found->offset, (off_t)found->offset + found->size) < 0) {
		(void)fail(error, "write");
		writer_close(writer);
		return NULL;
	}
	if (disk_sync_data(writer->fd) < 0)
		fatal_sync("journal");
	return writer;
}

/* Another start may have been cut off while it made them, or took them away. */
static int
drop_surplus(const struct writer *writer, struct why *error)
{
	return blocks_drop(writer->dir, writer->next.segments) < 0 ? fail(error, "shorten") : 0;
}

int
writer_resize(struct writer *writer, uint32_t segments, struct why *error)
{
	uint32_t before = writer->next.segments;
	struct segment *grown;

	assert(writer->next.count == 0 && writer->newest.published == writer->newest.last);
	if (segments == before)
		return drop_surplus(writer, error);
	if (segments > before && blocks_make(writer->dir, before, segments) < 0)
		return fail_room(error, segments);
	grown = must_alloc(segments * sizeof *grown);
	free(writer->segments);
	writer->segments = grown;
	/* The batch that says so must lie in a segment that stays. */
	if (writer->segment >= segments) {
		writer->segment = segments - 1;
		writer->offset = JOURNAL_SEGMENT;
	}
	writer->next.segments = segments;
	if (writer_sync(writer) < 0)
		return fail_room(error, segments);
	return drop_surplus(writer, error);
}

/* ---- the batch */

static int
is_free(const struct writer *writer, uint32_t segment)
{
	return segment != writer->segment &&
	    writer->segments[segment].last <= writer->newest.published;
}

/* The next one in turn that is free, or the count of all. */
static uint32_t
find_free(const struct writer *writer)
{
	uint32_t count = writer->next.segments;

	for (uint32_t i = 1; i <= count; i++) {
		uint32_t segment = (writer->segment + i) % count;
		if (is_free(writer, segment))
			return segment;
	}
	return count;
}

static int
fits(size_t offset, size_t size, size_t kept)
{
	return offset + in_blocks(size) + kept <= JOURNAL_SEGMENT;
}

/* Are so many?  Mostly the next ones in turn. */
static int
are_free(const struct writer *writer, uint32_t wanted)
{
	for (uint32_t i = 1; i <= writer->next.segments && wanted > 0; i++)
		wanted -= (uint32_t)is_free(writer, (writer->segment + i) % writer->next.segments);
	return wanted == 0;
}

/* The batch with one more frame. */
static size_t
size_with(const struct writer *writer, size_t record_size, size_t item_size)
{
	return journal_head_size(writer->next.count + 1) + writer->size + record_size + item_size;
}

int
writer_has_room(const struct writer *writer, size_t record_size, size_t item_size)
{
	size_t size = size_with(writer, record_size, item_size);

	if (writer->next.count == BATCH_MAX)
		return 0;
	if (fits(writer->offset, size, FOR_MARKS))
		return 1;
	/* Else it all goes into another one. */
	return fits(0, size, FOR_MARKS) && find_free(writer) < writer->next.segments;
}

int
writer_leaves_spare(const struct writer *writer, size_t record_size, size_t item_size)
{
	size_t size = size_with(writer, record_size, item_size);

	return are_free(writer, fits(writer->offset, size, FOR_MARKS) ? 1 : 2);
}

void
writer_add(struct writer *writer, uint64_t seq, const char *record, size_t record_size,
    const void *item, size_t item_size)
{
	struct journal_frame *frame = &writer->table[writer->next.count++];

	assert(seq > writer->next.last);
	writer->next.last = seq;
	*frame = (struct journal_frame){.seq = seq, .record_size = (uint32_t)record_size,
	    .item_size = item ? (uint32_t)item_size : 0, .has_item = item != NULL};
	frame->crc = crc32c(0, record, record_size);
	memcpy(writer->frames + writer->size, record, record_size);
	writer->size += record_size;
	if (!item)
		return;
	frame->crc = crc32c(frame->crc, item, item_size);
	memcpy(writer->frames + writer->size, item, item_size);
	writer->size += item_size;
}

size_t
writer_batched(const struct writer *writer)
{
	return writer->next.count;
}

void
writer_drop(struct writer *writer)
{
	writer->next.count = 0;
	writer->next.last = writer->next.from;
	writer->size = 0;
}

const struct journal_frame *
writer_frame(const struct writer *writer, size_t i)
{
	assert(writer->next.count == 0 && i < writer->newest.count);
	return &writer->table[i];
}

void
writer_mark(struct writer *writer, uint64_t durable, uint64_t published)
{
	assert(published <= durable && durable <= writer->next.last);
	assert(durable >= writer->next.durable && published >= writer->next.published);
	writer->next.durable = durable;
	writer->next.published = published;
}

/* Would the marks that wait free a segment? */
static int
frees(const struct writer *writer)
{
	for (uint32_t i = 0; i < writer->next.segments; i++) {
		if (i != writer->segment && !is_free(writer, i) &&
		    writer->segments[i].last <= writer->next.published)
			return 1;
	}
	return 0;
}

int
writer_wants_marks(const struct writer *writer)
{
	const struct journal_head *next = &writer->next, *newest = &writer->newest;

	if (next->durable > newest->durable &&
	    (fits(writer->offset, JOURNAL_BLOCK, FOR_LAST_MARKS) ||
	        find_free(writer) < next->segments || next->durable == next->last))
		return 1;
	/* The last one is no room for all. */
	return !are_free(writer, 2) && frees(writer);
}

/* Goes on in a free segment.  Where there is no descriptor left for it that is tried again: peers
 * can bring that about. */
static int
turn_over(struct writer *writer)
{
	uint32_t segment = find_free(writer);
	int fd;

	assert(segment < writer->next.segments);
	fd = blocks_open(writer->dir, segment);
	if (fd < 0 && disk_is_shortage(errno))
		return -1;
	if (fd < 0)
		fatal(EX_IOERR, "journal_failed", "call=open segment=%u error=\"%s\"", segment,
		    strerror(errno));
	disk_close(writer->fd);
	writer->fd = fd;
	writer->segment = segment;
	writer->segments[segment].last = 0;
	writer->offset = 0;
	return 0;
}

/* The batch stands on the disk: the next one follows it. */
static void
follow(struct writer *writer, size_t size)
{
	struct journal_head *next = &writer->next;

	writer->newest = *next;
	writer->highest = next->number;
	/* Of marks alone, too: who reads back has to come through them. */
	writer->segments[writer->segment].last = next->last;
	writer->offset += (uint32_t)size;
	next->from = next->last;
	next->count = 0;
	writer->size = 0;
}

/* Where they will lie: behind a head of that size. */
static void
place_frames(struct writer *writer, size_t head)
{
	uint32_t offset = writer->offset + (uint32_t)head;

	for (uint32_t i = 0; i < writer->next.count; i++) {
		writer->table[i].segment = writer->segment;
		writer->table[i].offset = offset;
		offset += writer->table[i].record_size + writer->table[i].item_size;
	}
}

/* What a write that found no room leaves is a torn batch, which the next one writes over. */
static int
write_batch(struct writer *writer, size_t size)
{
	if (lseek(writer->fd, (off_t)writer->offset, SEEK_SET) >= 0 &&
	    disk_write(writer->fd, writer->whole, size) == 0)
		return 0;
	if (disk_is_full(errno))
		return -1;
	fatal(EX_IOERR, "journal_failed", "call=write segment=%u error=\"%s\"", writer->segment,
	    strerror(errno));
}

int
writer_sync(struct writer *writer)
{
	struct journal_head *head = &writer->next;
	size_t table = journal_head_size(head->count);
	size_t size = in_blocks(table + writer->size);

	if (!fits(writer->offset, size, head->count > 0 ? FOR_MARKS : 0) && turn_over(writer) < 0)
		return -1;
	place_frames(writer, table);
	head->number = writer->highest + 1;
	head->before = writer->newest.number;
	head->chain = writer->newest.crc;
	journal_put_head(writer->whole, head, writer->table);
	memcpy(writer->whole + table, writer->frames, writer->size);
	memset(writer->whole + table + writer->size, 0, size - table - writer->size);
	if (write_batch(writer, size) < 0) {
		/* What stands there may be read as a torn one: the number is its own. */
		writer->highest = head->number;
		return -1;
	}
	if (disk_sync_data(writer->fd) < 0)
		fatal_sync("journal");
	follow(writer, size);
	return 0;
}

/* ---- what is on the disk */

uint64_t
writer_durable(const struct writer *writer)
{
	return writer->newest.durable;
}

uint64_t
writer_published(const struct writer *writer)
{
	return writer->newest.published;
}

uint64_t
writer_last(const struct writer *writer)
{
	return writer->newest.last;
}

const char *
writer_generation(const struct writer *writer)
{
	return writer->next.generation;
}

uint32_t
writer_segments(const struct writer *writer)
{
	return writer->next.segments;
}

int
writer_dir(const struct writer *writer)
{
	return writer->dir;
}
