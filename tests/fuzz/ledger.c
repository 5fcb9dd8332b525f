/* SPDX-License-Identifier: ISC */
/*
 * The ledger: the input is a flag byte and a segment, as the disk may show it
 * after a crash.  With bit 0 of the flags each line that does not begin with
 * '!' gets its right checksum first: by chance no line would ever have it.
 *
 * A replay that says yes must have understood exactly the good bytes: they alone give
 * the same memory.  A record that is read and has no keys is written as the same line.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "inboxd/recover/replay.h"
#include "lib/crc.h"
#include "lib/record.h"
#include "lib/why.h"

static int segment = -1;

/* ---- records */

static void
try_record(const char *text, size_t len)
{
	static struct record record, back;
	char line[RECORD_LINE_MAX + 1];
	char *copy = fuzz_copy(text, len);
	size_t n;

	if (record_parse(copy, len, &record) == 0) {
		n = record_format(&record, line);
		FUZZ_CHECK(n > 0 && n <= RECORD_LINE_MAX && line[n] == '\0');
		/* What is passed over is not written; without that, the line is the same. */
		FUZZ_CHECK(memchr(text, '=', len) ||
		    (n == len + 1 && memcmp(line, text, len) == 0 && line[len] == '\n'));
		FUZZ_CHECK(record_parse(line, n - 1, &back) == 0);
		FUZZ_CHECK(memcmp(&back, &record, sizeof back) == 0);
		/* No bit may change unseen. */
		line[n / 2] ^= 1;
		FUZZ_CHECK(record_parse(line, n - 1, &back) < 0);
	}
	free(copy);
}

static void
put_checksum(char *line, size_t len)
{
	char hex[9];

	if (len < 9 || line[0] == '!')
		return;
	snprintf(hex, sizeof hex, "%08" PRIx32, crc32c(0, line + 9, len - 9));
	memcpy(line, hex, 8);
}

static void
each_line(char *text, size_t size, int fix)
{
	char *end, *line = text;

	for (; (end = memchr(line, '\n', size - (size_t)(line - text))); line = end + 1) {
		if (fix)
			put_checksum(line, (size_t)(end - line));
		try_record(line, (size_t)(end - line));
	}
}

/* ---- the whole segment */

static void
dump_queue(FILE *out, const struct queue *queue)
{
	static struct record record;
	char line[RECORD_LINE_MAX + 1], sha256[DIGEST_TEXT_ROOM];
	const struct known *known = NULL;
	size_t items = 0, skips = 0;
	uint64_t number = 0;

	queue_record(queue, &record);
	record_format(&record, line);
	fputs(line, out);
	FUZZ_CHECK(queue->settled >= 1);
	while ((known = entries_next(&queue->entries, known))) {
		const struct known_item *item = known->item;

		FUZZ_CHECK(known->number >= number);
		number = known->number;
		items += !known->is_skip;
		skips += (size_t)known->is_skip;
		fprintf(out, " %" PRIu64 " %d", number, known->is_skip);
		if (known->is_skip)
			continue;
		digest_print(sha256, item->sha256);
		fprintf(out, " %" PRIu64 " %" PRIu64 " %" PRId64 " %s %s %s\n", item->seq,
		    item->size, item->time, sha256, item->inbox, item->name);
	}
	FUZZ_CHECK(items == queue->entries.items && skips == queue->entries.skips);
}

/* What was understood, as text; NULL: the segment was refused. */
static char *
replay(const char *text, size_t size, struct replay *result)
{
	struct clients *clients = clients_new();
	const struct queue *queue = NULL;
	struct why error;
	char *dump = NULL;
	size_t len;
	FILE *out;

	FUZZ_CHECK(pwrite(segment, text, size, 0) == (ssize_t)size);
	FUZZ_CHECK(ftruncate(segment, (off_t)size) == 0 && lseek(segment, 0, SEEK_SET) == 0);
	memset(&error, 0xff, sizeof error);
	if (replay_segment(segment, "fuzz.log", clients, result, &error) == 0) {
		out = open_memstream(&dump, &len);
		FUZZ_CHECK(out);
		while ((queue = clients_next(clients, queue)))
			dump_queue(out, queue);
		fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", result->synced,
		    result->stored, result->next_seq);
		for (size_t i = result->first; i < result->count; i++) {
			const struct tail_item *item = &result->tail[i];
			FUZZ_CHECK(item->queue && item->name[0] && item->inbox[0]);
			FUZZ_CHECK(i == result->first || item->seq > item[-1].seq);
			fprintf(out, "%" PRIu64 " %d %s\n", item->seq, item->is_void, item->name);
		}
		FUZZ_CHECK(fclose(out) == 0);
	} else {
		FUZZ_CHECK(errno == EBADMSG);
		len = strnlen(error.text, WHY_ROOM);
		FUZZ_CHECK(len > 0 && len < WHY_ROOM);
		for (size_t i = 0; i < len; i++)
			FUZZ_CHECK(error.text[i] >= 0x20 && error.text[i] <= 0x7e);
	}
	replay_free(result);
	clients_free(clients);
	return dump;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct replay whole, part;
	char *text, *all, *good;
	char path[160];

	if (segment < 0) {
		snprintf(path, sizeof path, "%s/segment", fuzz_folder());
		segment = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		FUZZ_CHECK(segment >= 0);
	}
	if (size < 1)
		return 0;
	text = fuzz_copy(data + 1, --size);
	each_line(text, size, data[0] & 1);
	all = replay(text, size, &whole);
	if (all) {
		FUZZ_CHECK(whole.good_bytes + whole.torn_bytes == size && whole.records >= 2);
		good = replay(text, whole.good_bytes, &part);
		FUZZ_CHECK(good && part.torn_bytes == 0 && strcmp(all, good) == 0);
		FUZZ_CHECK(part.records == whole.records);
		free(good);
	}
	free(all);
	free(text);
	return 0;
}
