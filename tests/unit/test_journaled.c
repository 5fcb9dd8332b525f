/* SPDX-License-Identifier: ISC */
/*
 * The journal read from outside while the receiver writes it: what is wrong is believed when it
 * has been read again, and not for ever.  What lib/journal.h reads is played here, reading by
 * reading.
 */
#include "config.h"

#include "inboxctl/root/journaled.h"

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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxctl/root/root.h"
#include "sample.h"

/* ---- what is played */

/* One reading; the last one stays. */
struct reading {
	enum journal_found found;
	uint64_t number, published, durable;
	uint64_t frames[4];   /* their seqs, up to 0 */
	uint64_t damaged;     /* one of them */
	struct journal_hole hole; /* until 0: none */
};

static const struct reading *readings;
static size_t reads, reading_count, naps;

void __wrap_journal_read(struct journal *journal, int dir, const char *root);

void
__wrap_journal_read(struct journal *journal, int dir, const char *root)
{
	const struct reading *now =
	    &readings[reads < reading_count ? reads : reading_count - 1];

	(void)root;
	reads++;
	assert_true(dir >= 0);
	memset(journal, 0, sizeof *journal);
	journal->found = now->found;
	if (now->found != JOURNAL_READ && now->found != JOURNAL_NONE)
		why_say(&journal->why, "journal/0002 is strange");
	journal->head.number = journal->highest = now->number;
	journal->head.published = now->published;
	journal->head.durable = now->durable;
	journal->frames = calloc(4, sizeof *journal->frames);
	journal->holes = calloc(1, sizeof *journal->holes);
	assert_non_null(journal->frames);
	assert_non_null(journal->holes);
	for (; journal->count < 4 && now->frames[journal->count] != 0; journal->count++) {
		struct journal_frame *frame = &journal->frames[journal->count];
		frame->seq = now->frames[journal->count];
		frame->is_damaged = frame->seq == now->damaged;
		frame->segment = 3;
		frame->offset = 4096;
		frame->crc = 0x12ab;
	}
	journal->holes[0] = now->hole;
	journal->hole_count = now->hole.until != 0;
}

/* What stands in the frame, of which the caller has the size. */
static char frame_line[RECORD_LINE_MAX + 1];
static const char *frame_item;
static int frame_errno;

int __wrap_journal_read_frame(int dir, const struct journal_frame *frame, char *record, void *item);

int
__wrap_journal_read_frame(int dir, const struct journal_frame *frame, char *record, void *item)
{
	(void)dir;
	errno = frame_errno;
	if (frame_errno != 0)
		return -1;
	memcpy(record, frame_line, strlen(frame_line) + 1);
	if (item)
		memcpy(item, frame_item, frame->item_size);
	return 0;
}

int __wrap_nanosleep(const struct timespec *span, struct timespec *left);

int
__wrap_nanosleep(const struct timespec *span, struct timespec *left)
{
	(void)span, (void)left;
	naps++;
	return 0;
}

static char told[4096];

void __wrap_complain(const char *format, ...);

void
__wrap_complain(const char *format, ...)
{
	size_t len = strlen(told);
	va_list args;

	va_start(args, format);
	vsnprintf(told + len, sizeof told - len, format, args);
	va_end(args);
	len = strlen(told);
	snprintf(told + len, sizeof told - len, "\n");
}

/* ---- the root */

static char folder[64];
static struct root root = {.id = "0123456789abcdef0123456789abcdef", .ledger = -1};
static struct journaled journaled;

static void
play(const struct reading *list, size_t count)
{
	readings = list;
	reading_count = count;
	reads = naps = 0;
	told[0] = '\0';
	journaled_open(&journaled, &root);
}

#define PLAY(list) play(list, sizeof(list) / sizeof((list)[0]))

static int
setup(void **state)
{
	(void)state;
	root.fd = sample_make_folder(folder);
	frame_errno = 0;
	return mkdirat(root.fd, JOURNAL_FOLDER, 0700);
}

static int
teardown(void **state)
{
	(void)state;
	close(root.fd);
	sample_remove_folder(folder);
	return 0;
}

/* ---- tests */

static void
a_whole_one_is_read_once(void **state)
{
	static const struct reading list[] = {
	    {.found = JOURNAL_READ, .number = 7, .published = 2, .durable = 3, .frames = {3, 5}}};

	(void)state;
	PLAY(list);
	assert_int_equal(reads, 1);
	assert_int_equal(naps, 0);
	assert_true(journaled_is_there(&journaled));
	assert_int_equal(journaled.published, 2);
	assert_true(journaled_has_published(&journaled, 2));
	assert_false(journaled_has_published(&journaled, 3));
	assert_true(journaled_has_draft(&journaled, 3));
	assert_false(journaled_has_draft(&journaled, 4));
	assert_int_equal(journaled_find(&journaled, 3)->seq, 3);
	assert_null(journaled_find(&journaled, 4));
	assert_int_equal(journaled_find(&journaled, 5)->seq, 5);
	assert_int_equal(journaled_next(&journaled, 0)->seq, 3);
	assert_int_equal(journaled_next(&journaled, 3)->seq, 5);
	assert_null(journaled_next(&journaled, 5));
	assert_false(journaled_misses(&journaled, 4));
	assert_int_equal(journaled_tell(&journaled), 0);
	assert_string_equal(told, "");
	journaled_close(&journaled);
}

static void
none_is_no_damage(void **state)
{
	static const struct reading list[] = {{.found = JOURNAL_NONE}};

	(void)state;
	PLAY(list);
	assert_int_equal(reads, 1);
	assert_false(journaled_is_there(&journaled));
	assert_false(journaled_has_published(&journaled, 0));
	assert_false(journaled_has_draft(&journaled, 0));
	assert_int_equal(journaled_tell(&journaled), 0);
	journaled_close(&journaled);
	assert_int_equal(unlinkat(root.fd, JOURNAL_FOLDER, AT_REMOVEDIR), 0);
	/* What reads is not asked for what is not there... */
	assert_int_equal(symlinkat("elsewhere", root.fd, JOURNAL_FOLDER), 0);
	PLAY(list);
	assert_int_equal(reads, 0);
	assert_int_equal(journaled_tell(&journaled), 1);
	assert_non_null(strstr(told, "journal: "));
	journaled_close(&journaled);
}

static void
what_is_just_being_written_is_no_damage(void **state)
{
	static const struct reading list[] = {
	    {.found = JOURNAL_READ, .number = 7, .frames = {3, 5}, .damaged = 5},
	    {.found = JOURNAL_READ, .number = 8, .frames = {3}, .hole = {3, 5}},
	    {.found = JOURNAL_DAMAGED},
	    {.found = JOURNAL_READ, .number = 9, .published = 3, .frames = {5}},
	};

	(void)state;
	PLAY(list);
	assert_int_equal(reads, 4);
	assert_int_equal(naps, 3);
	assert_int_equal(journaled_tell(&journaled), 0);
	assert_int_equal(journaled.published, 3);
	journaled_close(&journaled);
}

static void
what_stays_damaged_is_told_with_its_place(void **state)
{
	static const struct reading list[] = {
	    {.found = JOURNAL_READ, .number = 7, .published = 2, .frames = {3, 5}, .damaged = 5,
	        .hole = {5, 8}}};

	(void)state;
	PLAY(list);
	assert_int_equal(reads, 2);
	assert_null(journaled_find(&journaled, 5));
	assert_int_equal(journaled_next(&journaled, 3)->seq, 5);
	for (uint64_t seq = 1; seq < 11; seq++)
		assert_int_equal(journaled_misses(&journaled, seq), seq >= 5 && seq <= 8);
	assert_int_equal(journaled_tell(&journaled), 2);
	assert_string_equal(told,
	    "journal/0003: the frame of accept 5 at byte 4096 is damaged: its CRC-32C should be "
	    "000012ab\n"
	    "journal: a batch is missing or damaged: accepts 6 to 8 may have had their frames "
	    "there\n");
	journaled_close(&journaled);
}

static void
a_strange_one_is_told_and_says_nothing(void **state)
{
	static const struct reading list[] = {{.found = JOURNAL_STRANGER}};
	static const struct reading part[] = {
	    {.found = JOURNAL_DAMAGED, .number = 7, .published = 2, .frames = {3}}};

	(void)state;
	PLAY(list);
	assert_false(journaled_is_there(&journaled));
	assert_int_equal(journaled_tell(&journaled), 1);
	assert_string_equal(told, "journal/0002 is strange\n");
	journaled_close(&journaled);
	/* A segment is missing: the others have what they have. */
	PLAY(part);
	assert_true(journaled_is_there(&journaled));
	assert_non_null(journaled_find(&journaled, 3));
	assert_int_equal(journaled_tell(&journaled), 1);
	journaled_close(&journaled);
}

static void
reading_again_has_an_end(void **state)
{
	struct reading list[20];

	(void)state;
	/* Something is always wrong, and always something else. */
	for (size_t i = 0; i < 20; i++)
		list[i] = (struct reading){.found = JOURNAL_READ, .number = i + 1, .frames = {3},
		    .damaged = 3};
	PLAY(list);
	assert_int_equal(reads, 5);
	assert_true(journaled_again(&journaled));
	assert_true(reads > 5 && reads <= 10);
	journaled_close(&journaled);
}

static void
again_says_whether_the_receiver_has_gone_on(void **state)
{
	static const struct reading list[] = {
	    {.found = JOURNAL_READ, .number = 7, .frames = {3}},
	    {.found = JOURNAL_READ, .number = 7, .frames = {3}},
	    {.found = JOURNAL_READ, .number = 8, .published = 3},
	};

	(void)state;
	PLAY(list);
	assert_false(journaled_again(&journaled));
	assert_true(journaled_again(&journaled));
	assert_false(journaled_again(&journaled));
	assert_true(journaled_has_published(&journaled, 3));
	/* What it was at first stays known: the ledger was read after that. */
	assert_int_equal(journaled.published, 0);
	for (int i = 0; i < 1000; i++)
		assert_false(journaled_again(&journaled));
	assert_true(reads < 200);
	journaled_close(&journaled);
}

static void
a_frame_is_an_accept_of_its_number_or_none(void **state)
{
	static const struct reading list[] = {
	    {.found = JOURNAL_READ, .number = 7, .frames = {3}}};
	struct record record = sample_accept_record(9, "bytes"), found;
	struct journal_frame frame = {.seq = 3, .has_item = 1, .item_size = 5};
	void *item;

	(void)state;
	PLAY(list);
	record.seq = 3;
	frame.record_size = (uint32_t)record_format(&record, frame_line);
	frame_item = "bytes";
	assert_int_equal(journaled_read(&journaled, &frame, &found, &item), 0);
	assert_memory_equal(item, "bytes", 5);
	assert_true(journaled_is_same(&found, &record));
	assert_true(journaled_is_item(&found, item, 5));
	assert_false(journaled_is_item(&found, item, 4));
	assert_false(journaled_is_item(&found, "bites", 5));
	free(item);
	assert_int_equal(journaled_read(&journaled, &frame, &found, NULL), 0);
	frame.has_item = 0;
	assert_int_equal(journaled_read(&journaled, &frame, &found, &item), 0);
	assert_null(item);
	frame.seq = 4;
	assert_int_equal(journaled_read(&journaled, &frame, &found, NULL), -1);
	assert_int_equal(errno, EBADMSG);
	frame.seq = 3;
	frame_line[20] ^= 1;
	assert_int_equal(journaled_read(&journaled, &frame, &found, NULL), -1);
	assert_int_equal(errno, EBADMSG);
	frame_errno = EIO;
	frame.has_item = 1;
	assert_int_equal(journaled_read(&journaled, &frame, &found, &item), -1);
	assert_int_equal(errno, EIO);
	journaled_close(&journaled);
}

static void
two_records_are_of_one_item_if_all_says_so(void **state)
{
	struct record a = sample_accept_record(9, "bytes"), b;

	(void)state;
	a.seq = 3;
	b = a;
	b.sent = 7; /* a copy lacks it */
	b.hint[0] = '\0';
	assert_true(journaled_is_same(&a, &b));
#define DIFFERS(change) \
	do { \
		b = a; \
		change; \
		assert_false(journaled_is_same(&a, &b)); \
	} while (0)
	DIFFERS(b.seq++);
	DIFFERS(b.n++);
	DIFFERS(b.size++);
	DIFFERS(b.sha256[31] ^= 1);
	DIFFERS(b.identity[0] ^= 1);
	DIFFERS(b.queue[0] ^= 1);
	DIFFERS(b.inbox[0] ^= 1);
	DIFFERS(b.name[0] ^= 1);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(a_whole_one_is_read_once),
	    T(none_is_no_damage),
	    T(what_is_just_being_written_is_no_damage),
	    T(what_stays_damaged_is_told_with_its_place),
	    T(a_strange_one_is_told_and_says_nothing),
	    T(reading_again_has_an_end),
	    T(again_says_whether_the_receiver_has_gone_on),
	    T(a_frame_is_an_accept_of_its_number_or_none),
	    T(two_records_are_of_one_item_if_all_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
