/* SPDX-License-Identifier: ISC */
/* The ledger read from outside while the receiver writes it, rotates and deletes. */
#include "config.h"

#include "inboxctl/segments.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

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

static int
setup(void **state)
{
	(void)state;
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
	struct segments *segments = segments_open(dir);
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
	segments = segments_open(dir);
	assert_non_null(segments);
	while (segments_next(segments, &record) == 1)
		;
	assert_int_equal(segments_damage(segments), 1);
	segments_close(segments);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
