/* SPDX-License-Identifier: ISC */
/*
 * The ledger read from outside while the receiver writes it, rotates and deletes; and
 * what is not good of it, of which the receiver's start must say the same.
 */
#include "config.h"

#include "inboxctl/root/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/why.h"
#include "sample.h"

#define OLD "20261122T141101.000000Z.log"
#define NEW "20261122T151101.000000Z.log"
#define NEWER "20261122T161101.000000Z.log"

static char folder[64];
static int dir;
static struct sample old, new;

/* What the receiver does between our reading of a file and our look at the folder. */
static void (*meanwhile)(void);

DIR *__real_disk_list(int dirfd);
DIR *__wrap_disk_list(int dirfd);

DIR *
__wrap_disk_list(int dirfd)
{
	void (*act)(void) = meanwhile;

	if (act) {
		meanwhile = NULL;
		act();
	}
	return __real_disk_list(dirfd);
}

static void
add_item(struct sample *segment, uint64_t seq)
{
	char name[32];

	snprintf(name, sizeof name, "name-%u", (unsigned)seq);
	sample_accept(segment, seq, seq, "status", name, name);
	sample_mark(segment, seq, seq);
}

static void
add_end(struct sample *segment, const char *next)
{
	struct record end = {.type = RECORD_END};

	snprintf(end.name, sizeof end.name, "%s", next);
	sample_add(segment, &end);
}

static void
save(const char *name, const struct sample *segment)
{
	sample_write(dir, name, segment->text, segment->len);
}

/* What inboxctl has told, line by line, and that it need not wait for a writer. */
static char told[4096];
static size_t told_len;

void __wrap_complain(const char *format, ...);

void
__wrap_complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(told + told_len, sizeof told - told_len, format, args);
	va_end(args);
	told_len = strlen(told);
	snprintf(told + told_len, sizeof told - told_len, "\n");
	told_len = strlen(told);
}

int __wrap_nanosleep(const struct timespec *span, struct timespec *left);

int
__wrap_nanosleep(const struct timespec *span, struct timespec *left)
{
	(void)span, (void)left;
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	told_len = 0;
	told[0] = '\0';
	dir = sample_make_folder(folder);
	meanwhile = NULL;
	sample_begin(&old, 1);
	sample_state(&old);
	add_item(&old, 1);
	save(OLD, &old);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(dir);
	sample_remove_folder(folder);
	return 0;
}

/* The accepts to come are these, and nothing is wrong with them. */
static void
assert_accepts(struct segments *segments, uint64_t first, uint64_t last)
{
	uint64_t seq = first;
	struct record record;
	int rc;

	while ((rc = segments_next(segments, &record)) == 1) {
		if (record.type != RECORD_ACCEPT)
			continue;
		assert_int_equal(record.seq, seq);
		seq++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(seq, last + 1);
	assert_int_equal(segments_damage(segments), 0);
	assert_int_equal(segments_next(segments, &record), 0);
}

static struct segments *
open_behind_first_item(void)
{
	struct segments *segments = segments_open(dir, "");
	struct record record;

	assert_non_null(segments);
	do
		assert_int_equal(segments_next(segments, &record), 1);
	while (record.type != RECORD_MARK);
	return segments;
}

/* ---- the tests */

static void
write_and_rotate(void)
{
	add_item(&old, 2);
	add_end(&old, NEW);
	save(OLD, &old);
	sample_begin(&new, 3);
	sample_state(&new);
	add_item(&new, 3);
	save(NEW, &new);
}

static void
misses_nothing_written_before_a_rotation(void **state)
{
	struct segments *segments = open_behind_first_item();

	(void)state;
	meanwhile = write_and_rotate;
	assert_accepts(segments, 2, 3);
	assert_null(meanwhile);
	segments_close(segments);
}

static void
write_on(void)
{
	add_item(&old, 2);
	save(OLD, &old);
}

/* What comes after the last look is for the next time, not half of it. */
static void
ends_where_nothing_follows(void **state)
{
	struct segments *segments = open_behind_first_item();

	(void)state;
	meanwhile = write_on;
	assert_accepts(segments, 2, 1);
	segments_close(segments);
}

static void
rotate_and_delete(void)
{
	write_and_rotate();
	add_end(&new, NEWER);
	save(NEW, &new);
	sample_begin(&new, 4);
	sample_state(&new);
	save(NEWER, &new);
	assert_int_equal(unlinkat(dir, OLD, 0), 0);
	assert_int_equal(unlinkat(dir, NEW, 0), 0);
}

/* The receiver deletes the oldest first, so who followed a deleted one may be gone, too. */
static void
calls_nothing_missing_that_expired(void **state)
{
	struct segments *segments = open_behind_first_item();

	(void)state;
	meanwhile = rotate_and_delete;
	assert_accepts(segments, 2, 2); /* the open one is read to its end */
	segments_close(segments);
}

static void
tells_a_missing_successor(void **state)
{
	struct segments *segments;
	struct record record;

	(void)state;
	write_and_rotate();
	assert_int_equal(unlinkat(dir, NEW, 0), 0);
	segments = segments_open(dir, "");
	assert_non_null(segments);
	while (segments_next(segments, &record) == 1)
		;
	assert_int_equal(segments_damage(segments), 1);
	segments_close(segments);
}

/* ---- what is not good, for both readers */

/* Who reads on behind damage reads no accept twice, nor one that is not there. */
static uint64_t
read_all(uint64_t *damage)
{
	struct segments *segments = segments_open(dir, "");
	struct record record;
	uint64_t records = 0, seq = 0;
	int rc;

	assert_non_null(segments);
	told_len = 0;
	told[0] = '\0';
	while ((rc = segments_next(segments, &record)) == 1) {
		records++;
		if (record.type != RECORD_ACCEPT || segments_in_state(segments))
			continue;
		assert_true(record.seq > seq && record.seq < 1000);
		seq = record.seq;
	}
	assert_int_equal(rc, 0);
	*damage = segments_damage(segments);
	segments_close(segments);
	return records;
}

/* The bytes are all of the ledger: the two must say the same of them, and it is given. */
static const char *
compare(const char *text, size_t len)
{
	struct clients *clients = clients_new();
	char torn[64];
	struct why why = {""};
	struct replay replay;
	uint64_t damage, records;
	int fd, rc;

	sample_write(dir, OLD, text, len);
	fd = openat(dir, OLD, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	rc = replay_segment(fd, OLD, clients, &replay, &why);
	close(fd);
	records = read_all(&damage);
	if (rc < 0) {
		assert_true(damage > 0);
		assert_memory_equal(told, &why, strlen(why.text));
		assert_int_equal(told[strlen(why.text)], '\n');
	} else if (replay.torn_bytes > 0) {
		snprintf(torn, sizeof torn, ": torn: the last %u bytes were",
		    (unsigned)replay.torn_bytes);
		assert_non_null(strstr(told, torn));
	} else {
		assert_string_equal(told, "");
	}
	if (rc == 0) {
		assert_int_equal(damage, 0);
		assert_int_equal(records, replay.records);
	}
	replay_free(&replay);
	clients_free(clients);
	return told;
}

static void
agrees_with_a_start_on_every_cut_and_bit(void **state)
{
	struct sample sample;

	(void)state;
	sample_each_kind(&sample);
	assert_string_equal(compare(sample.text, sample.len), "");
	for (size_t len = 0; len < sample.len; len++)
		(void)compare(sample.text, len);
	for (size_t at = 0; at < sample.len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			sample.text[at] ^= (char)(1 << bit);
			assert_string_not_equal(compare(sample.text, sample.len), "");
			sample.text[at] ^= (char)(1 << bit);
		}
	}
}

/* Where line `number`, from 1, begins. */
static size_t
line_at(const struct sample *sample, int number)
{
	const char *at = sample->text;

	while (--number > 0)
		at = (const char *)memchr(at, '\n', sample->len - (size_t)(at - sample->text)) + 1;
	return (size_t)(at - sample->text);
}

/* Puts line `number` of the sample before line `before`, or (0) nowhere; with `stays`, a
 * copy of it. */
static const char *
move_line(int number, int before, int stays)
{
	static struct sample moved;
	struct sample sample;
	size_t at, end;

	sample_each_kind(&sample);
	at = line_at(&sample, number);
	end = line_at(&sample, number + 1);
	moved.len = 0;
	for (int i = 1; i <= 17; i++) {
		size_t from = i == 17 ? sample.len : line_at(&sample, i);
		size_t to = i >= 16 ? sample.len : line_at(&sample, i + 1);
		if (i == before)
			sample_text(&moved, sample.text + at, end - at);
		if (i != number || stays)
			sample_text(&moved, sample.text + from, to - from);
	}
	return compare(moved.text, moved.len);
}

/* What a bad line may have held is not told as missing, and what is torn has no mark behind
 * it, whatever stood before. */
static void
tells_what_one_bad_line_is_once(void **state)
{
	struct sample sample;
	char torn[96];
	size_t last;

	(void)state;
	sample_each_kind(&sample);
	for (int line = 5; line <= 7; line++) {
		size_t at = line_at(&sample, line) + 12;
		sample.text[at] ^= 1;
		(void)compare(sample.text, sample.len);
		assert_ptr_equal(strchr(told, '\n'), told + told_len - 1);
		sample.text[at] ^= 1;
	}
	last = line_at(&sample, 16);
	sample.text[line_at(&sample, 7) + 12] ^= 1;
	sample.text[last + 12] ^= 1;
	snprintf(torn, sizeof torn, OLD ":16: torn: the last %u bytes",
	    (unsigned)(sample.len - last));
	assert_non_null(strstr(compare(sample.text, sample.len), torn));
	/* Behind a bad line of the state half a line, which nobody goes on writing. */
	sample_begin(&sample, 1);
	sample_text(&sample, "bad\nhalf", 8);
	assert_non_null(strstr(compare(sample.text, sample.len), ":2: a damaged record within"));
}

static void
try_move(int line, int before, int stays, const char *wanted)
{
	const char *tells = move_line(line, before, stays);

	if (!strstr(tells, wanted) || (!wanted[0] && tells[0]))
		fail_msg("line %d before %d: want \"%s\" in \"%s\"", line, before, wanted, tells);
}

/* The sample is: 1 begin 40, 2 queue, 3 accept 38, 4 skip, 5 state, 6 queue, 7 accept 40,
 * 8 accept 41, 9 mark 41, 10 skip, 11 settled, 12 void 41, 13 accept 42, 14 mark 42,
 * 15 accept 43, 16 settled. */
static void
agrees_with_a_start_on_missing_and_moved_records(void **state)
{
	static const struct {
		int line, before, stays;
		const char *tells;
	} moves[] = {
	    {1, 0, 0, OLD ":1: want a begin record"},
	    {2, 0, 0, ""},
	    {5, 0, 0, OLD ":6: the state's last record is missing before it"},
	    {7, 0, 0, OLD ":7: accepts 40 to 40 are missing before it, and the mark in line 8 "},
	    {8, 0, 0, OLD ":8: accepts 41 to 41 are missing before it, and the mark in line 8 "},
	    {13, 0, 0, OLD ":13: accepts 42 to 42 are missing before it, and the mark in line "},
	    {14, 0, 0, ""},
	    {1, 6, 1, OLD ":6: a record that cannot stand there, and the mark in line 10 "},
	    {1, 17, 1, OLD ":17: torn"},
	    {5, 7, 1, OLD ":7: a record that cannot stand there, and the mark in line 10 "},
	    {7, 9, 1, OLD ":9: a record that cannot stand there, and the mark in line 10 "},
	    {8, 7, 0, OLD ":7: accepts 40 to 40 are missing before it, and the mark"},
	    {9, 5, 0, OLD ":5: the state's last record is missing before it"},
	    {7, 3, 1, OLD ":3: the state's last record is missing before it"},
	    {12, 8, 0, OLD ":8: accepts 41 to 41 are missing before it, and the mark"},
	    {15, 7, 1, OLD ":7: accepts 40 to 42 are missing before it, and the mark"},
	    {15, 17, 1, OLD ":17: torn"},
	};

	(void)state;
	sample_version = 1;
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
		try_move(moves[i].line, moves[i].before, moves[i].stays, moves[i].tells);
	sample_version = RECORD_VERSION;
}

/* Where the marks say that accepts up to 39, and in line 14 up to 40, are stored. */
static void
agrees_with_a_start_on_what_marks_of_version_2_vouch_for(void **state)
{
	static const struct {
		int line, before, stays;
		const char *tells;
	} moves[] = {
	    {1, 0, 0, OLD ":1: want a begin record"},
	    {5, 0, 0, OLD ":6: the state's last record is missing before it"},
	    {7, 0, 0, OLD ":7: accepts 40 to 40 are missing before it, and the mark in line 13 "},
	    {8, 0, 0, OLD ":8: torn"},
	    {13, 0, 0, OLD ":13: torn"},
	    {14, 0, 0, ""},
	    {1, 6, 1, OLD ":6: a record that cannot stand there, and the mark in line 15 "},
	    {7, 9, 1, OLD ":9: torn"},
	    {15, 7, 1, OLD ":7: accepts 40 to 42 are missing before it, and the mark in line 15 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
		try_move(moves[i].line, moves[i].before, moves[i].stays, moves[i].tells);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(misses_nothing_written_before_a_rotation),
	    T(ends_where_nothing_follows),
	    T(calls_nothing_missing_that_expired),
	    T(tells_a_missing_successor),
	    T(agrees_with_a_start_on_every_cut_and_bit),
	    T(tells_what_one_bad_line_is_once),
	    T(agrees_with_a_start_on_missing_and_moved_records),
	    T(agrees_with_a_start_on_what_marks_of_version_2_vouch_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
