/* SPDX-License-Identifier: ISC */
/*
 * The journal's heads as bytes.  What is read has passed through nobody's hands but ours, or else
 * through a disk that failed or a client that tries us: no size or number in it is believed
 * before the checksum is right, and then it must add up.
 */
#include "lib/journal.h"

#include <stdio.h>
#include <string.h>

#include "lib/crc.h"
#include "lib/little.h"
#include "lib/parse.h"
#include "lib/proto.h"
#include "lib/record.h"

#define MAGIC "inboxd-j"

/* Where in the head. */
enum {
	AT_VERSION = 8,
	AT_CRC = 12,
	AT_ROOT = 16,
	AT_GENERATION = 48,
	AT_NUMBER = 80,
	AT_BEFORE = 88,
	AT_FROM = 96,
	AT_LAST = 104,
	AT_DURABLE = 112,
	AT_PUBLISHED = 120,
	AT_CHAIN = 128,
	AT_SEGMENTS = 132,
	AT_COUNT = 136,
	AT_NOTHING = 140
};

/* Where in a row. */
enum { ROW_SEQ = 0, ROW_RECORD = 8, ROW_ITEM = 12, ROW_HAS_ITEM = 16, ROW_CRC = 20 };

size_t
journal_head_size(uint32_t count)
{
	return JOURNAL_HEAD_SIZE + (size_t)count * JOURNAL_ROW_SIZE;
}

size_t
journal_frame_size(const struct journal_frame *frame)
{
	return (size_t)frame->record_size + frame->item_size;
}

void
journal_segment_name(uint32_t segment, char name[JOURNAL_NAME_ROOM])
{
	snprintf(name, JOURNAL_NAME_ROOM, "%04u", (unsigned)segment);
}

/* ---- to bytes */

static void
put_row(unsigned char *dst, const struct journal_frame *frame)
{
	little_put64(dst + ROW_SEQ, frame->seq);
	little_put32(dst + ROW_RECORD, frame->record_size);
	little_put32(dst + ROW_ITEM, frame->item_size);
	little_put32(dst + ROW_HAS_ITEM, frame->has_item);
	little_put32(dst + ROW_CRC, frame->crc);
}

void
journal_put_head(unsigned char *dst, struct journal_head *head, const struct journal_frame *table)
{
	head->version = JOURNAL_VERSION;
	memcpy(dst, MAGIC, AT_VERSION);
	little_put32(dst + AT_VERSION, head->version);
	memcpy(dst + AT_ROOT, head->root, ID_ROOM - 1);
	memcpy(dst + AT_GENERATION, head->generation, ID_ROOM - 1);
	little_put64(dst + AT_NUMBER, head->number);
	little_put64(dst + AT_BEFORE, head->before);
	little_put64(dst + AT_FROM, head->from);
	little_put64(dst + AT_LAST, head->last);
	little_put64(dst + AT_DURABLE, head->durable);
	little_put64(dst + AT_PUBLISHED, head->published);
	little_put32(dst + AT_CHAIN, head->chain);
	little_put32(dst + AT_SEGMENTS, head->segments);
	little_put32(dst + AT_COUNT, head->count);
	little_put32(dst + AT_NOTHING, 0);
	for (uint32_t i = 0; i < head->count; i++)
		put_row(dst + journal_head_size(i), &table[i]);
	head->crc = crc32c(0, dst + AT_ROOT, journal_head_size(head->count) - AT_ROOT);
	little_put32(dst + AT_CRC, head->crc);
}

/* ---- and back */

static void
get_id(const unsigned char *src, char id[ID_ROOM])
{
	memcpy(id, src, ID_ROOM - 1);
	id[ID_ROOM - 1] = '\0';
}

size_t
journal_get_head(const unsigned char *src, struct journal_head *head)
{
	memset(head, 0, sizeof *head);
	if (memcmp(src, MAGIC, AT_VERSION) != 0)
		return 0;
	head->version = little_get32(src + AT_VERSION);
	head->crc = little_get32(src + AT_CRC);
	get_id(src + AT_ROOT, head->root);
	get_id(src + AT_GENERATION, head->generation);
	head->number = little_get64(src + AT_NUMBER);
	head->before = little_get64(src + AT_BEFORE);
	head->from = little_get64(src + AT_FROM);
	head->last = little_get64(src + AT_LAST);
	head->durable = little_get64(src + AT_DURABLE);
	head->published = little_get64(src + AT_PUBLISHED);
	head->chain = little_get32(src + AT_CHAIN);
	head->segments = little_get32(src + AT_SEGMENTS);
	head->count = little_get32(src + AT_COUNT);
	if (head->count > (JOURNAL_SEGMENT - JOURNAL_HEAD_SIZE) / JOURNAL_ROW_SIZE)
		return 0;
	return journal_head_size(head->count);
}

void
journal_get_row(const unsigned char *src, uint32_t i, struct journal_frame *frame)
{
	const unsigned char *row = src + journal_head_size(i);

	memset(frame, 0, sizeof *frame);
	frame->seq = little_get64(row + ROW_SEQ);
	frame->record_size = little_get32(row + ROW_RECORD);
	frame->item_size = little_get32(row + ROW_ITEM);
	frame->has_item = little_get32(row + ROW_HAS_ITEM);
	frame->crc = little_get32(row + ROW_CRC);
}

/* What a receiver writes, whatever happens. */
static int
is_sound(const struct journal_head *head)
{
	return is_hex(head->root, ID_ROOM - 1, ID_ROOM - 1) &&
	    is_hex(head->generation, ID_ROOM - 1, ID_ROOM - 1) && head->number >= 1 &&
	    head->number <= PROTO_NUMBER_MAX && head->before < head->number &&
	    head->published <= head->durable && head->durable <= head->last &&
	    head->from <= head->last && head->last <= PROTO_NUMBER_MAX && head->segments >= 1 &&
	    head->segments <= JOURNAL_SEGMENTS_MAX;
}

static int
row_is_sound(const struct journal_frame *frame)
{
	return frame->record_size >= 1 && frame->record_size <= RECORD_LINE_MAX &&
	    frame->item_size <= JOURNAL_ITEM_MAX && frame->has_item <= 1 &&
	    (frame->has_item || frame->item_size == 0);
}

size_t
journal_check_head(const unsigned char *src, const struct journal_head *head, size_t room)
{
	size_t size = journal_head_size(head->count);
	uint64_t seq = head->from;
	struct journal_frame frame;

	if (size > room || head->crc != crc32c(0, src + AT_ROOT, size - AT_ROOT) ||
	    !is_sound(head) || little_get32(src + AT_NOTHING) != 0)
		return 0;
	for (uint32_t i = 0; i < head->count; i++) {
		journal_get_row(src, i, &frame);
		if (!row_is_sound(&frame) || frame.seq <= seq)
			return 0;
		seq = frame.seq;
		size += journal_frame_size(&frame);
		if (size > room)
			return 0;
	}
	return seq == head->last ? size : 0;
}
