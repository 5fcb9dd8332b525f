/* SPDX-License-Identifier: ISC */
/*
 * Reading a segment back: what a crash may have torn is cut, what a sync had
 * vouched for and is damaged stops the start, and nothing else is believed.
 */
#include "config.h"

#include "inboxd/recover/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "lib/crc.h"
#include "lib/why.h"

#define NAME "20261122T141101.000000Z.log"
#define LINES_MAX 64

static struct sample segment;
static FILE *file; /* what the segment is written to, to be read */

/* What came of one reading, as text: all that a caller could see. */
struct outcome {
	int rc, error;
	struct why why;
	char *memory; /* with the tail, the marks and the next number */
	struct replay replay; /* the tail is freed */
};

static int
setup(void **state)
{
	(void)state;
	sample_version = RECORD_VERSION;
	file = tmpfile();
	return file ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	return fclose(file);
}

static char *
describe(const struct clients *clients, const struct replay *replay)
{
	char *memory = sample_dump(clients), *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, "%ssynced=%" PRIu64 " stored=%" PRIu64 " next=%" PRIu64 " records=%" PRIu64
	    "\n", memory, replay->synced, replay->stored, replay->next_seq, replay->records);
	for (size_t i = replay->first; i < replay->count; i++) {
		const struct tail_item *item = &replay->tail[i];
		if (!item->is_void)
			fprintf(out, "tail seq=%" PRIu64 " n=%" PRIu64 " size=%" PRIu64 " %s/%s\n",
			    item->seq, item->number, item->size, item->inbox, item->name);
	}
	assert_int_equal(fclose(out), 0);
	free(memory);
	return text;
}

static struct outcome
read_back(const char *text, size_t len)
{
	struct clients *clients = clients_new();
	struct outcome outcome = {.error = 0};
	int fd = fileno(file);

	assert_int_equal(pwrite(fd, text, len, 0), (ssize_t)len);
	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	outcome.rc = replay_segment(fd, NAME, clients, &outcome.replay, &outcome.why);
	outcome.error = errno;
	outcome.memory = describe(clients, &outcome.replay);
	replay_free(&outcome.replay);
	assert_null(outcome.replay.tail);
	clients_free(clients);
	return outcome;
}

static void
assert_damaged(struct outcome outcome, const char *where)
{
	free(outcome.memory);
	assert_int_equal(outcome.rc, -1);
	assert_int_equal(outcome.error, EBADMSG);
	if (!strstr(outcome.why.text, where))
		fail_msg("\"%s\" does not tell \"%s\"", outcome.why.text, where);
}

static void
assert_reads(const char *wanted)
{
	struct outcome outcome = read_back(segment.text, segment.len);

	if (outcome.rc < 0)
		fail_msg("%s", outcome.why.text);
	assert_int_equal(outcome.replay.good_bytes, segment.len);
	assert_int_equal(outcome.replay.torn_bytes, 0);
	if (!strstr(outcome.memory, wanted))
		fail_msg("want \"%s\" in\n%s", wanted, outcome.memory);
	free(outcome.memory);
}

/* The same, as a later program may have written it: each record has two fields more. */
static void
add_fields(void)
{
	static struct sample before;
	char line[RECORD_LINE_MAX + 1], *text, *end;

	before = segment;
	segment.len = 0;
	for (text = before.text; text < before.text + before.len; text = end + 1) {
		end = memchr(text, '\n', before.len);
		int len = snprintf(line + 9, sizeof line - 9, "%.*s colour=1 x_y-0=a=b",
		    (int)(end - text) - 9, text + 9);
		char crc[9];
		snprintf(crc, sizeof crc, "%08" PRIx32, crc32c(0, line + 9, (size_t)len));
		memcpy(line, crc, 8);
		line[8] = ' ';
		line[9 + len] = '\n';
		sample_text(&segment, line, (size_t)len + 10);
	}
}

/* Where each line begins, and one past the last. */
static size_t
find_lines(size_t starts[LINES_MAX])
{
	size_t count = 0;

	starts[0] = 0;
	for (size_t i = 0; i < segment.len; i++) {
		if (segment.text[i] == '\n')
			starts[++count] = i + 1;
	}
	return count;
}

static int
is_of_type(const size_t *starts, size_t line, const char *type)
{
	return strncmp(segment.text + starts[line] + 9, type, strlen(type)) == 0;
}

/* What is remembered of the first `count` lines, or NULL: they are no segment. */
static char *
memory_of(const size_t *starts, size_t count)
{
	struct outcome outcome = read_back(segment.text, starts[count]);

	if (outcome.rc == 0)
		return outcome.memory;
	free(outcome.memory);
	return NULL;
}

static void
reads_what_was_written(void **state)
{
	(void)state;
	sample_each_kind(&segment);
	sample_gaps(&segment);
	assert_reads("settled=9 items=0 stored=3 bytes=14 skipped=1 missing=1 ");
	assert_reads("  gap 1 to 1 missing=1 since=1795358000000000 count=1 known=0\n"
	             "  gap 2 to 2 missing=1 since=1795358000000000 count=1 known=1\n"
	             "  gap 8 to 8 missing=1 since=1795359000000000 count=1 known=0\n");
	assert_reads("synced=42 stored=40 next=44 records=20\n"
	             "tail seq=42 n=6 size=9 dumps/name-42\n"
	             "tail seq=43 n=7 size=0 status/name-43\n");
}

static void
passes_over_added_fields(void **state)
{
	struct outcome plain, added;

	(void)state;
	sample_each_kind(&segment);
	sample_gaps(&segment);
	plain = read_back(segment.text, segment.len);
	add_fields();
	assert_non_null(memmem(segment.text, segment.len, " void 41 colour=1 ", 18));
	added = read_back(segment.text, segment.len);
	if (added.rc < 0)
		fail_msg("%s", added.why.text);
	assert_int_equal(added.replay.good_bytes, segment.len);
	assert_string_equal(added.memory, plain.memory);
	free(plain.memory);
	free(added.memory);
}

/* The state's last line, which is the `state_end`-th of the segment, ends what must be whole. */
static void
cut_at_any_byte(size_t state_end)
{
	size_t starts[LINES_MAX], count = find_lines(starts), line = 0, first = 0;
	char *before[LINES_MAX + 1];

	for (size_t i = 0; i <= count; i++) {
		before[i] = memory_of(starts, i);
		if (!before[i])
			first = i + 1;
	}
	assert_int_equal(first, state_end);
	for (size_t len = 0; len <= segment.len; len++) {
		struct outcome outcome;
		while (line < count && starts[line + 1] <= len)
			line++;
		outcome = read_back(segment.text, len);
		if (line < first) {
			assert_damaged(outcome, NAME);
			continue;
		}
		assert_int_equal(outcome.rc, 0);
		assert_string_equal(outcome.memory, before[line]);
		assert_int_equal(outcome.replay.good_bytes, starts[line]);
		assert_int_equal(outcome.replay.torn_bytes, len - starts[line]);
		free(outcome.memory);
	}
	for (size_t i = 0; i <= count; i++)
		free(before[i]);
}

static void
cuts_a_tail_torn_at_any_byte(void **state)
{
	(void)state;
	sample_each_kind(&segment);
	sample_gaps(&segment);
	cut_at_any_byte(5);
}

/* A queue with an item, that is forgotten; and comes back, with another one, if `again`. */
static void
make_forgotten(int again)
{
	sample_begin(&segment, 40);
	sample_queue(&segment, 3);
	sample_state(&segment);
	sample_accept(&segment, 40, 3, "status", "name-40", "forty");
	sample_mark(&segment, 40, 40);
	sample_settled(&segment, 4);
	sample_forget(&segment, 4);
	if (!again)
		return;
	sample_queue(&segment, 9);
	sample_accept(&segment, 41, 9, "status", "name-41", "forty-one");
	sample_settled(&segment, 10);
}

static void
knows_a_forgotten_queue_no_more(void **state)
{
	struct outcome outcome;

	(void)state;
	make_forgotten(0);
	cut_at_any_byte(3);
	outcome = read_back(segment.text, segment.len);
	assert_int_equal(outcome.rc, 0);
	assert_string_equal(outcome.memory, "synced=40 stored=40 next=41 records=7\n");
	free(outcome.memory);
}

/* From the mark that it said: nothing is missing before it, and nothing counted. */
static void
knows_a_forgotten_queue_that_came_back(void **state)
{
	(void)state;
	make_forgotten(1);
	cut_at_any_byte(3);
	assert_reads(SAMPLE_CLIENT " " SAMPLE_QUEUE
	             " settled=10 items=0 stored=1 bytes=9 skipped=0 missing=0 ");
	assert_reads("tail seq=41 n=9 size=9 status/name-41\n");
}

/* A receiver writes no such record: what the tail stands on stays. */
static void
forgets_no_queue_with_an_item_in_the_tail(void **state)
{
	(void)state;
	make_forgotten(1);
	sample_forget(&segment, 10);
	sample_void(&segment, 41);
	cut_at_any_byte(3);
	assert_reads(" settled=10 items=0 stored=0 ");
	/* One that is not known, and one in the state, with an item. */
	sample_begin(&segment, 40);
	sample_queue(&segment, 3);
	sample_accept(&segment, 38, 3, "status", "name-38", "thirty-eight");
	sample_forget(&segment, 3);
	sample_state(&segment);
	sample_forget(&segment, 3);
	assert_reads("synced=0 stored=0 next=40 records=6\n");
}

/* Line `bad` was damaged: a mark behind it is proof that it once was whole, in version 2 if it
 * says that the accept is stored which is due there.  Where its LF went, the next line went with
 * it. */
static int
is_vouched_for(const size_t *starts, size_t count, size_t bad, int lost_end)
{
	struct record record;
	uint64_t due = 40; /* the begin record's */

	for (size_t i = 5; i < bad; i++)
		due += (uint64_t)is_of_type(starts, i, "accept");
	for (size_t i = bad + 1 + (size_t)lost_end; i < count; i++) {
		if (!is_of_type(starts, i, "mark"))
			continue;
		assert_int_equal(record_parse(segment.text + starts[i],
		    starts[i + 1] - starts[i] - 1, &record), 0);
		if (sample_version == 1 || record.stored >= due)
			return 1;
	}
	return 0;
}

static void
believe_no_flipped_bit(uint64_t version)
{
	size_t starts[LINES_MAX], count, line = 0;
	char *before[LINES_MAX + 1], where[64];

	sample_version = version;
	sample_each_kind(&segment);
	sample_gaps(&segment);
	count = find_lines(starts);
	for (size_t i = 0; i <= count; i++)
		before[i] = memory_of(starts, i);
	for (size_t at = 0; at < segment.len; at++) {
		int is_end = segment.text[at] == '\n';
		while (starts[line + 1] <= at)
			line++;
		snprintf(where, sizeof where, "ledger/" NAME ":%zu:", line + 1);
		for (int bit = 0; bit < 8; bit++) {
			struct outcome outcome;
			segment.text[at] ^= (char)(1 << bit);
			outcome = read_back(segment.text, segment.len);
			segment.text[at] ^= (char)(1 << bit);
			if (!before[line] || is_vouched_for(starts, count, line, is_end)) {
				assert_damaged(outcome, where);
				continue;
			}
			if (outcome.rc < 0)
				fail_msg("byte %zu bit %d: %s", at, bit, outcome.why.text);
			assert_string_equal(outcome.memory, before[line]);
			assert_int_equal(outcome.replay.good_bytes, starts[line]);
			assert_int_equal(outcome.replay.torn_bytes, segment.len - starts[line]);
			free(outcome.memory);
		}
	}
	for (size_t i = 0; i <= count; i++)
		free(before[i]);
}

static void
believes_no_flipped_bit(void **state)
{
	(void)state;
	believe_no_flipped_bit(1);
	believe_no_flipped_bit(2);
}

/* In version 2 the first mark says nothing of accept 40, and the second one does. */
static void
names_the_damaged_line_and_the_mark_behind(void **state)
{
	size_t starts[LINES_MAX];

	(void)state;
	for (sample_version = 1; sample_version <= 2; sample_version++) {
		sample_each_kind(&segment);
		sample_gaps(&segment);
		assert_true(find_lines(starts) > 13);
		segment.text[starts[6] + 20] ^= 1;
		assert_damaged(read_back(segment.text, segment.len), ":7: a damaged record");
		assert_damaged(read_back(segment.text, segment.len),
		    sample_version == 1 ? "the mark in line 9 " : "the mark in line 14 ");
	}
}

/* A line that is missing as a whole, which no checksum tells. */
static void
cuts_before_a_missing_accept_that_no_mark_vouches_for(void **state)
{
	static const struct {
		uint64_t stored;
		int is_damage;
	} marks[] = {{9, 0}, {10, 0}, {11, 1}, {12, 1}};

	(void)state;
	for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
		struct outcome outcome;
		size_t good;
		sample_begin(&segment, 10);
		sample_state(&segment);
		sample_accept(&segment, 10, 1, "status", "a", "a");
		good = segment.len;
		sample_accept(&segment, 12, 3, "status", "c", "c");
		sample_mark(&segment, 12, marks[i].stored);
		outcome = read_back(segment.text, segment.len);
		if (marks[i].is_damage) {
			assert_damaged(outcome, ":4: accepts 11 to 11 are missing before it");
			continue;
		}
		assert_int_equal(outcome.rc, 0);
		assert_int_equal(outcome.replay.good_bytes, good);
		assert_int_equal(outcome.replay.next_seq, 11);
		free(outcome.memory);
	}
}

/* From version 2 on a void takes a number that no accept had; before, that is damage. */
static void
takes_a_void_for_an_accept_that_never_was(void **state)
{
	(void)state;
	for (sample_version = 1; sample_version <= 2; sample_version++) {
		sample_begin(&segment, 10);
		sample_state(&segment);
		sample_accept(&segment, 10, 1, "status", "a", "a");
		sample_void(&segment, 11);
		sample_accept(&segment, 12, 3, "status", "c", "c");
		sample_mark(&segment, 12, 12);
		if (sample_version == 2)
			assert_reads("synced=12 stored=12 next=13 records=6\n");
		else
			assert_damaged(read_back(segment.text, segment.len),
			    ":4: accepts 11 to 11 are missing before it");
	}
	/* It is given to nobody else. */
	sample_version = 2;
	sample_begin(&segment, 10);
	sample_state(&segment);
	sample_void(&segment, 10);
	sample_accept(&segment, 10, 1, "status", "a", "a");
	sample_accept(&segment, 11, 2, "status", "b", "b");
	sample_mark(&segment, 11, 11);
	assert_damaged(
	    read_back(segment.text, segment.len), ":4: a record that cannot stand there");
}

/* What is known by its first name stays so: its client was told that one. */
static void
knows_a_renamed_item_by_its_first_name(void **state)
{
	struct record record = {.type = RECORD_RENAMED, .seq = 10, .name = "b"};

	(void)state;
	sample_begin(&segment, 10);
	sample_state(&segment);
	sample_accept(&segment, 10, 1, "status", "a", "a");
	sample_add(&segment, &record);
	assert_reads(" status a\n");
	assert_reads("next=11 records=4\ntail seq=10 n=1 size=1 status/a\n");
	record.seq = 11;
	sample_add(&segment, &record);
	sample_mark(&segment, 11, 11);
	assert_damaged(
	    read_back(segment.text, segment.len), ":5: accepts 11 to 11 are missing before it");
}

/* A start has to know which journal goes with it, and all that no mark covers, by number. */
static void
tells_which_journal_goes_with_it(void **state)
{
	struct clients *clients = clients_new();
	struct replay replay;
	struct why why;

	(void)state;
	for (sample_version = 1; sample_version <= 2; sample_version++) {
		sample_begin(&segment, 10);
		sample_state(&segment);
		sample_accept(&segment, 10, 1, "status", "a", "a");
		sample_accept(&segment, 11, 2, "status", "b", "b");
		sample_accept(&segment, 12, 3, "status", "c", "c");
		sample_void(&segment, 11);
		sample_mark(&segment, 12, 10);
		assert_int_equal(pwrite(fileno(file), segment.text, segment.len, 0),
		    (ssize_t)segment.len);
		assert_int_equal(ftruncate(fileno(file), (off_t)segment.len), 0);
		assert_int_equal(replay_segment(fileno(file), NAME, clients, &replay, &why), 0);
		assert_int_equal(replay.version, sample_version);
		assert_string_equal(replay.journal, sample_version == 1 ? "" : SAMPLE_JOURNAL);
		assert_int_equal(replay.first_seq, 10);
		assert_null(replay_find(&replay, 10));
		assert_int_equal(replay_find(&replay, 11)->is_void, 1);
		assert_int_equal(replay_find(&replay, 12)->is_void, 0);
		assert_null(replay_find(&replay, 13));
		replay_free(&replay);
	}
	clients_free(clients);
}

static void
wants_a_begin_record_of_its_version(void **state)
{
	struct record record = {.type = RECORD_BEGIN, .version = RECORD_VERSION + 1, .seq = 1};

	(void)state;
	assert_damaged(read_back("", 0), ": ends within its state");
	assert_damaged(read_back("\n", 1), NAME ":1: want a begin record");
	segment.len = 0;
	sample_mark(&segment, 1, 1);
	assert_damaged(read_back(segment.text, segment.len), NAME ":1: want a begin record");
	segment.len = 0;
	sample_state(&segment);
	assert_damaged(read_back(segment.text, segment.len), NAME ":1: want a begin record");
	segment.len = 0;
	sample_add(&segment, &record);
	sample_state(&segment);
	assert_damaged(read_back(segment.text, segment.len),
	    "has version 3; this program reads versions up to 2");
	sample_begin(&segment, 1);
	sample_queue(&segment, 1);
	assert_damaged(read_back(segment.text, segment.len), ": ends within its state");
}

/* Lines longer than any record, and than the buffer that they are read with. */
static void
counts_an_over_long_line_as_torn_or_damage(void **state)
{
	static const size_t lengths[] = {
	    RECORD_LINE_MAX, 65535, 65536, 65537, 131072, 200000, 70000 - 1};
	static char text[256 * 1024];

	(void)state;
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		struct outcome outcome;
		size_t len, whole;
		sample_begin(&segment, 1);
		sample_state(&segment);
		sample_mark(&segment, 0, 0);
		whole = segment.len;
		memcpy(text, segment.text, whole);
		memset(text + whole, 'x', lengths[i]);
		len = whole + lengths[i];
		text[len++] = '\n';
		sample_begin(&segment, 1);
		segment.len = 0;
		sample_accept(&segment, 1, 1, "status", "behind", "it");
		memcpy(text + len, segment.text, segment.len);
		len += segment.len;
		outcome = read_back(text, len);
		assert_int_equal(outcome.rc, 0);
		assert_int_equal(outcome.replay.good_bytes, whole);
		assert_int_equal(outcome.replay.torn_bytes, len - whole);
		assert_null(strstr(outcome.memory, "behind"));
		free(outcome.memory);
		segment.len = 0;
		sample_mark(&segment, 1, 1);
		memcpy(text + len, segment.text, segment.len);
		assert_damaged(read_back(text, len + segment.len), NAME ":4: a damaged record");
	}
}

/* A whole record may lie across the end of the buffer that it is read with. */
static void
reads_records_across_any_buffer(void **state)
{
	static char text[512 * 1024];
	struct outcome outcome;
	size_t len, n = 0;

	(void)state;
	sample_begin(&segment, 1);
	sample_queue(&segment, 1);
	sample_state(&segment);
	len = segment.len;
	memcpy(text, segment.text, len);
	while (len < sizeof text - RECORD_LINE_MAX) {
		segment.len = 0;
		n++;
		sample_accept(&segment, n, n, "status", "name", "x");
		memcpy(text + len, segment.text, segment.len);
		len += segment.len;
	}
	outcome = read_back(text, len);
	assert_int_equal(outcome.rc, 0);
	assert_int_equal(outcome.replay.next_seq, n + 1);
	assert_int_equal(outcome.replay.records, n + 3);
	assert_int_equal(outcome.replay.good_bytes, len);
	free(outcome.memory);
}

static void
begin(void)
{
	sample_begin(&segment, 10);
	sample_queue(&segment, 1);
	sample_state(&segment);
}

static void
counts_accept_numbers_on(void **state)
{
	(void)state;
	sample_version = 1;
	begin();
	assert_reads("synced=9 stored=9 next=10 "); /* all before it was */
	sample_version = 2;
	begin();
	assert_reads("synced=0 stored=0 next=10 "); /* the journal knows */
	sample_accept(&segment, 10, 1, "status", "a", "a");
	sample_accept(&segment, 11, 2, "status", "b", "b");
	sample_void(&segment, 11);
	/* A void number is not given again. */
	assert_reads("synced=0 stored=0 next=12 ");
	/* Those of the state are older than the segment. */
	sample_begin(&segment, 100);
	sample_queue(&segment, 1);
	sample_accept(&segment, 7, 1, "status", "old", "a");
	sample_state(&segment);
	assert_reads("items=1 stored=0 bytes=0 ");
	assert_reads("synced=0 stored=0 next=100 records=4\n");
}

static void
forgets_what_is_void(void **state)
{
	(void)state;
	begin();
	sample_accept(&segment, 10, 1, "status", "first", "same");
	sample_accept(&segment, 11, 2, "status", "other", "other");
	sample_void(&segment, 10);
	assert_reads("items=1 stored=1 bytes=5 ");
	assert_reads("n=2 skip=0 seq=11 ");
	/* Accepted once more under another name: a second void of the first one
	 * must not take the second. */
	sample_accept(&segment, 12, 1, "status", "second", "same");
	sample_void(&segment, 10);
	assert_reads("items=2 stored=2 bytes=9 ");
	assert_reads("tail seq=11 n=2 size=5 status/other\n"
	             "tail seq=12 n=1 size=4 status/second\n");
	/* Settled and sent again while the first one hangs in the air. */
	sample_settled(&segment, 2);
	sample_accept(&segment, 13, 1, "status", "third", "same");
	sample_void(&segment, 12);
	assert_reads("n=1 skip=0 seq=13 ");
	sample_void(&segment, 13);
	sample_accept(&segment, 14, 3, "status", "fourth", "4");
	assert_reads("tail seq=11 n=2 size=5 status/other\n"
	             "tail seq=14 n=3 size=1 status/fourth\n");
}

static void
takes_what_a_mark_says_is_stored_from_the_tail(void **state)
{
	(void)state;
	begin();
	sample_accept(&segment, 10, 1, "status", "a", "a");
	sample_accept(&segment, 11, 2, "status", "b", "b");
	sample_mark(&segment, 11, 9);
	assert_reads("synced=11 stored=9 next=12 records=6\ntail seq=10 ");
	sample_accept(&segment, 12, 3, "status", "c", "c");
	sample_mark(&segment, 12, 11);
	assert_reads("synced=12 stored=11 next=13 records=8\ntail seq=12 ");
	sample_mark(&segment, 12, 12);
	sample_void(&segment, 12); /* stored is stored */
	assert_reads("items=3 stored=3 bytes=3 ");
	assert_reads("synced=12 stored=12 next=13 records=10\n");
}

static void
settles_and_skips_as_it_was_told(void **state)
{
	(void)state;
	begin();
	sample_skip(&segment, 2);
	sample_skip(&segment, 2);
	sample_accept(&segment, 10, 3, "status", "c", "c");
	sample_skip(&segment, 3);
	sample_accept(&segment, 11, 8, "status", "h", "h");
	assert_reads("settled=1 items=2 stored=2 bytes=2 skipped=1 missing=0 ");
	sample_settled(&segment, 6);
	assert_reads("settled=6 items=1 stored=2 bytes=2 skipped=1 missing=3 ");
	sample_settled(&segment, 4);
	assert_reads("settled=6 items=1 stored=2 bytes=2 skipped=1 missing=3 ");
	/* It was missing, and is so no more; what is settled otherwise is not skipped. */
	sample_skip(&segment, 5);
	sample_skip(&segment, 5);
	sample_skip(&segment, 3);
	assert_reads("settled=6 items=1 stored=2 bytes=2 skipped=2 missing=2 ");
	/* Settled while it still hangs in the air: known no more, still to finish. */
	sample_settled(&segment, 9);
	assert_reads("settled=9 items=0 stored=2 bytes=2 skipped=2 missing=4 ");
	assert_reads("tail seq=10 n=3 size=1 status/c\ntail seq=11 n=8 size=1 status/h\n");
	sample_void(&segment, 11);
	assert_reads("settled=9 items=0 stored=1 bytes=1 skipped=2 missing=4 ");
}

static void
counts_numbers_that_are_used_again(void **state)
{
	(void)state;
	begin();
	sample_accept(&segment, 10, 3, "status", "c", "c");
	sample_accept(&segment, 11, 3, "status", "other", "bytes");
	assert_reads("stored=2 bytes=6 skipped=0 missing=0 reused=1 ");
	sample_void(&segment, 11);
	assert_reads("stored=1 bytes=1 skipped=0 missing=0 reused=0 ");
	sample_settled(&segment, 5);
	sample_accept(&segment, 12, 3, "status", "again", "c");
	sample_accept(&segment, 13, 4, "status", "never", "seen");
	sample_accept(&segment, 14, 5, "status", "new", "one");
	assert_reads("stored=4 bytes=9 skipped=0 missing=2 reused=1 ");
}

static void
takes_figures_of_a_queue_from_the_state_only(void **state)
{
	struct record record = {.type = RECORD_QUEUE, .settled = 4,
	    .figures = {{.seen = 5000000, .backlog = {.pending = 3}},
	        {.stored = 20, .stored_bytes = 300, .skipped = 2, .missing = 1}}};

	(void)state;
	sample_begin(&segment, 10);
	sample_add(&segment, &record);
	sample_state(&segment);
	sample_accept(&segment, 10, 4, "status", "a", "four");
	record.figures.tally = (struct tally){0};
	record.figures.hello.backlog.pending = 9;
	sample_add(&segment, &record);
	assert_reads("settled=4 items=1 stored=21 bytes=304 skipped=2 missing=1 reused=0 "
	             "seen=5000000 ");
	assert_reads("pending=9 ");
	/* A queue seen for the first time begins where its client says. */
	sample_begin(&segment, 1);
	sample_state(&segment);
	sample_queue(&segment, 500);
	sample_settled(&segment, 501);
	assert_reads("settled=501 items=0 stored=0 bytes=0 skipped=0 missing=1 ");
}

static void
says_which_read_failed(void **state)
{
	struct clients *clients = clients_new();
	struct why why;
	struct replay replay;

	(void)state;
	assert_int_equal(replay_segment(-1, NAME, clients, &replay, &why), -1);
	assert_int_equal(errno, EBADF);
	assert_non_null(strstr(why.text, "ledger/" NAME ": "));
	replay_free(&replay);
	clients_free(clients);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(reads_what_was_written),
	    TEST(passes_over_added_fields),
	    TEST(cuts_a_tail_torn_at_any_byte),
	    TEST(knows_a_forgotten_queue_no_more),
	    TEST(knows_a_forgotten_queue_that_came_back),
	    TEST(forgets_no_queue_with_an_item_in_the_tail),
	    TEST(believes_no_flipped_bit),
	    TEST(names_the_damaged_line_and_the_mark_behind),
	    TEST(cuts_before_a_missing_accept_that_no_mark_vouches_for),
	    TEST(takes_a_void_for_an_accept_that_never_was),
	    TEST(knows_a_renamed_item_by_its_first_name),
	    TEST(tells_which_journal_goes_with_it),
	    TEST(wants_a_begin_record_of_its_version),
	    TEST(counts_an_over_long_line_as_torn_or_damage),
	    TEST(reads_records_across_any_buffer),
	    TEST(counts_accept_numbers_on),
	    TEST(forgets_what_is_void),
	    TEST(takes_what_a_mark_says_is_stored_from_the_tail),
	    TEST(settles_and_skips_as_it_was_told),
	    TEST(counts_numbers_that_are_used_again),
	    TEST(takes_figures_of_a_queue_from_the_state_only),
	    TEST(says_which_read_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
