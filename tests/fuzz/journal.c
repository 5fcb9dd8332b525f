/* SPDX-License-Identifier: ISC */
/*
 * The journal: the input is what happened to one.  Its first byte says what may happen, and each
 * step takes an operation's byte and what that needs:
 *
 *	batch    frames, each with its size, and marks; synced
 *	torn     likewise, but some blocks stay as they were, and a byte is wrong: never synced
 *	turn     the next segment is begun
 *	damage   a byte changes                              with bit 0 of the first byte
 *	copy     a block is put in the place of another      likewise
 *	cut      a segment ends early, or is gone            likewise
 *	forge    bytes of the input as a head of ours, with the right checksum    with bit 1
 *
 * What is read must be in order and within its bounds, and what is said to be good must be
 * readable, always.  Without forgeries it is the chain of a batch that was made: each frame of it
 * that is not published is there, or told to be damaged or in a hole, and no other is; and no
 * batch that is seen followed a newer one.  Without damage it is the newest one that was synced,
 * and nothing is missing.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/crc.h"
#include "lib/disk.h"
#include "lib/journal.h"
#include "lib/little.h"
#include "lib/record.h"

#define ROOT "0123456789abcdef0123456789abcdef"
#define GENERATION "00112233445566778899aabbccddeeff"
#define SEGMENTS 3
#define BATCHES 200
#define FRAMES 8 /* most of a batch */
#define BLOCKS (JOURNAL_SEGMENT / JOURNAL_BLOCK)

enum { MAY_DAMAGE = 1, MAY_FORGE = 2 };

struct batch {
	struct journal_head head;
	struct journal_frame table[FRAMES];
	int before; /* its index, -1: none */
	int is_torn;
	uint32_t segment, wrong_at; /* of a torn one: the byte that is wrong */
};

static int dir = -1, fds[SEGMENTS];
static struct batch batches[BATCHES];
static int count, newest;   /* newest: of those that were synced */
static uint32_t segment, offset;
static uint64_t number, last_in[SEGMENTS];
static int is_damaged, is_forged;
static unsigned char bytes[JOURNAL_SEGMENT];

/* ---- what happens */

static void
put(uint32_t at_segment, uint32_t at, const void *from, size_t len)
{
	FUZZ_CHECK(pwrite(fds[at_segment], from, len, at) == (ssize_t)len);
}

static void
open_segments(void)
{
	char name[JOURNAL_NAME_ROOM];

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		journal_segment_name(i, name);
		fds[i] = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		FUZZ_CHECK(fds[i] >= 0);
		FUZZ_CHECK(ftruncate(fds[i], 0) == 0 && ftruncate(fds[i], JOURNAL_SEGMENT) == 0);
	}
}

static void
close_segments(void)
{
	for (uint32_t i = 0; i < SEGMENTS; i++)
		close(fds[i]);
}

static void
begin(struct batch *batch, uint64_t published)
{
	struct journal_head *head = &batch->head;
	const struct journal_head *before = newest >= 0 ? &batches[newest].head : NULL;

	memset(batch, 0, sizeof *batch);
	batch->before = newest;
	memcpy(head->root, ROOT, ID_ROOM);
	memcpy(head->generation, GENERATION, ID_ROOM);
	head->number = number + 1;
	head->segments = SEGMENTS;
	if (before) {
		head->before = before->number;
		head->chain = before->crc;
		head->from = head->last = before->last;
		head->published = before->published;
	}
	/* All in the next segment is published before that one is begun. */
	if (published < last_in[(segment + 1) % SEGMENTS])
		published = last_in[(segment + 1) % SEGMENTS];
	if (published > head->published)
		head->published = published < head->from ? published : head->from;
	head->durable = (head->published + head->from) / 2;
}

/* The frames that the input wants; bytes of the whole. */
static size_t
fill(struct batch *batch, struct fuzz_input *input)
{
	uint8_t wanted = fuzz_byte(input);
	size_t at = journal_head_size(wanted % FRAMES);

	batch->head.last += wanted >> 5; /* seqs need not be gapless */
	for (int i = 0; i < wanted % FRAMES; i++) {
		struct journal_frame *frame = &batch->table[batch->head.count++];
		uint8_t size = fuzz_byte(input);

		frame->seq = ++batch->head.last;
		frame->record_size = 1 + size % 200;
		frame->has_item = size & 1;
		if (frame->has_item)
			frame->item_size = fuzz_byte(input) * (size >> 4 < 15 ? size >> 4 : 255u);
		memset(bytes + at, count * 8 + i, journal_frame_size(frame));
		frame->crc = crc32c(0, bytes + at, journal_frame_size(frame));
		at += journal_frame_size(frame);
	}
	if (batch->head.count == 0)
		batch->head.last = batch->head.from;
	journal_put_head(bytes, &batch->head, batch->table);
	return at;
}

static void
turn(void)
{
	segment = (segment + 1) % SEGMENTS;
	offset = 0;
}

/* Gives it a place; bytes of its blocks. */
static uint32_t
place(struct batch *batch, size_t size)
{
	uint32_t taken =
	    (uint32_t)((size + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK);

	FUZZ_CHECK(taken <= JOURNAL_SEGMENT / 2);
	if (offset + taken > JOURNAL_SEGMENT)
		turn();
	batch->segment = segment;
	memset(bytes + size, 0, taken - size);
	return taken;
}

static void
add_batch(struct fuzz_input *input)
{
	struct batch *batch = &batches[count];
	uint32_t taken;

	begin(batch, fuzz_byte(input));
	taken = place(batch, fill(batch, input));
	put(segment, offset, bytes, taken);
	offset += taken;
	last_in[segment] = batch->head.last;
	number = batch->head.number;
	newest = count++;
}

static void
add_torn(struct fuzz_input *input)
{
	struct batch *batch = &batches[count];
	uint32_t old_segment = segment, old_offset = offset, taken, wrong;
	uint8_t mask;
	size_t size;

	begin(batch, fuzz_byte(input));
	size = fill(batch, input);
	taken = place(batch, size);
	mask = fuzz_byte(input);
	wrong = (fuzz_byte(input) * 257u + fuzz_byte(input)) % (uint32_t)size;
	bytes[wrong] ^= 0xff;
	for (uint32_t at = 0; at < taken; at += JOURNAL_BLOCK) {
		if (mask >> at / JOURNAL_BLOCK % 8 & 1 ||
		    wrong / JOURNAL_BLOCK == at / JOURNAL_BLOCK)
			put(segment, offset + at, bytes + at, JOURNAL_BLOCK);
	}
	batch->is_torn = 1;
	batch->wrong_at = offset + wrong;
	/* Its number is another's, if nothing of it was seen. */
	if (wrong >= journal_head_size(batch->head.count) && number < batch->head.number)
		number = batch->head.number;
	if (mask & 1)
		segment = old_segment, offset = old_offset;
	count++;
}

static int
would_mend(uint32_t at_segment, uint32_t at)
{
	for (int i = 0; i < count; i++) {
		if (batches[i].is_torn && batches[i].segment == at_segment &&
		    batches[i].wrong_at == at)
			return 1;
	}
	return 0;
}

static void
damage(struct fuzz_input *input)
{
	uint32_t where = fuzz_byte(input) % SEGMENTS;
	uint32_t at = fuzz_byte(input) % BLOCKS * JOURNAL_BLOCK;
	unsigned char byte = 0;

	at += (fuzz_byte(input) * 256u + fuzz_byte(input)) % JOURNAL_BLOCK;
	if (would_mend(where, at))
		return;
	(void)!pread(fds[where], &byte, 1, at);
	byte ^= fuzz_byte(input);
	put(where, at, &byte, 1);
	is_damaged = 1;
}

static void
copy(struct fuzz_input *input)
{
	uint32_t from = fuzz_byte(input) % SEGMENTS, to = fuzz_byte(input) % SEGMENTS;
	uint32_t from_at = fuzz_byte(input) % BLOCKS * JOURNAL_BLOCK;
	uint32_t to_at = fuzz_byte(input) % BLOCKS * JOURNAL_BLOCK;
	unsigned char block[JOURNAL_BLOCK];

	memset(block, 0, sizeof block);
	(void)!pread(fds[from], block, sizeof block, from_at);
	put(to, to_at, block, sizeof block);
	is_damaged = 1;
}

static void
cut(struct fuzz_input *input)
{
	uint32_t which = fuzz_byte(input) % SEGMENTS;
	uint32_t size = fuzz_byte(input) * 4111u;
	char name[JOURNAL_NAME_ROOM];

	journal_segment_name(which, name);
	if (size == 0)
		FUZZ_CHECK(unlinkat(dir, name, 0) == 0 || errno == ENOENT);
	else
		FUZZ_CHECK(ftruncate(fds[which], size) == 0);
	is_damaged = 1;
}

static void
forge(struct fuzz_input *input)
{
	static unsigned char block[JOURNAL_SEGMENT];
	uint32_t where = fuzz_byte(input) % SEGMENTS;
	uint32_t at = fuzz_byte(input) % BLOCKS * JOURNAL_BLOCK;
	struct journal_head head;
	size_t size;

	memset(block, 0, sizeof block);
	(void)!pread(fds[where], block, JOURNAL_SEGMENT - at, at);
	for (uint8_t i = fuzz_byte(input); i > 0; i--)
		block[80 + fuzz_byte(input)] = fuzz_byte(input);
	memcpy(block, "inboxd-j\1\0\0\0", 12);
	memcpy(block + 16, ROOT GENERATION, 64);
	size = journal_get_head(block, &head);
	if (size == 0 || size > JOURNAL_SEGMENT - at)
		return;
	little_put32(block + 12, crc32c(0, block + 16, size - 16));
	put(where, at, block, JOURNAL_BLOCK);
	is_forged = 1;
}

static void
happen(struct fuzz_input *input)
{
	uint8_t may = fuzz_byte(input);

	add_batch(input);
	while (input->left > 0 && count < BATCHES) {
		switch (fuzz_byte(input) % 8) {
		case 2:
			add_torn(input);
			break;
		case 3:
			if (offset > 0)
				turn();
			break;
		case 4:
			if (may & MAY_DAMAGE)
				damage(input);
			break;
		case 5:
			if (may & MAY_DAMAGE)
				copy(input);
			break;
		case 6:
			if (may & MAY_DAMAGE)
				cut(input);
			break;
		case 7:
			if (may & MAY_FORGE)
				forge(input);
			break;
		default:
			add_batch(input);
		}
	}
}

/* ---- what must hold */

static void
check_words(const struct journal *journal)
{
	size_t len = strnlen(journal->why.text, WHY_ROOM);

	FUZZ_CHECK(journal->found != JOURNAL_FAILED);
	FUZZ_CHECK(len < WHY_ROOM);
	FUZZ_CHECK((len == 0) ==
	    (journal->found == JOURNAL_READ || journal->found == JOURNAL_NONE));
	for (size_t i = 0; i < len; i++)
		FUZZ_CHECK(journal->why.text[i] >= 0x20 && journal->why.text[i] <= 0x7e);
}

static void
check_frame(const struct journal_frame *frame)
{
	static char record[RECORD_LINE_MAX + 1];
	unsigned char *item;

	FUZZ_CHECK(frame->record_size >= 1 && frame->record_size <= RECORD_LINE_MAX);
	FUZZ_CHECK(frame->item_size <= JOURNAL_ITEM_MAX && frame->has_item <= 1);
	FUZZ_CHECK(frame->offset + journal_frame_size(frame) <= JOURNAL_SEGMENT);
	item = malloc(frame->item_size + 1);
	FUZZ_CHECK(item);
	if (frame->is_damaged) {
		FUZZ_CHECK(journal_read_frame(dir, frame, record, item) < 0 && errno == EBADMSG);
	} else {
		FUZZ_CHECK(journal_read_frame(dir, frame, record, item) == 0);
		FUZZ_CHECK(record[frame->record_size] == '\0');
		FUZZ_CHECK(crc32c(crc32c(0, record, frame->record_size), item,
		    frame->item_size) == frame->crc);
		FUZZ_CHECK(journal_read_frame(dir, frame, record, NULL) == 0);
	}
	free(item);
}

static int
is_in_hole(const struct journal *journal, uint64_t seq)
{
	for (size_t i = 0; i < journal->hole_count; i++) {
		if (seq > journal->holes[i].after && seq <= journal->holes[i].until)
			return 1;
	}
	return 0;
}

static void
check_order(const struct journal *journal)
{
	const struct journal_head *head = &journal->head;
	uint64_t seq = head->published;

	for (size_t i = 0; i < journal->count; i++) {
		FUZZ_CHECK(journal->frames[i].seq > seq && journal->frames[i].seq <= head->last);
		FUZZ_CHECK(!is_in_hole(journal, journal->frames[i].seq));
		seq = journal->frames[i].seq;
		check_frame(&journal->frames[i]);
	}
	seq = head->published;
	for (size_t i = 0; i < journal->hole_count; i++) {
		FUZZ_CHECK(journal->holes[i].after >= seq);
		FUZZ_CHECK(journal->holes[i].until > journal->holes[i].after);
		seq = journal->holes[i].until;
	}
	FUZZ_CHECK(seq <= head->last && journal->highest >= head->number);
	FUZZ_CHECK(journal->size % JOURNAL_BLOCK == 0);
	FUZZ_CHECK(journal->offset % JOURNAL_BLOCK == 0);
	FUZZ_CHECK(head->number == 0 || journal->size > 0);
}

/* The frames of the chain from this batch down, from the last one on. */
static void
check_chain(const struct journal *journal, int from)
{
	size_t left = journal->count;

	for (int i = from; i >= 0; i = batches[i].before) {
		for (uint32_t j = batches[i].head.count; j > 0; j--) {
			const struct journal_frame *want = &batches[i].table[j - 1], *frame;

			if (want->seq <= journal->head.published ||
			    is_in_hole(journal, want->seq))
				continue;
			FUZZ_CHECK(left > 0);
			frame = &journal->frames[--left];
			FUZZ_CHECK(frame->seq == want->seq && frame->crc == want->crc);
			FUZZ_CHECK(frame->record_size == want->record_size);
			FUZZ_CHECK(frame->item_size == want->item_size);
			FUZZ_CHECK(frame->has_item == want->has_item);
			FUZZ_CHECK(is_damaged || !frame->is_damaged);
		}
	}
	FUZZ_CHECK(left == 0);
}

static int
is_head_of(const struct journal *journal, int i)
{
	return memcmp(&journal->head, &batches[i].head, sizeof journal->head) == 0;
}

/* Whatever is the highest of the heads that were seen, what it follows had been synced. */
static void
check_newest(const struct journal *journal)
{
	uint64_t followed = journal->highest;

	for (int i = 0; i < count; i++) {
		if (batches[i].head.number == journal->highest &&
		    batches[i].head.before < followed)
			followed = batches[i].head.before;
	}
	FUZZ_CHECK(journal->head.number >= followed);
}

static void
check_told(const struct journal *journal)
{
	int i = count - 1;

	check_words(journal);
	check_order(journal);
	if (!is_forged && journal->found != JOURNAL_DAMAGED)
		check_newest(journal);
	if (!is_damaged && !is_forged) {
		FUZZ_CHECK(journal->found == JOURNAL_READ && journal->hole_count == 0);
		FUZZ_CHECK(is_head_of(journal, newest));
		check_chain(journal, newest);
	} else if (!is_forged && journal->head.number > 0) {
		while (i >= 0 && !is_head_of(journal, i))
			i--;
		FUZZ_CHECK(i >= 0);
		check_chain(journal, i);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	struct journal journal;
	int lowest;

	if (dir < 0)
		dir = disk_open_dir(AT_FDCWD, fuzz_folder());
	FUZZ_CHECK(dir >= 0);
	lowest = fuzz_lowest_fd();
	count = 0;
	newest = -1;
	segment = offset = 0;
	number = 0;
	memset(last_in, 0, sizeof last_in);
	is_damaged = is_forged = 0;
	open_segments();
	happen(&input);
	close_segments();
	memset(&journal, 0xff, sizeof journal);
	journal_read(&journal, dir, ROOT);
	check_told(&journal);
	journal_free(&journal);
	FUZZ_CHECK(fuzz_lowest_fd() == lowest);
	return 0;
}
