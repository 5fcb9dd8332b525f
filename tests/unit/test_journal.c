/* SPDX-License-Identifier: ISC */
/*
 * The journal: what its heads say comes back, and what is read of its segments is what was
 * synced, whatever else lies in them.  The journals are built here, batch by batch, as the
 * receiver writes them.
 */
#include "config.h"

#include "lib/journal.h"

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
#define FRAMES_MAX 64

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
static struct journal journal;     /* as it was read */

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
	head->segments = 4;
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
		frame->crc = journal_crc(0, batch.bytes + at, journal_frame_size(frame));
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

/* Begins with a journal of 4 segments, and its first batch; the offset behind that. */
static size_t
make(uint64_t last)
{
	for (uint32_t i = 0; i < 4; i++)
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

/* ---- what was synced and cannot be read is told */

static void
tells_what_is_damaged(void **state)
{
	size_t offset = make(9), first = offset;

	(void)state;
	put_some(0, offset, 5, 100, 9);
	/* In the third of them, which is one block, as they all are: its bytes, then its head. */
	flip(0, first + 2 * JOURNAL_BLOCK + 200, 3);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.head.number, 6);
	assert_int_equal(journal.hole_count, 0);
	assert_int_equal(journal.count, 5);
	for (size_t i = 0; i < 5; i++) {
		char record[RECORD_LINE_MAX + 1];
		assert_int_equal(journal.frames[i].seq, 10 + i);
		assert_int_equal(journal.frames[i].is_damaged, i == 2);
		if (i != 2) {
			check_frame(&journal.frames[i]);
			continue;
		}
		assert_int_equal(journal_read_frame(dir, &journal.frames[i], record, NULL), -1);
		assert_int_equal(errno, EBADMSG);
	}
	flip(0, first + 2 * JOURNAL_BLOCK + 100, 3);
	assert_int_equal(look(), JOURNAL_READ);
	assert_int_equal(journal.count, 4);
	assert_int_equal(journal.hole_count, 1);
	assert_int_equal(journal.holes[0].after, 11);
	assert_int_equal(journal.holes[0].until, 12);
	assert_int_equal(journal.frames[1].seq, 11);
	assert_int_equal(journal.frames[2].seq, 13);
}

static void
tells_of_a_missing_segment(void **state)
{
	(void)state;
	make(9);
	put_some(1, 0, 3, 100, 9);
	assert_reads(4, 9, 12);
	assert_int_equal(unlinkat(dir, "0002", 0), 0);
	assert_told(JOURNAL_DAMAGED, "journal/0002 is missing");
	make_segment(2, JOURNAL_SEGMENT - 1);
	assert_told(JOURNAL_DAMAGED, "journal/0002 has 1048575 bytes; want 1048576");
	make_segment(2, JOURNAL_SEGMENT);
	assert_reads(4, 9, 12);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(reads_what_was_synced, setup, teardown),
	    cmocka_unit_test_setup_teardown(takes_no_torn_batch, setup, teardown),
	    cmocka_unit_test_setup_teardown(tells_what_is_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(tells_of_a_missing_segment, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
