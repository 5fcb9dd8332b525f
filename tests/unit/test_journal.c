/* SPDX-License-Identifier: ISC */
/*
 * The journal: what its heads say comes back, and what is read of its segments is what was
 * synced, whatever else lies in them.  The journals are built here, batch by batch, as the
 * receiver writes them.
 */
#include "config.h"

#include "lib/journal.h"

#include <dirent.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "lib/crc.h"
#include "lib/little.h"
#include "lib/record.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"
#define GENERATION "00112233445566778899aabbccddeeff"
#define FRAMES_MAX 200

/* A batch while it is made, and its bytes then. */
struct batch {
	struct journal_head head;
	struct journal_frame table[FRAMES_MAX];
	struct {
		char record[64];
		unsigned char *item;
	} frames[FRAMES_MAX];
	unsigned char bytes[JOURNAL_SEGMENT];
	size_t size;         /* of all that counts */
	size_t blocks_size;  /* in whole blocks */
};

static char folder[64];
static int dir = -1;
static struct batch batch;         /* the one at hand */
static struct journal_head before; /* the one before it */
static uint64_t number, seq;       /* the newest */
static uint32_t segments;
static struct journal journal;     /* as it was read */

/* ---- calls that fail, or that somebody is faster than */

static int countdown;               /* the call that fails, 0: none */
static int error_to_give;
static void (*meanwhile)(void);     /* what happens behind the call, instead */

ssize_t __real_pread(int fd, void *data, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t len, off_t at);
int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
off_t __real_lseek(int fd, off_t offset, int whence);
off_t __wrap_lseek(int fd, off_t offset, int whence);
struct dirent *__real_readdir(DIR *listing);
struct dirent *__wrap_readdir(DIR *listing);
void *__real_reallocarray(void *array, size_t count, size_t size);
void *__wrap_reallocarray(void *array, size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static int
trips(void)
{
	void (*act)(void) = meanwhile;

	if (countdown == 0 || --countdown > 0)
		return 0;
	if (act) {
		meanwhile = NULL;
		act();
		return 0;
	}
	errno = error_to_give;
	return 1;
}

ssize_t
__wrap_pread(int fd, void *data, size_t len, off_t at)
{
	return trips() ? -1 : __real_pread(fd, data, len, at);
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
	return error_to_give != EINTR && trips() ? -1 : __real_openat(at, name, flags, mode);
}

off_t
__wrap_lseek(int fd, off_t offset, int whence)
{
	return error_to_give != EINTR && trips() ? -1 : __real_lseek(fd, offset, whence);
}

struct dirent *
__wrap_readdir(DIR *listing)
{
	return error_to_give != EINTR && trips() ? NULL : __real_readdir(listing);
}

void *
__wrap_reallocarray(void *array, size_t count, size_t size)
{
	return error_to_give != EINTR && trips() ? NULL : __real_reallocarray(array, count, size);
}

void *
__wrap_malloc(size_t size)
{
	return error_to_give != EINTR && trips() ? NULL : __real_malloc(size);
}

/* ---- making journals */

static void
write_at(uint32_t segment, size_t offset, const void *bytes, size_t len)
{
	char name[JOURNAL_NAME_ROOM];
	int fd;

	journal_segment_name(segment, name);
	fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)offset), len);
	close(fd);
}

static void
make_segment(uint32_t segment, size_t size)
{
	char name[JOURNAL_NAME_ROOM];
	int fd;

	journal_segment_name(segment, name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static int
truncate_segment(uint32_t segment, off_t size)
{
	char path[96], name[JOURNAL_NAME_ROOM];

	journal_segment_name(segment, name);
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return truncate(path, size);
}

/* Begins the next batch. */
static void
begin(uint64_t durable, uint64_t published)
{
	struct journal_head *head = &batch.head;

	memset(head, 0, sizeof *head);
	memcpy(head->root, ROOT, ID_ROOM);
	memcpy(head->generation, GENERATION, ID_ROOM);
	head->number = ++number;
	head->before = before.number;
	head->chain = before.crc;
	head->from = head->last = before.last;
	head->durable = durable;
	head->published = published;
	head->segments = segments;
}

static unsigned char
byte_of(uint64_t of, size_t at)
{
	return (unsigned char)(of * 31 + at * 7 + (at >> 8));
}

/* Adds a frame of the next seq; `size` < 0: it carries no bytes. */
static void
add(long size)
{
	uint32_t i = batch.head.count++;
	struct journal_frame *frame = &batch.table[i];
	char *record = batch.frames[i].record;

	assert_true(i < FRAMES_MAX);
	memset(frame, 0, sizeof *frame);
	frame->seq = ++seq;
	frame->record_size =
	    (uint32_t)snprintf(record, sizeof batch.frames[i].record, "accept %u\n", (unsigned)seq);
	frame->has_item = size >= 0;
	frame->item_size = size > 0 ? (uint32_t)size : 0;
	batch.frames[i].item = malloc(frame->item_size + 1);
	assert_non_null(batch.frames[i].item);
	for (size_t at = 0; at < frame->item_size; at++)
		batch.frames[i].item[at] = byte_of(seq, at);
	batch.head.last = seq;
}

/* The batch's bytes; the head as it stands. */
static void
seal(void)
{
	size_t at = journal_head_size(batch.head.count);

	memset(batch.bytes, 0, sizeof batch.bytes);
	for (uint32_t i = 0; i < batch.head.count; i++) {
		struct journal_frame *frame = &batch.table[i];
		assert_true(at + journal_frame_size(frame) <= sizeof batch.bytes);
		memcpy(batch.bytes + at, batch.frames[i].record, frame->record_size);
		memcpy(batch.bytes + at + frame->record_size, batch.frames[i].item,
		    frame->item_size);
		frame->crc = crc32c(0, batch.bytes + at, journal_frame_size(frame));
		at += journal_frame_size(frame);
		free(batch.frames[i].item);
	}
	journal_put_head(batch.bytes, &batch.head, batch.table);
	batch.size = at;
	batch.blocks_size = (at + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

/* Puts it there, synced; the offset behind it. */
static size_t
put(uint32_t segment, size_t offset)
{
	seal();
	assert_true(offset + batch.blocks_size <= JOURNAL_SEGMENT);
	write_at(segment, offset, batch.bytes, batch.blocks_size);
	before = batch.head;
	return offset + batch.blocks_size;
}

/* Begins with a journal and its first batch; the offset behind that. */
static size_t
make(uint64_t last)
{
	for (uint32_t i = 0; i < segments; i++)
		make_segment(i, JOURNAL_SEGMENT);
	number = 0;
	seq = last;
	memset(&before, 0, sizeof before);
	before.last = last;
	begin(last, last);
	return put(0, 0);
}

/* Batches of one frame with so many bytes each, at the offset and behind it. */
static size_t
put_some(uint32_t segment, size_t offset, size_t count, long size, uint64_t published)
{
	for (size_t i = 0; i < count; i++) {
		begin(published, published);
		add(size);
		offset = put(segment, offset);
	}
	return offset;
}

static void
flip(uint32_t segment, size_t offset, unsigned bit)
{
	char name[JOURNAL_NAME_ROOM];
	unsigned char byte;
	int fd;

	journal_segment_name(segment, name);
	fd = openat(dir, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= (unsigned char)(1u << bit);
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

/* ---- reading them */

static enum journal_found
look(void)
{
	journal_free(&journal);
	memset(&journal, 0xff, sizeof journal);
	journal_read(&journal, dir, ROOT);
	return journal.found;
}

static void
check_frame(const struct journal_frame *frame)
{
	static unsigned char item[JOURNAL_ITEM_MAX];
	char record[RECORD_LINE_MAX + 1], want[64];

	snprintf(want, sizeof want, "accept %u\n", (unsigned)frame->seq);
	assert_false(frame->is_damaged);
	memset(item, 0, sizeof item);
	assert_int_equal(journal_read_frame(dir, frame, record, item), 0);
	assert_string_equal(record, want);
	assert_int_equal(frame->record_size, strlen(want));
	for (size_t at = 0; at < frame->item_size; at++)
		assert_int_equal(item[at], byte_of(frame->seq, at));
	record[0] = '\0';
	assert_int_equal(journal_read_frame(dir, frame, record, NULL), 0);
	assert_string_equal(record, want);
}

/* It reads as whole, with the batch of this number as the newest and these frames. */
static void
assert_reads(uint64_t newest, uint64_t after, uint64_t until)
{
	if (look() != JOURNAL_READ)
		fail_msg("found %d: %s", (int)journal.found, journal.why.text);
	assert_int_equal(journal.head.number, newest);
	assert_int_equal(journal.head.last, until);
	assert_int_equal(journal.hole_count, 0);
	assert_int_equal(journal.count, until - after);
	for (size_t i = 0; i < journal.count; i++) {
		assert_int_equal(journal.frames[i].seq, after + i + 1);
		check_frame(&journal.frames[i]);
	}
}

/* Its words say this. */
static void
assert_told(enum journal_found found, const char *words)
{
	assert_int_equal(look(), found);
	if (!strstr(journal.why.text, words))
		fail_msg("said \"%s\"", journal.why.text);
}

static int
setup(void **state)
{
	(void)state;
	dir = sample_make_folder(folder);
	segments = 3;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	journal_free(&journal);
	memset(&journal, 0, sizeof journal);
	close(dir);
	sample_remove_folder(folder);
	return 0;
}

/* ---- heads as bytes */

/* Of a batch of five frames at the end of a segment's room. */
static size_t
check(const unsigned char *bytes, size_t room)
{
	struct journal_head head;
	size_t size = journal_get_head(bytes, &head);

	return size == 0 || size > room ? 0 : journal_check_head(bytes, &head, room);
}

static void
begin_any(void)
{
	number = 11;
	seq = 40;
	before = (struct journal_head){.number = 9, .crc = 0x12345678, .last = 40};
	begin(42, 39);
	add(10), add(-1), add(0), add(3000), add(JOURNAL_ITEM_MAX);
}

static void
reads_the_head_that_was_written(void **state)
{
	struct journal_head head;
	struct journal_frame row;

	(void)state;
	begin_any();
	seal();
	assert_memory_equal(batch.bytes, "inboxd-j", 8);
	assert_int_equal(journal_get_head(batch.bytes, &head), journal_head_size(5));
	assert_int_equal(journal_head_size(5), 144 + 5 * 24);
	assert_memory_equal(&head, &batch.head, sizeof head);
	assert_int_equal(head.version, JOURNAL_VERSION);
	for (uint32_t i = 0; i < 5; i++) {
		journal_get_row(batch.bytes, i, &row);
		assert_memory_equal(&row, &batch.table[i], sizeof row);
	}
	assert_int_equal(check(batch.bytes, JOURNAL_SEGMENT), batch.size);
	assert_int_equal(check(batch.bytes, batch.size), batch.size);
	assert_int_equal(check(batch.bytes, batch.size - 1), 0);
	assert_int_equal(check(batch.bytes, journal_head_size(5) - 1), 0);
	assert_int_equal(check(batch.bytes, 0), 0);
}

/* The format is what lib/journal.h says, byte by byte, on any machine. */
static void
writes_the_format(void **state)
{
	static const struct {
		size_t at, len;
		uint64_t value;
	} rows[] = {{8, 4, 1}, {80, 8, 12}, {88, 8, 9}, {96, 8, 40}, {104, 8, 45}, {112, 8, 42},
	    {120, 8, 39}, {128, 4, 0x12345678}, {132, 4, 3}, {136, 4, 5}, {140, 4, 0},
	    {144, 8, 41}, {152, 4, 10}, {156, 4, 10}, {160, 4, 1}, {168, 8, 42}, {180, 4, 0},
	    {184, 4, 0}, {192, 8, 43}, {204, 4, 0}, {208, 4, 1}, {252, 4, 65536}};

	(void)state;
	begin_any();
	seal();
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		for (size_t j = 0; j < rows[i].len; j++)
			assert_int_equal(batch.bytes[rows[i].at + j],
			    rows[i].value >> 8 * j & 0xff);
	}
	assert_memory_equal(batch.bytes + 16, ROOT, 32);
	assert_memory_equal(batch.bytes + 48, GENERATION, 32);
	assert_int_equal(little_get32(batch.bytes + 12),
	    crc32c(0, batch.bytes + 16, 144 + 5 * 24 - 16));
	assert_memory_equal(batch.bytes + 264, "accept 41\n", 10);
	assert_int_equal(batch.bytes[274], byte_of(41, 0));
	assert_int_equal(little_get32(batch.bytes + 164), crc32c(0, batch.bytes + 264, 20));
	assert_memory_equal(batch.bytes + 284, "accept 42\naccept 43\naccept 44\n", 30);
}

static void
refuses_any_changed_bit_of_a_head(void **state)
{
	struct journal_head head;

	(void)state;
	begin_any();
	seal();
	for (size_t i = 0; i < 8 * journal_head_size(5); i++) {
		batch.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
		if (i / 8 >= 8 && i / 8 < 12) { /* the version, which the reader looks at */
			assert_int_not_equal(journal_get_head(batch.bytes, &head), 0);
			assert_int_not_equal(head.version, JOURNAL_VERSION);
		} else {
			assert_int_equal(check(batch.bytes, JOURNAL_SEGMENT), 0);
		}
		batch.bytes[i / 8] ^= (unsigned char)(1u << i % 8);
	}
	assert_int_equal(check(batch.bytes, JOURNAL_SEGMENT), batch.size);
}

/* The bytes at `at` get this value, and the head the right checksum. */
static int
is_refused_with(size_t at, size_t len, uint64_t value)
{
	unsigned char old[8];
	size_t size;

	memcpy(old, batch.bytes + at, len);
	if (len == 8)
		little_put64(batch.bytes + at, value);
	else if (len == 4)
		little_put32(batch.bytes + at, (uint32_t)value);
	else
		batch.bytes[at] = (unsigned char)value;
	size = journal_head_size(little_get32(batch.bytes + 136));
	if (size <= JOURNAL_SEGMENT)
		little_put32(batch.bytes + 12, crc32c(0, batch.bytes + 16, size - 16));
	size = check(batch.bytes, JOURNAL_SEGMENT);
	memcpy(batch.bytes + at, old, len);
	return size == 0;
}

static void
refuses_what_no_receiver_writes(void **state)
{
	static const struct {
		size_t at, len;
		uint64_t value;
	} wrong[] = {{16, 1, 'g'}, {47, 1, 'A'}, {48, 1, 0}, {79, 1, ' '}, {80, 8, 0}, {80, 8, 9},
	    {80, 8, 8}, {80, 8, UINT64_C(1) << 63}, {80, 8, UINT64_MAX}, {88, 8, 12}, {88, 8, 13},
	    {88, 8, UINT64_MAX}, {96, 8, 41}, {96, 8, 46}, {96, 8, UINT64_MAX}, {104, 8, 44},
	    {104, 8, 46}, {104, 8, UINT64_MAX}, {112, 8, 46}, {112, 8, 38}, {112, 8, UINT64_MAX},
	    {120, 8, 43}, {120, 8, UINT64_MAX}, {132, 4, 0}, {132, 4, 10000},
	    {132, 4, UINT32_MAX}, {136, 4, 0}, {136, 4, 4}, {136, 4, 6}, {136, 4, 43685},
	    {136, 4, 43686}, {136, 4, 0x0aaaaaab}, {136, 4, UINT32_MAX}, {140, 4, 1},
	    {144, 8, 40}, {144, 8, 42}, {144, 8, 0}, {144, 8, UINT64_MAX}, {168, 8, 41},
	    {240, 8, 44}, {240, 8, 46}, {152, 4, 0}, {152, 4, RECORD_LINE_MAX + 1},
	    {152, 4, UINT32_MAX}, {156, 4, JOURNAL_ITEM_MAX + 1}, {156, 4, UINT32_MAX},
	    {160, 4, 2}, {160, 4, 0}, {160, 4, UINT32_MAX}, {180, 4, 1}};
	struct journal_head head;

	(void)state;
	begin_any();
	seal();
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		if (!is_refused_with(wrong[i].at, wrong[i].len, wrong[i].value))
			fail_msg("took row %u", (unsigned)i);
	}
	/* Nor is a table that no segment could hold one. */
	little_put32(batch.bytes + 136, 43686);
	assert_int_equal(journal_get_head(batch.bytes, &head), 0);
	assert_int_equal(head.version, JOURNAL_VERSION);
	little_put32(batch.bytes + 136, 43684);
	assert_int_equal(journal_get_head(batch.bytes, &head), journal_head_size(43684));
	little_put32(batch.bytes + 136, 5);
	/* What is right is taken. */
	assert_false(is_refused_with(136, 4, 5));
	assert_false(is_refused_with(80, 8, INT64_MAX));
	assert_false(is_refused_with(88, 8, 0));
	assert_false(is_refused_with(112, 8, 45));
	assert_false(is_refused_with(120, 8, 0));
	assert_false(is_refused_with(132, 4, 9999));
	assert_false(is_refused_with(152, 4, RECORD_LINE_MAX));
	assert_false(is_refused_with(184, 4, 1));
}

static void
names_segments(void **state)
{
	char name[JOURNAL_NAME_ROOM];

	(void)state;
	journal_segment_name(0, name);
	assert_string_equal(name, "0000");
	journal_segment_name(9998, name);
	assert_string_equal(name, "9998");
	journal_segment_name(UINT32_MAX, name);
	assert_string_equal(name, "4294967295");
}

/* ---- what was synced is read */

static void
reads_what_was_synced(void **state)
{
	size_t offset = make(7);

	(void)state;
	assert_reads(1, 7, 7);
	assert_int_equal(journal.highest, 1);
	assert_int_equal(journal.segment, 0);
	assert_int_equal(journal.offset, 0);
	assert_int_equal(journal.size, JOURNAL_BLOCK);
	assert_string_equal(journal.head.root, ROOT);
	assert_string_equal(journal.head.generation, GENERATION);
	begin(7, 7);
	add(0);
	add(-1);
	add(1);
	add(JOURNAL_ITEM_MAX);
	add(4096);
	put(0, offset);
	assert_reads(2, 7, 12);
	assert_int_equal(journal.offset, JOURNAL_BLOCK);
	assert_int_equal(journal.size, batch.blocks_size);
	assert_int_equal(journal.frames[0].has_item, 1);
	assert_int_equal(journal.frames[0].item_size, 0);
	assert_int_equal(journal.frames[1].has_item, 0);
	assert_int_equal(journal.frames[1].item_size, 0);
	assert_int_equal(journal.frames[3].item_size, JOURNAL_ITEM_MAX);
	put_some(1, 0, 3, 100, 9);
	assert_reads(5, 9, 15);
	assert_int_equal(journal.segment, 1);
	assert_int_equal(journal.head.published, 9);
	begin(15, 15);
	put(2, 0);
	assert_reads(6, 15, 15);
	assert_int_equal(journal.head.count, 0);
	assert_int_equal(journal.frames, NULL);
	assert_int_equal(journal.holes, NULL);
}

/* With a table that takes more than a block, and more than one item takes. */
static void
reads_a_segment_full_of_frames(void **state)
{
	static struct journal_frame table[6000];
	unsigned char *bytes = calloc(1, JOURNAL_SEGMENT);
	size_t at = journal_head_size(6000);

	(void)state;
	assert_non_null(bytes);
	make(9);
	begin(9, 9);
	for (uint32_t i = 0; i < 6000; i++) {
		table[i] = (struct journal_frame){.seq = 10 + 2 * i, .record_size = 150};
		memset(bytes + at, (int)i, 150);
		table[i].crc = crc32c(0, bytes + at, 150);
		at += 150;
	}
	batch.head.count = 6000;
	batch.head.last = 10 + 2 * 5999;
	journal_put_head(bytes, &batch.head, table);
	write_at(1, 0, bytes, JOURNAL_SEGMENT);
	free(bytes);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.count, 6000);
	assert_int_equal(journal.size, 255 * JOURNAL_BLOCK);
	for (uint32_t i = 0; i < 6000; i++) {
		char record[RECORD_LINE_MAX + 1];
		assert_int_equal(journal.frames[i].seq, 10 + 2 * i);
		assert_false(journal.frames[i].is_damaged);
		assert_int_equal(journal_read_frame(dir, &journal.frames[i], record, NULL), 0);
		assert_int_equal((unsigned char)record[149], i & 0xff);
		assert_int_equal(record[150], '\0');
	}
	/* Its end is within the table. */
	assert_int_equal(truncate_segment(1, 3 * JOURNAL_BLOCK), 0);
	assert_int_equal(look(), JOURNAL_DAMAGED);
	assert_int_equal(journal.head.number, 1);
}

/* Segment by segment and over again, with batches of any size: what was published is not there,
 * what was not is, and remains of older batches mislead nobody. */
static void
reads_what_was_synced_at_any_time(void **state)
{
	uint64_t published = 5, last_in[4] = {0, 0, 0, 0};
	uint32_t random = 4711, segment = 0;
	size_t offset;

	(void)state;
	segments = 4;
	offset = make(5);
	for (int turn = 0; turn < 400; turn++) {
		random = random * 1664525 + 1013904223;
		/* Before the next segment is begun, a batch says that all in it is. */
		if (last_in[(segment + 1) % 4] > published)
			published = last_in[(segment + 1) % 4];
		begin(published, published);
		for (uint32_t i = random >> 29; i > 0; i--) {
			random = random * 1664525 + 1013904223;
			add(random >> 31 ? -1 : (long)(random >> 8) % JOURNAL_ITEM_MAX);
		}
		seal();
		if (offset + batch.blocks_size > JOURNAL_SEGMENT) {
			segment = (segment + 1) % 4;
			offset = 0;
		}
		last_in[segment] = seq;
		write_at(segment, offset, batch.bytes, batch.blocks_size);
		offset += batch.blocks_size;
		before = batch.head;
		if (turn % 3 == 0)
			assert_reads(number, batch.head.published, seq);
	}
	assert_true(seq > 1000);
}

/* ---- what is none */

static void
finds_none_where_none_was_used(void **state)
{
	(void)state;
	assert_int_equal(look(), JOURNAL_NONE);
	assert_int_equal(journal.highest, 0);
	journal_free(&journal);
	journal_read(&journal, -1, ROOT);
	assert_int_equal(journal.found, JOURNAL_NONE);
	for (uint32_t i = 0; i < 3; i++)
		make_segment(i, JOURNAL_SEGMENT);
	assert_int_equal(look(), JOURNAL_NONE);
	/* The first batch was torn, so the making was cut off. */
	number = seq = 0;
	memset(&before, 0, sizeof before);
	begin(0, 0);
	add(5000);
	seal();
	write_at(0, 0, batch.bytes, JOURNAL_BLOCK);
	assert_int_equal(look(), JOURNAL_NONE);
	assert_int_equal(journal.highest, 1);
	write_at(0, 0, batch.bytes, batch.blocks_size);
	before = batch.head;
	assert_reads(1, 0, 1);
}

/* Not four digits: no segments, whatever is in them. */
static void
passes_over_files_of_other_names(void **state)
{
	static const char *const names[] = {"00000", "000", "001", "unfinished", "000a", "0001~",
	    "-001", "+001", " 001", "0x01"};

	(void)state;
	make(9);
	begin(9, 9);
	add(1);
	seal();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		sample_write(dir, names[i], batch.bytes, JOURNAL_SEGMENT);
	assert_reads(1, 9, 9);
	/* One that is not the journal's own yet: it is being made. */
	make_segment(9998, 5000);
	assert_reads(1, 9, 9);
}

/* ---- what was never synced counts as never written */

/* Of the batch at hand all blocks but those of the mask's bits are as they were. */
static void
tear(uint32_t segment, size_t offset, unsigned mask)
{
	seal();
	for (size_t at = 0; at < batch.blocks_size; at += JOURNAL_BLOCK) {
		if (mask >> at / JOURNAL_BLOCK & 1)
			write_at(segment, offset + at, batch.bytes + at, JOURNAL_BLOCK);
	}
}

static void
begin_torn(void)
{
	begin(9, 9);
	for (int i = 0; i < 5; i++)
		add(4050);
}

static void
takes_no_torn_batch(void **state)
{
	size_t offset = put_some(0, make(9), 3, 100, 9);
	unsigned masks;

	(void)state;
	begin_torn();
	seal();
	masks = 1u << batch.blocks_size / JOURNAL_BLOCK;
	assert_int_equal(masks, 64);
	for (unsigned mask = 0; mask < masks; mask++) {
		number--, seq -= 5;
		begin_torn();
		tear(0, offset, mask);
		if (mask == masks - 1)
			break;
		assert_reads(4, 9, 12);
		assert_int_equal(journal.highest, mask & 1 ? 5 : 4);
		write_at(0, offset, (char[6 * JOURNAL_BLOCK]){0}, batch.blocks_size);
	}
	assert_reads(5, 9, 17);
}

/* Cut off at any byte, over what is left of an older batch. */
static void
takes_no_batch_that_was_cut_off(void **state)
{
	static unsigned char stale[JOURNAL_SEGMENT];
	size_t offset, size;

	(void)state;
	make(9);
	put_some(0, JOURNAL_BLOCK, 1, JOURNAL_ITEM_MAX, 9);
	memcpy(stale, batch.bytes, sizeof stale);
	offset = put_some(1, 0, 2, 100, 10);
	begin(11, 11);
	add(9000);
	add(700);
	seal();
	size = batch.size;
	for (size_t len = 0; len < size; len += len < 400 || len > size - 40 ? 1 : 97) {
		write_at(1, offset, stale, batch.blocks_size);
		write_at(1, offset, batch.bytes, len);
		assert_reads(4, 11 - 1, 12);
		assert_int_equal(journal.highest,
		    len >= journal_head_size(2) ? number : number - 1);
	}
	write_at(1, offset, batch.bytes, size);
	assert_reads(5, 11, 14);
}

/* After a torn batch its number or the next one is another's; what is left of it stays. */
static void
goes_on_behind_torn_batches(void **state)
{
	size_t offset = make(9);
	uint64_t synced;

	(void)state;
	offset = put_some(0, offset, 1, 100, 9);
	synced = number;
	/* Three in turn follow the same one, wherever they lie. */
	for (uint32_t i = 0; i < 3; i++) {
		begin(9, 9);
		add(9000);
		tear(i == 0 ? 2 : 0, i == 0 ? 0 : offset, 1);
		seq--;
		assert_reads(synced, 9, 10);
		assert_int_equal(journal.highest, number);
	}
	begin(9, 9);
	add(20);
	assert_int_equal(batch.head.before, synced);
	offset = put(0, offset);
	assert_reads(number, 9, 11);
	/* Nothing of the torn one was seen, so its number is another's. */
	begin(9, 9);
	add(9000);
	tear(1, 0, 1);
	number--, seq--;
	offset = put_some(0, offset, 2, 30, 9);
	assert_reads(number, 9, 13);
	put_some(1, 0, 1, 7, 12);
	assert_reads(number, 12, 14);
}

/* ---- what was synced and cannot be read is told */

/* Five batches of a block each, with seqs 10 to 14, behind the first one. */
static size_t
make_five(void)
{
	return put_some(0, make(9), 5, 100, 9);
}

#define THE(nth) ((size_t)(nth) * JOURNAL_BLOCK)

/* The newest has this number; there are all frames after 9 but those of the hole, and the
 * damaged one (0: none). */
static void
assert_tells(uint64_t newest, uint64_t after, uint64_t until, uint64_t damaged)
{
	size_t at = 0;

	if (look() != JOURNAL_READ)
		fail_msg("found %d: %s", (int)journal.found, journal.why.text);
	assert_int_equal(journal.head.number, newest);
	assert_int_equal(journal.hole_count, after < until);
	if (after < until) {
		assert_int_equal(journal.holes[0].after, after);
		assert_int_equal(journal.holes[0].until, until);
	}
	for (uint64_t of = 10; of <= journal.head.last; of++) {
		if (of > after && of <= until)
			continue;
		assert_true(at < journal.count);
		assert_int_equal(journal.frames[at].seq, of);
		assert_int_equal(journal.frames[at].is_damaged, of == damaged);
		if (of != damaged)
			check_frame(&journal.frames[at]);
		at++;
	}
	assert_int_equal(at, journal.count);
}

static void
tells_of_any_changed_bit(void **state)
{
	size_t frame;

	(void)state;
	segments = 1;
	make_five();
	frame = batch.size;
	/* In the third of five a hole, or a damaged frame. */
	for (size_t bit = 0; bit < 8 * frame; bit++) {
		flip(0, THE(3) + bit / 8, bit % 8);
		if (bit < 8 * journal_head_size(1))
			assert_tells(6, 11, 12, 0);
		else
			assert_tells(6, 0, 0, 12);
		flip(0, THE(3) + bit / 8, bit % 8);
	}
	/* The newest one counts as torn, then. */
	for (size_t bit = 0; bit < 8 * frame; bit += 3) {
		flip(0, THE(5) + bit / 8, bit % 8);
		assert_reads(5, 9, 13);
		assert_int_equal(journal.highest, bit < 8 * journal_head_size(1) ? 5 : 6);
		flip(0, THE(5) + bit / 8, bit % 8);
	}
	/* The very first is needed no more. */
	for (size_t bit = 0; bit < 8 * 168; bit += 5) {
		flip(0, bit / 8, bit % 8);
		if (bit / 8 >= 8 && bit / 8 < 12)
			assert_int_equal(look(), JOURNAL_READ);
		else
			assert_reads(6, 9, 14);
		flip(0, bit / 8, bit % 8);
	}
	assert_reads(6, 9, 14);
}

static void
reads_no_damaged_frame(void **state)
{
	char record[RECORD_LINE_MAX + 1], item[100];

	(void)state;
	make_five();
	flip(0, THE(3) + batch.size - 1, 7);
	assert_tells(6, 0, 0, 12);
	assert_int_equal(journal_read_frame(dir, &journal.frames[2], record, item), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(journal_read_frame(dir, &journal.frames[2], record, NULL), -1);
	assert_int_equal(errno, EBADMSG);
	/* Overwritten, cut off or gone since it was read. */
	flip(0, THE(3) + batch.size - 1, 7);
	assert_reads(6, 9, 14);
	flip(0, THE(3) + journal_head_size(1), 0);
	assert_int_equal(journal_read_frame(dir, &journal.frames[2], record, item), -1);
	assert_int_equal(errno, EBADMSG);
	for (size_t cut = 1; cut < 150; cut += 29) {
		make_segment(0, THE(3) + batch.size - cut);
		assert_int_equal(journal_read_frame(dir, &journal.frames[2], record, item), -1);
		assert_int_equal(errno, EBADMSG);
	}
	assert_int_equal(unlinkat(dir, "0000", 0), 0);
	assert_int_equal(journal_read_frame(dir, &journal.frames[2], record, item), -1);
	assert_int_equal(errno, ENOENT);
}

/* Where more than one batch is gone the hole is as wide, or there are several. */
static void
tells_the_range_of_what_is_missing(void **state)
{
	size_t offset = make_five();

	(void)state;
	flip(0, THE(2), 0);
	flip(0, THE(4), 0);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.hole_count, 2);
	assert_int_equal(journal.holes[0].after, 10);
	assert_int_equal(journal.holes[0].until, 11);
	assert_int_equal(journal.holes[1].after, 12);
	assert_int_equal(journal.holes[1].until, 13);
	assert_int_equal(journal.count, 3);
	flip(0, THE(3), 0);
	assert_tells(6, 10, 13, 0);
	flip(0, THE(1), 0);
	assert_tells(6, 9, 13, 0);
	flip(0, THE(4), 0);
	assert_tells(6, 9, 12, 0);
	flip(0, THE(1), 0), flip(0, THE(2), 0), flip(0, THE(3), 0);
	assert_reads(6, 9, 14);
	/* Nor is one that had no frame. */
	begin(9, 9);
	offset = put(0, offset);
	offset = put_some(0, offset, 1, 10, 9);
	flip(0, offset - 2 * JOURNAL_BLOCK, 1);
	assert_reads(8, 9, 15);
	/* What is published is not missed. */
	put_some(0, offset, 1, 10, 12);
	flip(0, THE(2), 0);
	assert_reads(9, 12, 16);
	flip(0, THE(4), 0);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.hole_count, 1);
	assert_int_equal(journal.holes[0].after, 12);
	assert_int_equal(journal.holes[0].until, 13);
	assert_int_equal(journal.count, 3);
}

/* Below a hole a batch with bad frames may be a torn one, and its seqs another's. */
static void
takes_no_batch_with_bad_frames_below_a_hole(void **state)
{
	size_t offset = make_five();

	(void)state;
	flip(0, THE(3) + batch.size - 1, 1);
	flip(0, THE(4), 1);
	assert_tells(6, 11, 13, 0);
	flip(0, THE(3) + batch.size - 1, 1), flip(0, THE(4), 1);
	/* A torn one, whose seqs the next one has. */
	begin(9, 9);
	add(9000);
	tear(1, 0, 1);
	seq--;
	offset = put_some(0, offset, 2, 100, 9);
	assert_reads(9, 9, 16);
	flip(0, offset - 2 * JOURNAL_BLOCK, 1);
	assert_tells(9, 14, 15, 0);
	/* One that had even its number. */
	flip(0, offset - 2 * JOURNAL_BLOCK, 1);
	begin(9, 9);
	add(9000);
	tear(1, 0, 1);
	number--, seq--;
	offset = put_some(0, offset, 2, 100, 9);
	assert_reads(11, 9, 18);
	flip(0, offset - 2 * JOURNAL_BLOCK, 1);
	assert_tells(11, 16, 17, 0);
}

/* It has the number and the checksum that the next one says, and another end than that says. */
static void
takes_no_batch_that_does_not_fit(void **state)
{
	size_t offset = make_five();

	(void)state;
	begin(9, 9);
	batch.head.from--;
	batch.head.last = batch.head.from;
	put(0, offset);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.hole_count, 0);
	assert_int_equal(journal.count, 4);
	begin(9, 9);
	seq = 16;
	batch.head.from = batch.head.last = seq;
	add(10);
	put(0, offset + JOURNAL_BLOCK);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.count, 6);
	assert_int_equal(journal.frames[5].seq, 17);
	assert_int_equal(journal.hole_count, 1);
	assert_int_equal(journal.holes[0].after, 14);
	assert_int_equal(journal.holes[0].until, 16);
}

/* A torn batch was begun when the one that it follows was on the disk. */
static void
tells_of_damage_that_a_torn_batch_shows(void **state)
{
	size_t offset = make_five();

	(void)state;
	begin(9, 9);
	add(9000);
	tear(0, offset, 5);
	assert_reads(6, 9, 14);
	flip(0, THE(5) + 200, 1);
	assert_tells(6, 0, 0, 14);
	assert_int_equal(journal.highest, 7);
	/* And its frames are damaged, too. */
	flip(0, THE(4) + 200, 1);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.head.number, 6);
	assert_int_equal(journal.count, 5);
	assert_true(journal.frames[3].is_damaged && journal.frames[4].is_damaged);
	flip(0, THE(4) + 200, 1);
	/* Where it is gone nobody knows what it had. */
	flip(0, THE(5), 1);
	assert_told(JOURNAL_DAMAGED, "journal/0000 has the beginning of batch 7, and batch 6");
	/* A torn one that had its number is not it. */
	number = before.number = 5;
	seq = before.last = 13;
	begin(9, 9);
	add(9000);
	tear(1, 0, 1);
	assert_told(JOURNAL_DAMAGED, "journal/0000 has the beginning of batch 7, and batch 6");
	assert_int_equal(journal.head.number, 0);
	assert_int_equal(journal.count, 0);
}

static void
copy_block(uint32_t from, size_t from_offset, uint32_t to, size_t to_offset)
{
	static unsigned char block[JOURNAL_BLOCK];
	char name[JOURNAL_NAME_ROOM];
	int fd;

	journal_segment_name(from, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, block, sizeof block, (off_t)from_offset), sizeof block);
	close(fd);
	write_at(to, to_offset, block, sizeof block);
}

static void
takes_the_good_one_of_two_copies(void **state)
{
	(void)state;
	make_five();
	for (uint32_t i = 2; i <= 5; i++)
		copy_block(0, THE(i), 1, THE(i - 2));
	assert_reads(6, 9, 14);
	flip(0, THE(3) + 200, 1);
	flip(1, THE(2) + 200, 1);
	assert_reads(6, 9, 14);
	assert_int_equal(journal.frames[2].segment, 1);
	assert_int_equal(journal.frames[3].segment, 0);
	flip(0, THE(5) + 200, 1);
	assert_reads(6, 9, 14);
}

/* Somebody has copied a segment within the folder; or has then lost the first one. */
static void
takes_no_copy_of_a_segment_for_one(void **state)
{
	(void)state;
	make_five();
	make_segment(segments + 5, JOURNAL_SEGMENT);
	for (size_t at = 0; at < JOURNAL_SEGMENT; at += JOURNAL_BLOCK)
		copy_block(0, at, segments + 5, at);
	assert_reads(6, 9, 14);
	assert_int_equal(journal.segment, 0);
	for (size_t i = 0; i < journal.count; i++)
		assert_int_equal(journal.frames[i].segment, 0);
	flip(0, THE(3) + 200, 1);
	assert_told(JOURNAL_DAMAGED, "journal/0008 has frames that are wanted, and the journal");
	flip(0, THE(5) + 100, 1);
	assert_told(JOURNAL_DAMAGED, "journal/0008 has the newest batch, and the journal has 3");
}

/* Two that are as good: which one was it? */
static void
takes_neither_of_two_newest(void **state)
{
	struct journal_head last;

	(void)state;
	make_five();
	last = before;
	begin(9, 9);
	add(30);
	put(1, 0);
	before = last;
	number--, seq--;
	begin(10, 9);
	add(30);
	put(2, 0);
	assert_told(JOURNAL_DAMAGED, "have different batches of the number 7");
	flip(1, 200, 0);
	assert_reads(7, 9, 15);
	assert_int_equal(journal.segment, 2);
}

/* ---- segments */

static void
tells_of_a_missing_segment(void **state)
{
	(void)state;
	make(9);
	put_some(1, 0, 3, 100, 9);
	assert_reads(4, 9, 12);
	assert_int_equal(unlinkat(dir, "0002", 0), 0);
	assert_told(JOURNAL_DAMAGED, "journal/0002 is missing; the journal has 3 segments");
	/* What the others have is told all the same. */
	assert_int_equal(journal.head.number, 4);
	assert_int_equal(journal.count, 3);
	check_frame(&journal.frames[2]);
	make_segment(2, JOURNAL_SEGMENT - 1);
	assert_told(JOURNAL_DAMAGED, "journal/0002 has 1048575 bytes; want 1048576");
	make_segment(2, 0);
	assert_told(JOURNAL_DAMAGED, "journal/0002 has 0 bytes; want 1048576");
	assert_int_equal(unlinkat(dir, "0002", 0), 0);
	assert_int_equal(mkdirat(dir, "0002", 0700), 0);
	assert_told(JOURNAL_DAMAGED, "journal/0002 is no file; the journal has 3 segments");
	assert_int_equal(unlinkat(dir, "0002", AT_REMOVEDIR), 0);
	assert_int_equal(symlinkat("0001", dir, "0002"), 0);
	assert_told(JOURNAL_DAMAGED, "journal/0002 is no file");
	assert_int_equal(unlinkat(dir, "0002", 0), 0);
	make_segment(2, JOURNAL_SEGMENT);
	assert_reads(4, 9, 12);
	/* With the newest batches in it. */
	assert_int_equal(unlinkat(dir, "0001", 0), 0);
	assert_told(JOURNAL_DAMAGED, "journal/0001 is missing");
	assert_int_equal(unlinkat(dir, "0000", 0), 0);
	assert_int_equal(look(), JOURNAL_NONE);
}

/* One was put back as it had been before, or was emptied. */
static void
tells_of_an_older_segment(void **state)
{
	char *old;
	size_t len;

	(void)state;
	make(9);
	put_some(1, 0, 2, 100, 9);
	old = sample_read(dir, "0001", &len);
	put_some(1, 2 * JOURNAL_BLOCK, 2, 100, 9);
	put_some(2, 0, 2, 100, 9);
	sample_write(dir, "0001", old, len);
	free(old);
	assert_tells(7, 11, 13, 0);
	make_segment(1, JOURNAL_SEGMENT);
	assert_tells(7, 9, 13, 0);
}

static void
set_ids(const char *root, const char *generation)
{
	memcpy(batch.head.root, root, ID_ROOM);
	memcpy(batch.head.generation, generation, ID_ROOM);
}

static void
refuses_a_strangers_segment(void **state)
{
	size_t offset;

	(void)state;
	make(9);
	offset = put_some(0, JOURNAL_BLOCK, 2, 100, 9);
	begin(9, 9);
	set_ids(ROOT, OTHER);
	put(1, 0);
	assert_told(JOURNAL_STRANGER, "journal/0001 is not of the journal that journal/0000 is of");
	begin(9, 9);
	set_ids(OTHER, GENERATION);
	put(1, 0);
	assert_told(JOURNAL_STRANGER, "journal/0001 is of the root with the id " OTHER
	    ", and this is " ROOT);
	journal_free(&journal);
	journal_read(&journal, dir, NULL);
	assert_int_equal(journal.found, JOURNAL_STRANGER);
	assert_non_null(strstr(journal.why.text, "journal/0001 is not of the journal that"));
	journal_free(&journal);
	journal_read(&journal, dir, "");
	assert_int_equal(journal.found, JOURNAL_STRANGER);
	assert_non_null(strstr(journal.why.text, "and this is one without an id"));
	/* Behind the beginning of a segment they are a client's bytes. */
	make_segment(1, JOURNAL_SEGMENT);
	write_at(1, JOURNAL_BLOCK, batch.bytes, JOURNAL_BLOCK);
	write_at(0, offset, batch.bytes, JOURNAL_BLOCK);
	assert_reads(3, 9, 11);
	assert_int_equal(journal.highest, 3);
	journal_free(&journal);
	journal_read(&journal, dir, NULL);
	assert_int_equal(journal.found, JOURNAL_READ);
	assert_int_equal(journal.count, 2);
}

/* No segment says by its beginning whose it is: then all else has to agree. */
static void
needs_no_beginning_of_a_segment(void **state)
{
	size_t offset = make_five();

	(void)state;
	flip(0, 100, 1);
	assert_reads(6, 9, 14);
	begin(9, 9);
	set_ids(ROOT, OTHER);
	seal();
	write_at(0, offset, batch.bytes, JOURNAL_BLOCK);
	assert_told(JOURNAL_STRANGER, "journal/0000 is not of the journal that journal/0000 is of");
	flip(0, 100, 1);
	assert_reads(6, 9, 14);
	/* One is enough, with however long a table. */
	flip(0, 100, 1);
	number--;
	begin(9, 9);
	for (int i = 0; i < 180; i++)
		add(0);
	put(1, 0);
	assert_reads(7, 9, 194);
}

/* What is behind a segment's end is not what another one has there. */
static void
reads_nothing_behind_the_end(void **state)
{
	(void)state;
	make(9);
	put_some(1, THE(3), 1, 100, 9);
	make_segment(2, THE(1));
	assert_told(JOURNAL_DAMAGED, "journal/0002 has 4096 bytes; want 1048576");
	assert_int_equal(journal.head.number, 2);
	assert_int_equal(journal.segment, 1);
	assert_int_equal(journal.count, 1);
	check_frame(&journal.frames[0]);
}

static void
refuses_a_newer_version(void **state)
{
	(void)state;
	make_five();
	begin(9, 9);
	seal();
	little_put32(batch.bytes + 8, 2);
	batch.bytes[12]++;
	write_at(1, 0, batch.bytes, JOURNAL_BLOCK);
	assert_told(JOURNAL_NEWER, "journal/0001 has version 2; this program reads version 1");
	/* Whatever it has instead of a table. */
	little_put32(batch.bytes + 136, UINT32_MAX);
	write_at(1, 0, batch.bytes, JOURNAL_BLOCK);
	assert_told(JOURNAL_NEWER, "journal/0001 has version 2");
	little_put32(batch.bytes + 8, 0);
	write_at(1, 0, batch.bytes, JOURNAL_BLOCK);
	assert_reads(6, 9, 14);
	make_segment(1, JOURNAL_SEGMENT);
	little_put32(batch.bytes + 8, 2);
	write_at(1, JOURNAL_BLOCK, batch.bytes, JOURNAL_BLOCK);
	assert_reads(6, 9, 14);
	/* A flipped bit of the version is no newer one. */
	flip(0, 8, 1);
	assert_reads(6, 9, 14);
}

/* ---- what clients send is no head */

/* A client's item, of which each block is a head, as good as any but for what a client cannot
 * know. */
static void
add_heads(const char *root, const char *generation)
{
	static unsigned char block[JOURNAL_BLOCK];
	struct journal_head head = {.number = 1000, .from = 10, .last = 2000, .durable = 2000,
	    .published = 1999, .segments = 1, .count = 1};
	struct journal_frame table[1] = {{.seq = 2000, .record_size = 1}};
	uint32_t i = batch.head.count;
	size_t at = journal_head_size(1); /* where the record begins */

	memcpy(head.root, root, ID_ROOM);
	memcpy(head.generation, generation, ID_ROOM);
	table[0].crc = crc32c(0, "", 1);
	memset(block, 0, sizeof block);
	journal_put_head(block, &head, table);
	add(JOURNAL_ITEM_MAX);
	at += batch.table[i].record_size;
	for (size_t to = JOURNAL_BLOCK - at; to + JOURNAL_BLOCK < JOURNAL_ITEM_MAX;
	    to += JOURNAL_BLOCK)
		memcpy(batch.frames[i].item + to, block, JOURNAL_BLOCK);
}

static void
takes_no_clients_bytes_for_a_head(void **state)
{
	static const char *const owners[][2] = {{ROOT, OTHER}, {OTHER, OTHER}};
	size_t offset;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		offset = make(9);
		begin(9, 9);
		add_heads(owners[i][0], owners[i][1]);
		put(0, offset);
		assert_int_equal(look(), JOURNAL_READ);
		assert_int_equal(journal.highest, 2);
		assert_int_equal(journal.count, 1);
		assert_false(journal.frames[0].is_damaged);
		/* Its own head is gone, or there is another batch over it. */
		flip(0, offset, 2);
		assert_reads(1, 9, 9);
		assert_int_equal(journal.highest, 1);
		flip(0, offset, 2);
		put_some(0, 0, 2, 10, 9);
		assert_int_equal(look(), JOURNAL_READ);
		assert_int_equal(journal.highest, 4);
	}
	/* Within a batch that is whole not even ours would count. */
	offset = make(9);
	begin(9, 9);
	add_heads(ROOT, GENERATION);
	put(0, offset);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.highest, 2);
	flip(0, offset, 2);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.highest, 1000);
}

/* ---- reading that fails */

/* A journal whose reading takes each of the ways, from one segment to the other and back. */
static void
make_large(void)
{
	size_t first, offset;

	segments = 4;
	first = put_some(0, make_five(), 100, 10, 9);
	flip(0, THE(60), 1);
	begin(9, 9);
	for (int i = 0; i < 180; i++) /* a table of more than a block */
		add(1);
	offset = put(1, 0);
	put_some(1, offset, 1, 10, 9);
	flip(1, offset, 1);
	put_some(2, 0, 1, 10, 9);
	copy_block(0, THE(80), 2, THE(5));
	/* Another one of the newest's number, which is not whole. */
	begin(9, 9);
	batch.head.number--, batch.head.before--;
	add(9000);
	tear(0, first, 1);
}

/* Each, the first one, then the second, ...; how many there were. */
static int
fail_each_call(void)
{
	int calls;

	for (calls = 1;; calls++) {
		countdown = calls;
		error_to_give = calls % 2 ? EIO : ENOMEM;
		journal_free(&journal);
		journal_read(&journal, dir, ROOT);
		if (countdown > 0)
			break;
		assert_int_equal(journal.found, JOURNAL_FAILED);
		assert_int_equal(errno, error_to_give);
		assert_non_null(strstr(journal.why.text, strerror(error_to_give)));
	}
	countdown = 0;
	assert_int_equal(journal.found, JOURNAL_READ);
	return calls;
}

/* Of two copies of a batch each may be the one that is not whole. */
static void
tells_of_calls_that_fail_at_copies(void **state)
{
	(void)state;
	make_five();
	for (uint32_t i = 2; i <= 5; i++)
		copy_block(0, THE(i), 1, THE(i - 2));
	copy_block(1, THE(9), 0, THE(5)); /* nothing: so the other segment is at hand */
	assert_true(fail_each_call() > 15);
	assert_int_equal(journal.count, 5);
}

static void
tells_of_calls_that_fail(void **state)
{
	int calls;

	(void)state;
	make_large();
	assert_true(fail_each_call() > 30);
	assert_int_equal(journal.hole_count, 2);
	assert_int_equal(journal.count, 285);
	for (calls = 1;; calls++) {
		char record[RECORD_LINE_MAX + 1];
		countdown = calls;
		error_to_give = EIO;
		if (journal_read_frame(dir, &journal.frames[0], record, NULL) == 0)
			break;
		assert_int_equal(errno, EIO);
	}
	countdown = 0;
	assert_int_equal(calls, 4);
}

static void
reads_on_after_a_signal(void **state)
{
	(void)state;
	make_five();
	for (int calls = 1; calls <= 6; calls++) {
		countdown = calls;
		error_to_give = EINTR;
		assert_int_equal(look(), JOURNAL_READ);
		assert_int_equal(countdown, 0);
		assert_reads(6, 9, 14);
	}
	error_to_give = 0;
}

static void
copy_over_the_third(void)
{
	copy_block(0, THE(5), 0, THE(3));
}

/* A batch that another has taken the place of is none of the chain. */
static void
takes_no_batch_that_took_anothers_place(void **state)
{
	int calls;

	(void)state;
	segments = 2;
	for (calls = 1;; calls++) {
		make_five();
		put_some(1, 0, 1, 10, 9);
		countdown = calls;
		meanwhile = copy_over_the_third;
		journal_free(&journal);
		journal_read(&journal, dir, ROOT);
		if (countdown > 0)
			break;
		assert_int_equal(journal.found, JOURNAL_READ);
		assert_int_equal(journal.count + journal.hole_count, 6);
		for (size_t i = 0; i < journal.count; i++)
			assert_true(i == 0 || journal.frames[i].seq > journal.frames[i - 1].seq);
	}
	countdown = 0;
	meanwhile = NULL;
	assert_true(calls > 15);
}

static void
empty_all(void)
{
	for (uint32_t i = 0; i < segments; i++)
		make_segment(i, JOURNAL_SEGMENT);
}

/* Whatever a receiver does meanwhile, what is told is a state that can be told. */
static void
reads_while_it_is_written(void **state)
{
	size_t found[JOURNAL_FAILED + 1] = {0}, holes = 0;

	(void)state;
	segments = 2;
	for (int is_torn = 0; is_torn < 2; is_torn++) {
		for (int calls = 1;; calls++) {
			make_five();
			begin(9, 9);
			add(9000);
			tear(1, 0, is_torn ? 1 : 7);
			countdown = calls;
			meanwhile = empty_all;
			journal_free(&journal);
			journal_read(&journal, dir, ROOT);
			if (countdown > 0)
				break;
			found[journal.found]++;
			holes += journal.found == JOURNAL_READ && journal.hole_count > 0;
			if (journal.found == JOURNAL_DAMAGED)
				assert_non_null(strstr(journal.why.text, "journal/000"));
		}
		countdown = 0;
		assert_int_equal(journal.found, JOURNAL_READ);
		assert_int_equal(journal.head.number, is_torn ? 6 : 7);
	}
	meanwhile = NULL;
	assert_true(found[JOURNAL_NONE] > 0 && found[JOURNAL_READ] > 0);
	assert_true(found[JOURNAL_DAMAGED] > 0 && holes > 0);
	assert_int_equal(found[JOURNAL_FAILED], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(reads_the_head_that_was_written),
	    TEST(writes_the_format),
	    TEST(refuses_any_changed_bit_of_a_head),
	    TEST(refuses_what_no_receiver_writes),
	    TEST(names_segments),
	    TEST(reads_what_was_synced),
	    TEST(reads_a_segment_full_of_frames),
	    TEST(reads_what_was_synced_at_any_time),
	    TEST(finds_none_where_none_was_used),
	    TEST(passes_over_files_of_other_names),
	    TEST(takes_no_torn_batch),
	    TEST(takes_no_batch_that_was_cut_off),
	    TEST(goes_on_behind_torn_batches),
	    TEST(tells_of_any_changed_bit),
	    TEST(reads_no_damaged_frame),
	    TEST(tells_the_range_of_what_is_missing),
	    TEST(takes_no_batch_with_bad_frames_below_a_hole),
	    TEST(takes_no_batch_that_does_not_fit),
	    TEST(tells_of_damage_that_a_torn_batch_shows),
	    TEST(takes_the_good_one_of_two_copies),
	    TEST(takes_no_copy_of_a_segment_for_one),
	    TEST(takes_neither_of_two_newest),
	    TEST(tells_of_a_missing_segment),
	    TEST(tells_of_an_older_segment),
	    TEST(refuses_a_strangers_segment),
	    TEST(needs_no_beginning_of_a_segment),
	    TEST(reads_nothing_behind_the_end),
	    TEST(refuses_a_newer_version),
	    TEST(takes_no_clients_bytes_for_a_head),
	    TEST(tells_of_calls_that_fail),
	    TEST(tells_of_calls_that_fail_at_copies),
	    TEST(reads_on_after_a_signal),
	    TEST(takes_no_batch_that_took_anothers_place),
	    TEST(reads_while_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
