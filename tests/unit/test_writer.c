/* SPDX-License-Identifier: ISC */
/*
 * The journal as it is written.  A model of the commit thread and of a publisher works on it at
 * random, in a journal that is full most of the time, and is killed in the middle of writes: what
 * journal_read() finds must be the frames of the batches that were synced, and not one more or
 * less, and in a journal however full the marks that free it must find their place.
 *
 * Calls go through the __wrap_ functions below (ld --wrap); no sync is real.
 */
#include "config.h"

#include "inboxd/commit/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/disk.h"
#include "lib/log.h"
#include "lib/record.h"
#include "sample.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define SEGMENTS_MAX 8 /* of these tests */
#define SECTOR 512
#define FRAMES_MAX 20000

/* ---- the hooks */

enum fault { NONE, OPEN, WRITE, PREAD, SYNC, FOLDER, UNLINK, MKDIR, RANDOM };

static struct {
	enum fault fault;
	int at, count, error;
	int is_met;
	size_t torn; /* the write that fails does so many bytes before: whole pages */
	/* What was written since the last sync of it, and where. */
	unsigned writes, syncs;
	unsigned covered; /* writes that the last sync was for */
	ino_t inode;
	off_t offset;
	size_t len;
} hook;

int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
int __real_mkdirat(int at, const char *name, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode);
int __real_unlinkat(int at, const char *name, int flags);
int __wrap_unlinkat(int at, const char *name, int flags);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);
int __real_getentropy(void *data, size_t len);
int __wrap_getentropy(void *data, size_t len);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static void
set_hook(enum fault fault, int at, int error)
{
	memset(&hook, 0, sizeof hook);
	hook.fault = fault;
	hook.at = at;
	hook.error = error;
}

static int
trips(enum fault fault)
{
	if (hook.fault != fault || ++hook.count != hook.at)
		return 0;
	hook.is_met = 1;
	errno = hook.error;
	return 1;
}

int
__wrap_openat(int at, const char *name, int flags, ...)
{
	int mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, int);
	va_end(args);
	/* Segments; a folder may be opened by another call of the library's. */
	return name[0] == '0' && trips(OPEN) ? -1 : __real_openat(at, name, flags, mode);
}

int
__wrap_mkdirat(int at, const char *name, mode_t mode)
{
	return trips(MKDIR) ? -1 : __real_mkdirat(at, name, mode);
}

int
__wrap_unlinkat(int at, const char *name, int flags)
{
	return trips(UNLINK) ? -1 : __real_unlinkat(at, name, flags);
}

static void
note_write(int fd, off_t offset, size_t len)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (hook.writes++ > 0 && hook.inode == st.st_ino &&
	    hook.offset + (off_t)hook.len == offset) {
		hook.len += len; /* the next piece of it */
		return;
	}
	hook.inode = st.st_ino;
	hook.offset = offset;
	hook.len = len;
}

ssize_t
__wrap_write(int fd, const void *data, size_t len)
{
	if (trips(WRITE)) {
		if (hook.torn >= len)
			hook.torn = len - JOURNAL_BLOCK;
		if (hook.torn == 0)
			return -1;
		hook.at++; /* the rest of it fails */
		len = hook.torn;
		hook.torn = 0;
		return __real_write(fd, data, len);
	}
	note_write(fd, lseek(fd, 0, SEEK_CUR), len);
	return __real_write(fd, data, len);
}

ssize_t
__wrap_pread(int fd, void *data, size_t len, off_t at)
{
	return trips(PREAD) ? -1 : __real_pread(fd, data, len, at);
}

int
__wrap_getentropy(void *data, size_t len)
{
	return trips(RANDOM) ? -1 : __real_getentropy(data, len);
}

int
__wrap_fdatasync(int fd)
{
	struct stat st;

	if (trips(SYNC))
		return -1;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_ino, hook.inode);
	hook.covered = hook.writes;
	hook.writes = 0;
	hook.syncs++;
	return 0;
}

int
__wrap_fsync(int fd)
{
	(void)fd;
	return trips(FOLDER) ? -1 : 0;
}

/* ---- random numbers, the same for the same seed */

static uint64_t random_state;

static uint64_t
draw(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

/* ---- a journal, and what it must have */

static char path[64];
static int root = -1, dir = -1;
static struct writer *writer;
static struct why why;

/* A frame that was added, by order of seq. */
struct frame {
	uint64_t seq;
	uint32_t record_size, item_size;
	int has_item;
};

/* What a start must find. */
struct truth {
	uint64_t last, durable, published;
	size_t frames; /* so many of the array, from the beginning */
};

static struct frame frames[FRAMES_MAX];
static size_t frame_count;
static struct truth synced, synced_before; /* after the last sync, and before it */
static unsigned char shadow[SEGMENTS_MAX][JOURNAL_SEGMENT]; /* what the segments hold */
/* The last write: where, what was there before it, and what is now. */
static struct {
	uint32_t segment;
	size_t offset, len;
	unsigned char before[JOURNAL_SEGMENT], after[JOURNAL_SEGMENT];
} last_write;

static unsigned char
byte_of(uint64_t seq, size_t at)
{
	return (unsigned char)(seq * 37 + at * 11 + (at >> 9));
}

static void
fill_record(const struct frame *frame, char *record)
{
	memset(record, 'a' + (int)(frame->seq % 26), frame->record_size);
	snprintf(record, frame->record_size, "%llu ", (unsigned long long)frame->seq);
	record[strlen(record)] = ' ';
	record[frame->record_size - 1] = '\n';
}

static void
fill_item(const struct frame *frame, unsigned char *item)
{
	for (size_t at = 0; at < frame->item_size; at++)
		item[at] = byte_of(frame->seq, at);
}

static uint32_t
find_segment(ino_t inode)
{
	char name[JOURNAL_NAME_ROOM];
	struct stat st;

	for (uint32_t i = 0; i < SEGMENTS_MAX; i++) {
		journal_segment_name(i, name);
		if (fstatat(dir, name, &st, 0) == 0 && st.st_ino == inode)
			return i;
	}
	fail_msg("it wrote somewhere else");
	return 0;
}

static int
open_file(uint32_t segment, int flags)
{
	char name[JOURNAL_NAME_ROOM];
	int fd;

	journal_segment_name(segment, name);
	fd = __real_openat(dir, name, flags | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void
put_bytes(uint32_t segment, size_t offset, const void *bytes, size_t len)
{
	int fd = open_file(segment, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, len, (off_t)offset), len);
	close(fd);
	memcpy(shadow[segment] + offset, bytes, len);
}

static void
load_shadow(void)
{
	for (uint32_t i = 0; i < writer_segments(writer); i++) {
		int fd = open_file(i, O_RDONLY);
		assert_int_equal(__real_pread(fd, shadow[i], JOURNAL_SEGMENT, 0), JOURNAL_SEGMENT);
		close(fd);
	}
}

/* Nothing of what is not free may be written over; and all of it is one write, one sync. */
static void
check_write(void)
{
	int fd;

	assert_int_equal(hook.writes, 0);
	assert_int_equal(hook.covered, 1);
	assert_int_equal(hook.syncs, 1);
	last_write.segment = find_segment(hook.inode);
	last_write.offset = (size_t)hook.offset;
	last_write.len = hook.len;
	assert_int_equal(last_write.offset % JOURNAL_BLOCK, 0);
	assert_true(last_write.offset + last_write.len <= JOURNAL_SEGMENT);
	memcpy(last_write.before, shadow[last_write.segment] + last_write.offset, hook.len);
	fd = open_file(last_write.segment, O_RDONLY);
	assert_int_equal(__real_pread(fd, last_write.after, hook.len, hook.offset), hook.len);
	close(fd);
	memcpy(shadow[last_write.segment] + last_write.offset, last_write.after, hook.len);
}

/* The model's marks, which the next batch has. */
static uint64_t durable, published;

static void
sync_batch(void)
{
	synced_before = synced;
	set_hook(NONE, 0, 0);
	writer_mark(writer, durable, published);
	assert_int_equal(writer_sync(writer), 0);
	check_write();
	synced = (struct truth){.frames = frame_count, .durable = durable, .published = published,
	    .last = frame_count > 0 ? frames[frame_count - 1].seq : synced.last};
	assert_int_equal(writer_durable(writer), durable);
	assert_int_equal(writer_published(writer), published);
	assert_int_equal(writer_last(writer), synced.last);
	assert_int_equal(writer_batched(writer), 0);
}

static void
add_frame(uint64_t seq, uint32_t record_size, long item_size)
{
	static char record[RECORD_LINE_MAX];
	static unsigned char item[JOURNAL_ITEM_MAX + 1];
	struct frame *frame = &frames[frame_count++];

	assert_true(frame_count < FRAMES_MAX);
	*frame = (struct frame){.seq = seq, .record_size = record_size, .has_item = item_size >= 0,
	    .item_size = item_size > 0 ? (uint32_t)item_size : 0};
	fill_record(frame, record);
	fill_item(frame, item);
	writer_add(writer, seq, record, record_size, frame->has_item ? item : NULL,
	    frame->has_item ? (size_t)item_size : 77); /* that counts for nothing */
}

static void
check_frame(const struct journal_frame *got, const struct frame *want)
{
	static unsigned char item[JOURNAL_ITEM_MAX], wanted[JOURNAL_ITEM_MAX];
	static char record[RECORD_LINE_MAX + 1], wanted_record[RECORD_LINE_MAX];

	assert_int_equal(got->seq, want->seq);
	assert_false(got->is_damaged);
	assert_int_equal(got->record_size, want->record_size);
	assert_int_equal(got->item_size, want->item_size);
	assert_int_equal(got->has_item, want->has_item);
	assert_int_equal(journal_read_frame(dir, got, record, item), 0);
	fill_record(want, wanted_record);
	fill_item(want, wanted);
	assert_memory_equal(record, wanted_record, want->record_size);
	assert_memory_equal(item, wanted, want->item_size);
}

/* What journal_read() finds is that. */
static void
assert_reads(const struct truth *truth, struct journal *journal)
{
	size_t at = truth->frames;

	journal_read(journal, dir, ROOT);
	if (journal->found != JOURNAL_READ)
		fail_msg("found %d: %s", (int)journal->found, journal->why.text);
	assert_int_equal(journal->head.last, truth->last);
	assert_int_equal(journal->head.durable, truth->durable);
	assert_int_equal(journal->head.published, truth->published);
	assert_int_equal(journal->hole_count, 0);
	while (at > 0 && frames[at - 1].seq > truth->published)
		at--;
	assert_int_equal(journal->count, truth->frames - at);
	for (size_t i = 0; i < journal->count; i++)
		check_frame(&journal->frames[i], &frames[at + i]);
}

static void
assert_reads_as_synced(void)
{
	struct journal journal;

	assert_reads(&synced, &journal);
	journal_free(&journal);
}

static void
open_dir(void)
{
	if (dir >= 0)
		close(dir);
	dir = disk_open_dir(root, JOURNAL_FOLDER);
	assert_true(dir >= 0);
}

static void
make(uint32_t segments, uint64_t last)
{
	set_hook(NONE, 0, 0);
	writer = writer_make(root, ROOT, segments, last, &why);
	if (!writer)
		fail_msg("%s", why.text);
	open_dir();
	frame_count = 0;
	durable = published = last;
	synced = synced_before =
	    (struct truth){.last = last, .durable = last, .published = last};
	load_shadow();
}

static int
setup(void **state)
{
	(void)state;
	root = sample_make_folder(path);
	set_hook(NONE, 0, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	set_hook(NONE, 0, 0);
	writer_close(writer);
	writer = NULL;
	disk_close(dir);
	close(root);
	dir = root = -1;
	sample_remove_folder(path);
	return 0;
}

static size_t
files(void)
{
	size_t count;

	open_dir();
	count = sample_count_files(dir);
	return count;
}

/* ---- one step at a time */

static void
makes_a_journal_whose_blocks_are_written(void **state)
{
	char name[JOURNAL_NAME_ROOM];
	struct journal journal;
	struct stat st;

	(void)state;
	make(5, 41);
	assert_int_equal(files(), 5);
	for (uint32_t i = 0; i < 5; i++) {
		journal_segment_name(i, name);
		assert_int_equal(fstatat(dir, name, &st, 0), 0);
		assert_int_equal(st.st_size, JOURNAL_SEGMENT);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_true(st.st_blocks * 512 >= JOURNAL_SEGMENT);
	}
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_reads(&synced, &journal);
	assert_int_equal(journal.head.number, 1);
	assert_int_equal(journal.head.segments, 5);
	assert_string_equal(journal.head.generation, writer_generation(writer));
	journal_free(&journal);
	assert_int_equal(writer_last(writer), 41);
	assert_int_equal(writer_published(writer), 41);
	assert_int_equal(writer_segments(writer), 5);
	assert_false(writer_wants_marks(writer));
}

static void
tells_where_each_frame_lies(void **state)
{
	static const long sizes[] = {0, -1, 1, JOURNAL_ITEM_MAX, 4000};
	const size_t count = sizeof sizes / sizeof sizes[0];

	(void)state;
	make(4, 0);
	for (uint64_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < count; i++) {
			assert_true(writer_has_room(writer, RECORD_LINE_MAX,
			    sizes[i] > 0 ? (size_t)sizes[i] : 0));
			add_frame(10 * round + i + 1, 60 + (uint32_t)i, sizes[i]);
		}
		assert_int_equal(writer_batched(writer), count);
		sync_batch();
		for (size_t i = 0; i < count; i++)
			check_frame(writer_frame(writer, i), &frames[count * round + i]);
	}
	assert_reads_as_synced();
}

static void
drops_a_batch_without_a_trace(void **state)
{
	(void)state;
	make(4, 7);
	add_frame(8, 100, 5000);
	sync_batch();
	add_frame(9, 100, 5000);
	add_frame(10, 100, -1);
	writer_drop(writer);
	frame_count -= 2;
	assert_int_equal(writer_batched(writer), 0);
	assert_int_equal(writer_last(writer), 8);
	add_frame(11, 90, 33); /* their seqs are not used again */
	sync_batch();
	assert_reads_as_synced();
	writer_drop(writer);
	sync_batch();
	assert_reads_as_synced();
}

/* Fills it to the brim; the seq of the last frame. */
static uint64_t
fill(uint64_t seq, long size)
{
	while (writer_has_room(writer, RECORD_LINE_MAX, size > 0 ? (size_t)size : 0)) {
		add_frame(++seq, 100, size);
		sync_batch();
	}
	return seq;
}

static void
frees_a_segment_only_when_a_synced_mark_says_so(void **state)
{
	uint64_t last;

	(void)state;
	make(4, 0);
	last = fill(0, JOURNAL_ITEM_MAX);
	assert_int_equal(last, 4 * 14); /* of 68 KiB each, with room for marks */
	assert_reads_as_synced();
	assert_false(writer_wants_marks(writer));
	/* All of the first segment, and not yet on the disk. */
	durable = last, published = 14;
	writer_mark(writer, durable, published);
	assert_false(writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX));
	assert_true(writer_wants_marks(writer));
	sync_batch();
	assert_int_equal(last_write.segment, 3);
	assert_true(writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX));
	assert_false(writer_wants_marks(writer));
	add_frame(++last, 100, JOURNAL_ITEM_MAX);
	sync_batch();
	assert_int_equal(last_write.segment, 0);
	assert_int_equal(last_write.offset, 0);
	assert_reads_as_synced();
	last = fill(last, JOURNAL_ITEM_MAX);
	assert_int_equal(last, 5 * 14);
	/* All but one of the second. */
	published = 27;
	writer_mark(writer, durable, published);
	assert_false(writer_wants_marks(writer));
	published = 28;
	writer_mark(writer, durable, published);
	assert_true(writer_wants_marks(writer));
	assert_reads_as_synced();
}

static void
wants_marks_for_drafts_but_not_for_names(void **state)
{
	(void)state;
	make(4, 0);
	add_frame(1, 100, 100);
	add_frame(2, 100, 100);
	sync_batch();
	assert_false(writer_wants_marks(writer));
	writer_mark(writer, 1, 0);
	assert_true(writer_wants_marks(writer));
	assert_int_equal(writer_durable(writer), 0); /* of the disk */
	durable = 1;
	sync_batch();
	assert_false(writer_wants_marks(writer));
	writer_mark(writer, 1, 1);
	assert_false(writer_wants_marks(writer));
	assert_int_equal(writer_published(writer), 0);
	published = 1;
	/* Nor where that would free a segment, and two others are free. */
	for (uint64_t seq = 3; seq < 19; seq++) {
		add_frame(seq, 100, JOURNAL_ITEM_MAX);
		sync_batch();
	}
	assert_int_equal(last_write.segment, 1);
	durable = 18;
	sync_batch();
	published = 17;
	writer_mark(writer, 18, published);
	assert_false(writer_wants_marks(writer));
	for (uint64_t seq = 19; seq < 47; seq++) {
		add_frame(seq, 100, JOURNAL_ITEM_MAX);
		sync_batch();
	}
	assert_int_equal(last_write.segment, 3);
	durable = 46;
	sync_batch();
	writer_mark(writer, 46, 45);
	assert_true(writer_wants_marks(writer));
}

static void
takes_no_more_frames_than_a_batch_may_have(void **state)
{
	uint64_t seq = 0;

	(void)state;
	make(4, 0);
	while (writer_has_room(writer, 30, 0))
		add_frame(++seq, 30, -1);
	assert_int_equal(seq, 2048);
	sync_batch();
	assert_true(writer_has_room(writer, 30, 0));
	assert_reads_as_synced();
}

/* What is full for a large frame need not be for a small one; and a batch that gathers goes whole
 * into another segment, or does not grow. */
static void
keeps_a_batch_within_a_segment(void **state)
{
	uint64_t seq = 0;

	(void)state;
	make(4, 0);
	while (writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX))
		add_frame(++seq, RECORD_LINE_MAX, JOURNAL_ITEM_MAX);
	/* It has left the first segment, with the first batch, aside. */
	assert_int_equal(seq, (JOURNAL_SEGMENT - 16 * JOURNAL_BLOCK) /
	    (JOURNAL_ITEM_MAX + RECORD_LINE_MAX + JOURNAL_ROW_SIZE));
	assert_true(writer_has_room(writer, RECORD_LINE_MAX, 100));
	sync_batch();
	assert_int_equal(last_write.segment, 0);
	for (uint32_t i = 1; i < 4; i++) {
		for (int n = 0; n < 14; n++) {
			/* It goes into the next one, so that must not be the last. */
			assert_int_equal(writer_leaves_spare(
			    writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX), i < 3);
			add_frame(++seq, RECORD_LINE_MAX, JOURNAL_ITEM_MAX);
		}
		sync_batch();
		assert_int_equal(last_write.segment, i);
	}
	assert_false(writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX));
	assert_true(writer_has_room(writer, RECORD_LINE_MAX, 10000));
	assert_false(writer_leaves_spare(writer, RECORD_LINE_MAX, 0));
	assert_reads_as_synced();
}

/* ---- what a start goes on with */

static void
close_writer(void)
{
	writer_close(writer);
	writer = NULL;
}

static void
reopen(void)
{
	struct journal journal;

	close_writer();
	assert_reads(&synced, &journal);
	set_hook(NONE, 0, 0);
	writer = writer_open(root, &journal, &why);
	if (!writer)
		fail_msg("%s", why.text);
	/* The newest batch was written again, as it was. */
	assert_int_equal(hook.writes, 0);
	assert_int_equal(hook.syncs, 1);
	assert_int_equal(find_segment(hook.inode), journal.segment);
	assert_int_equal(hook.offset, journal.offset);
	assert_int_equal(hook.len, journal.size);
	assert_string_equal(writer_generation(writer), journal.head.generation);
	journal_free(&journal);
	assert_int_equal(writer_durable(writer), synced.durable);
	assert_int_equal(writer_published(writer), synced.published);
	assert_int_equal(writer_last(writer), synced.last);
	assert_int_equal(writer_batched(writer), 0);
	assert_reads_as_synced();
}

static void
goes_on_behind_what_was_found(void **state)
{
	uint64_t last;

	(void)state;
	make(4, 0);
	last = fill(0, 30000);
	reopen();
	assert_false(writer_has_room(writer, RECORD_LINE_MAX, 0));
	durable = last;
	sync_batch();
	reopen();
	published = last;
	sync_batch();
	reopen();
	assert_true(writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX));
	last = fill(last, 30000);
	assert_reads_as_synced();
}

/* Its number is in the journal, too, and must not be another's. */
static void
numbers_a_batch_above_one_that_was_torn(void **state)
{
	struct journal journal;

	(void)state;
	make(4, 0);
	add_frame(1, 100, 100);
	sync_batch();
	add_frame(2, 100, 30000);
	sync_batch();
	assert_int_equal(last_write.offset, 2 * JOURNAL_BLOCK);
	/* Of the last one, the third, the head and not all of the rest. */
	put_bytes(0, last_write.offset + 4 * JOURNAL_BLOCK, (char[JOURNAL_BLOCK]){0},
	    JOURNAL_BLOCK);
	synced = synced_before;
	frame_count = synced.frames;
	reopen();
	add_frame(3, 100, 100);
	sync_batch();
	assert_int_equal(last_write.offset, 2 * JOURNAL_BLOCK); /* in its place */
	assert_reads(&synced, &journal);
	assert_int_equal(journal.head.number, 4);
	assert_int_equal(journal.head.before, 2);
	journal_free(&journal);
	/* And above those behind it; and above one that found no room. */
	reopen();
	add_frame(4, 100, 100);
	sync_batch();
	set_hook(WRITE, 1, EDQUOT);
	add_frame(5, 100, 9000);
	hook.torn = JOURNAL_BLOCK;
	assert_int_equal(writer_sync(writer), -1);
	assert_int_equal(errno, EDQUOT);
	assert_true(hook.is_met);
	assert_int_equal(writer_last(writer), 4);
	sync_batch(); /* once more */
	assert_reads(&synced, &journal);
	assert_int_equal(journal.head.number, 7);
	journal_free(&journal);
}

static void
resizes_and_says_so_in_a_segment_that_stays(void **state)
{
	static const uint32_t sizes[] = {6, 6, 4, 7, 5};
	struct journal journal;
	uint64_t last = 0;

	(void)state;
	make(5, 0);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		last = fill(last, 60000);
		durable = published = last;
		sync_batch();
		/* It is anywhere in the ring then, and the batch that tells may lie in one
		 * that goes. */
		for (size_t more = 0; more < i * 5; more++) {
			add_frame(++last, 2000, 60000);
			sync_batch();
			durable = published = last;
			sync_batch();
		}
		assert_int_equal(writer_resize(writer, sizes[i], &why), 0);
		assert_int_equal(files(), sizes[i]);
		assert_int_equal(writer_segments(writer), sizes[i]);
		load_shadow();
		assert_reads(&synced, &journal);
		assert_int_equal(journal.head.segments, sizes[i]);
		assert_true(journal.segment < sizes[i]);
		journal_free(&journal);
		reopen();
	}
}

/* ---- the model */

/* How the publisher behaves for a while. */
enum mood { IDLE, TRICKLES, WORKS, SLOWS, MOODS };

static const uint32_t record_sizes[] = {40, 200, RECORD_LINE_MAX};
static uint64_t next_seq;

static long
draw_size(void)
{
	switch (draw(6)) {
	case 0:
		return -1;
	case 1:
		return (long)draw(JOURNAL_ITEM_MAX + 1);
	case 2:
		return JOURNAL_ITEM_MAX;
	case 3:
		return 0;
	default:
		return (long)draw(3000);
	}
}

/* As commit.c asks: for the longest line that there may be. */
static void
accept_some(size_t count)
{
	size_t before = frame_count;

	while (count-- > 0) {
		long size = draw_size();
		if (!writer_has_room(writer, RECORD_LINE_MAX, size > 0 ? (size_t)size : 0))
			break;
		next_seq += draw(20) == 0 ? 2 : 1;
		add_frame(next_seq, record_sizes[draw(3)], size);
	}
	if (frame_count > before && draw(30) == 0) {
		writer_drop(writer);
		frame_count = before;
	}
}

/* The publisher has drafts durable up to what was acknowledged, and names up to what is marked. */
static void
publish_some(enum mood mood)
{
	uint64_t marked = writer_durable(writer), last = writer_last(writer);

	switch (mood) {
	case IDLE:
	case MOODS:
		break;
	case TRICKLES: /* a mark for each draft, as far as that goes, and none for names */
		durable += durable < last;
		break;
	case SLOWS:
		durable += durable < last ? 1 + draw(last - durable) : 0;
		published += published < marked && draw(3) == 0;
		break;
	case WORKS:
		published = marked;
		durable = last;
		break;
	}
}

/* The batch finds no room when it is written, and a part of it may have been. */
static void
fail_batch(void)
{
	set_hook(WRITE, 1, ENOSPC);
	hook.torn = draw(3) * JOURNAL_BLOCK * (1 + draw(40));
	assert_int_equal(writer_sync(writer), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(hook.syncs, 0);
	writer_drop(writer);
	frame_count = synced.frames;
	set_hook(NONE, 0, 0);
	load_shadow();
	last_write.len = 0;
}

static void
turn(size_t items, int is_last)
{
	accept_some(items);
	writer_mark(writer, durable, published);
	if (writer_batched(writer) == 0 && !writer_wants_marks(writer) &&
	    !(is_last && writer_published(writer) < published))
		return;
	if (draw(50) == 0)
		fail_batch();
	else
		sync_batch();
}

/* Bytes that count in the batch that was written last: behind them anything may stand. */
static size_t
used(void)
{
	struct journal_head head;
	size_t size;

	assert_true(journal_get_head(last_write.after, &head) > 0);
	size = journal_check_head(last_write.after, &head, JOURNAL_SEGMENT);
	assert_true(size > 0);
	return size;
}

/* The power fails while the last batch is written: any part of it is on the disk.  Returns whether
 * all that counts is. */
static int
tear(void)
{
	static unsigned char torn[JOURNAL_SEGMENT];
	size_t unit = draw(2) ? SECTOR : JOURNAL_BLOCK, share = draw(5);

	for (size_t at = 0; at < last_write.len; at += unit)
		memcpy(torn + at, (draw(4) < share ? last_write.after : last_write.before) + at,
		    unit);
	put_bytes(last_write.segment, last_write.offset, torn, last_write.len);
	return memcmp(torn, last_write.after, used()) == 0;
}

/* After it: either the batch, or what was before it. */
static void
cut_power(void)
{
	if (tear())
		return;
	synced = synced_before;
	frame_count = synced.frames;
}

/* As recovery does: all durable, all published, each mark on the disk once. */
static int
recover(void)
{
	reopen();
	load_shadow();
	next_seq += 1;
	durable = synced.last, published = synced.published;
	if (writer_durable(writer) < durable) {
		sync_batch();
		if (draw(4) == 0)
			return -1;
	}
	published = synced.last;
	if (writer_published(writer) < published) {
		sync_batch();
		if (draw(4) == 0)
			return -1;
	}
	if (draw(4) != 0)
		return 0;
	set_hook(NONE, 0, 0);
	assert_int_equal(writer_resize(writer, 4 + (uint32_t)draw(3), &why), 0);
	load_shadow();
	last_write.len = 0;
	return 0;
}

/* Killed, or a power cut; and again in the middle of the recovery. */
static void
crash(void)
{
	do {
		if (last_write.len > 0 && draw(2) == 0)
			cut_power();
		last_write.len = 0;
	} while (recover() < 0);
}

/* However full it is: when all is published there is room again, after a turn or two. */
static void
assert_frees(void)
{
	for (int i = 0; i < 6; i++) { /* one of which may fail */
		publish_some(WORKS);
		turn(0, 0);
	}
	assert_int_equal(writer_durable(writer), writer_last(writer));
	assert_true(writer_has_room(writer, RECORD_LINE_MAX, JOURNAL_ITEM_MAX));
}

static void
forget_published(void)
{
	size_t at = 0;

	if (frame_count < FRAMES_MAX / 2)
		return;
	while (at < frame_count && frames[at].seq <= synced_before.published)
		at++;
	memmove(frames, frames + at, (frame_count - at) * sizeof frames[0]);
	frame_count -= at;
	synced.frames -= at;
	synced_before.frames -= at;
}

static void
live(uint64_t seed, int turns)
{
	enum mood mood = IDLE;

	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	make(4, draw(2) ? 0 : 1000);
	next_seq = synced.last;
	last_write.len = 0;
	for (int i = 0; i < turns; i++) {
		if (draw(25) == 0)
			mood = (enum mood)draw(MOODS);
		publish_some(mood);
		turn(draw(3) == 0 ? 0 : draw(20), 0);
		if (draw(20) == 0)
			assert_reads_as_synced();
		if (draw(60) == 0)
			assert_frees();
		if (draw(80) == 0 && last_write.len > 0) {
			if (draw(2) == 0)
				turn(0, 1); /* stopped */
			crash();
		}
		forget_published();
	}
	assert_reads_as_synced();
}

static void
keeps_what_was_synced_and_always_frees_itself(void **state)
{
	const char *given = getenv("TEST_SEED"), *longer = getenv("TEST_TURNS");
	uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);

	(void)state;
	print_message("# TEST_SEED=%llu\n", (unsigned long long)seed);
	live(seed, longer ? atoi(longer) : 3000);
}

/* ---- when calls fail */

/* It fails with this errno, says these words, and leaves so many files. */
static void
assert_not_made(int error, const char *words, size_t left)
{
	errno = 0;
	writer = writer_make(root, ROOT, 4, 0, &why);
	assert_null(writer);
	assert_int_equal(errno, error);
	assert_true(hook.is_met);
	if (!strstr(why.text, words))
		fail_msg("said \"%s\"", why.text);
	set_hook(NONE, 0, 0);
	assert_int_equal(files(), left);
}

static void
leaves_nothing_where_there_is_no_room(void **state)
{
	static const int errors[] = {ENOSPC, EDQUOT, EFBIG};
	static const int writes[] = {1, 16, 17, 40, 64, 65}; /* the last one is the first batch */

	(void)state;
	for (size_t i = 0; i < 18; i++) {
		set_hook(WRITE, writes[i / 3], errors[i % 3]);
		assert_not_made(errors[i % 3], "4 MiB ([receiver] journal)", 0);
	}
	for (int at = 1; at <= 4; at++) {
		set_hook(SYNC, at, ENOSPC);
		assert_not_made(ENOSPC, "4 MiB ([receiver] journal)", 0);
		set_hook(OPEN, at, ENOSPC);
		assert_not_made(ENOSPC, "4 MiB ([receiver] journal)", 0);
	}
	make(4, 0);
	add_frame(1, 100, 100);
	sync_batch();
	assert_reads_as_synced();
}

static void
tells_why_it_cannot_make_a_journal(void **state)
{
	(void)state;
	make(4, 0); /* never used: another one takes its place */
	close_writer();
	set_hook(MKDIR, 1, EROFS);
	assert_not_made(EROFS, "make journal/", 4);
	set_hook(UNLINK, 1, EROFS);
	assert_not_made(EROFS, "journal/: ", 4);
	set_hook(OPEN, 5, EMFILE);
	assert_not_made(EMFILE, "begin journal/", 4);
	set_hook(RANDOM, 1, ENOSYS);
	assert_not_made(ENOSYS, "begin journal/", 4);
	make(4, 0);
	close_writer();
	assert_int_equal(renameat(root, JOURNAL_FOLDER, root, "aside"), 0);
	sample_write(root, JOURNAL_FOLDER, "", 0);
	assert_null(writer_make(root, ROOT, 4, 0, &why));
	assert_int_equal(errno, ENOTDIR);
	assert_non_null(strstr(why.text, "open journal/"));
}

static void
grows_or_stays_as_it_is(void **state)
{
	static const struct {
		enum fault fault;
		int at;
	} faults[] = {{OPEN, 1}, {OPEN, 3}, {WRITE, 1}, {WRITE, 20}, {SYNC, 1}, {SYNC, 3}};

	(void)state;
	make(4, 0);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		set_hook(faults[i].fault, faults[i].at, ENOSPC);
		assert_int_equal(writer_resize(writer, 7, &why), -1);
		assert_int_equal(errno, ENOSPC);
		assert_non_null(strstr(why.text, "7 MiB ([receiver] journal)"));
		assert_int_equal(files(), 4);
		assert_int_equal(writer_segments(writer), 4);
		add_frame(i + 1, 100, 100);
		sync_batch();
		durable = published = i + 1;
		sync_batch();
		assert_reads_as_synced();
	}
	reopen();
	set_hook(UNLINK, 1, EROFS);
	assert_int_equal(writer_resize(writer, 6, &why), 0);
	assert_int_equal(writer_resize(writer, 4, &why), -1);
	assert_non_null(strstr(why.text, "shorten journal/"));
	assert_int_equal(files(), 6); /* two of them are nobody's */
	load_shadow();
	assert_reads_as_synced();
	reopen();
	assert_int_equal(writer_segments(writer), 4);
}

/* The files are made and nothing says so: the next start takes them away. */
static void
stays_as_it_is_where_it_cannot_be_said(void **state)
{
	(void)state;
	make(4, 0);
	set_hook(WRITE, 3 * 16 + 1, EDQUOT);
	assert_int_equal(writer_resize(writer, 7, &why), -1);
	assert_int_equal(errno, EDQUOT);
	assert_true(hook.is_met);
	assert_non_null(strstr(why.text, "7 MiB ([receiver] journal)"));
	set_hook(NONE, 0, 0);
	assert_reads_as_synced();
	reopen();
	assert_int_equal(writer_segments(writer), 4);
	assert_int_equal(writer_resize(writer, 4, &why), 0);
	assert_int_equal(files(), 4);
}

static void
tells_why_it_cannot_go_on(void **state)
{
	static const struct {
		enum fault fault;
		int at;
		const char *words;
	} faults[] = {{OPEN, 1, "write journal/"}, {PREAD, 1, "write journal/"},
	    {WRITE, 1, "write journal/"}};
	struct journal journal;
	int fd;

	(void)state;
	make(4, 0);
	add_frame(1, 100, 9000);
	sync_batch();
	close_writer();
	assert_reads(&synced, &journal);
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		set_hook(faults[i].fault, faults[i].at, EMFILE);
		writer = writer_open(root, &journal, &why);
		assert_null(writer);
		assert_int_equal(errno, EMFILE);
		if (!strstr(why.text, faults[i].words))
			fail_msg("said \"%s\"", why.text);
	}
	set_hook(NONE, 0, 0);
	fd = open_file(journal.segment, O_WRONLY);
	assert_int_equal(ftruncate(fd, (off_t)(journal.offset + journal.size - 1)), 0);
	close(fd);
	writer = writer_open(root, &journal, &why);
	assert_null(writer);
	assert_int_equal(errno, EIO);
	assert_int_equal(renameat(root, JOURNAL_FOLDER, root, "aside"), 0);
	assert_null(writer_open(root, &journal, &why));
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(why.text, "open journal/"));
	journal_free(&journal);
}

/* In a child: it says why, and ends with that code. */
static void
assert_ends(void (*run)(void), int code, const char *event)
{
	FILE *log = tmpfile();
	char text[4096];
	size_t len;
	int status;
	pid_t pid;

	assert_non_null(log);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fileno(log), STDERR_FILENO);
		alarm(20);
		run();
		_exit(EX_SOFTWARE);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	rewind(log);
	len = fread(text, 1, sizeof text - 1, log);
	text[len] = '\0';
	if (WEXITSTATUS(status) != code || !strstr(text, event))
		fail_msg("exit %d, \"%s\" instead of \"%s\"", WEXITSTATUS(status), text, event);
	fclose(log);
}

static void
run_make(void)
{
	(void)!writer_make(root, ROOT, 4, 0, &why);
}

static void
run_sync(void)
{
	(void)!writer_sync(writer);
}

static void
run_open(void)
{
	struct journal journal;

	journal_read(&journal, dir, ROOT);
	hook.count = 0;
	(void)!writer_open(root, &journal, &why);
}

static void
ends_with_74_when_a_sync_or_a_write_fails(void **state)
{
	static const struct {
		enum fault fault;
		int at;
		const char *event;
	} faults[] = {{SYNC, 1, "event=sync_failed what=journal"},
	    {SYNC, 4, "event=sync_failed what=journal"},
	    {SYNC, 5, "event=sync_failed what=journal"}, /* the first batch's */
	    {WRITE, 9, "event=sync_failed what=journal"},
	    {WRITE, 65, "event=journal_failed call=write"},
	    {FOLDER, 1, "event=sync_failed what=root"},
	    {FOLDER, 2, "event=sync_failed what=journal"}};

	(void)state;
	for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
		set_hook(faults[i].fault, faults[i].at, EIO);
		assert_ends(run_make, EX_IOERR, faults[i].event);
	}
	make(4, 0);
	add_frame(1, 100, 100);
	set_hook(SYNC, 1, ENOSPC);
	assert_ends(run_sync, EX_IOERR, "event=sync_failed what=journal");
	set_hook(WRITE, 1, EIO);
	assert_ends(run_sync, EX_IOERR, "event=journal_failed call=write segment=0");
	set_hook(SYNC, 1, EIO);
	assert_ends(run_open, EX_IOERR, "event=sync_failed what=journal");
	sync_batch();
	add_frame(2, 100, JOURNAL_ITEM_MAX);
	sync_batch();
	for (uint64_t seq = 3; seq <= 16; seq++)
		add_frame(seq, 100, JOURNAL_ITEM_MAX);
	set_hook(OPEN, 1, EACCES);
	assert_ends(run_sync, EX_IOERR, "event=journal_failed call=open segment=1");
	/* No descriptor is a state. */
	set_hook(OPEN, 1, EMFILE);
	assert_int_equal(writer_sync(writer), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(hook.writes, 0);
	sync_batch();
	assert_int_equal(last_write.segment, 1);
	assert_reads_as_synced();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(makes_a_journal_whose_blocks_are_written),
	    TEST(tells_where_each_frame_lies),
	    TEST(drops_a_batch_without_a_trace),
	    TEST(frees_a_segment_only_when_a_synced_mark_says_so),
	    TEST(wants_marks_for_drafts_but_not_for_names),
	    TEST(takes_no_more_frames_than_a_batch_may_have),
	    TEST(keeps_a_batch_within_a_segment),
	    TEST(goes_on_behind_what_was_found),
	    TEST(numbers_a_batch_above_one_that_was_torn),
	    TEST(resizes_and_says_so_in_a_segment_that_stays),
	    TEST(keeps_what_was_synced_and_always_frees_itself),
	    TEST(leaves_nothing_where_there_is_no_room),
	    TEST(tells_why_it_cannot_make_a_journal),
	    TEST(grows_or_stays_as_it_is),
	    TEST(stays_as_it_is_where_it_cannot_be_said),
	    TEST(tells_why_it_cannot_go_on),
	    TEST(ends_with_74_when_a_sync_or_a_write_fails),
	};

	log_setup(LOG_CRIT, LOG_FORMAT_PLAIN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
