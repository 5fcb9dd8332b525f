/* SPDX-License-Identifier: ISC */
/* How fast we send: evenly, and as fast as is said; by a clock that is only a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inboxq/uplink/pace.h"

#define SECOND INT64_C(1000000)
#define SECONDS 10

/* Sends all that it may, in pieces of up to `piece` bytes, for some seconds; what went in all.  No
 * tenth of a second may have more than `most`. */
static uint64_t
send_for_seconds(struct pace *pace, int64_t begin, size_t piece, uint64_t most)
{
	uint64_t tenths[10 * SECONDS] = {0}, all = 0;
	int64_t now = begin;
	unsigned wakes = 0;

	while (now < begin + SECONDS * SECOND) {
		size_t room;

		while ((room = pace_room(pace, now))) {
			size_t bytes = room < piece ? room : piece;

			pace_take(pace, bytes);
			all += bytes;
			tenths[(now - begin) / (SECOND / 10)] += bytes;
		}
		assert_true(pace_wait(pace) > 0);
		now += pace_wait(pace) + 300; /* the loop is never quite in time */
		wakes++;
	}
	for (size_t i = 0; i < 10 * SECONDS; i++)
		assert_true(tenths[i] <= most);
	assert_true(wakes <= 25 * SECONDS);
	return all;
}

static void
sends_evenly_and_as_fast_as_is_said(void **state)
{
	static const struct {
		uint64_t rate;
		size_t piece;
	} rows[] = {{1 << 20, 1 << 20}, {1 << 20, 300}, {4096, 65536}, {1000003, 777},
	    {UINT64_C(1) << 33, 1 << 18}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pace pace = {.rate = rows[i].rate};
		uint64_t rate = rows[i].rate, all;

		all = send_for_seconds(&pace, 77 * SECOND, rows[i].piece,
		    rate / 4 + 4 * PACE_LEAST);
		assert_in_range(all, SECONDS * rate * 98 / 100, SECONDS * rate * 102 / 100 + 2048);
	}
}

static void
makes_up_for_nothing(void **state)
{
	struct pace pace = {.rate = 1 << 20};
	size_t first;

	(void)state;
	first = pace_room(&pace, 1000 * SECOND);
	assert_in_range(first, PACE_LEAST, (1 << 20) / 10);
	pace_take(&pace, first);
	assert_int_equal(pace_room(&pace, 1000 * SECOND), 0);
	assert_in_range(pace_room(&pace, 5000 * SECOND), PACE_LEAST, (1 << 20) / 10);
	/* But what was beyond it is made up for. */
	pace_take(&pace, 2 << 20);
	assert_int_equal(pace_room(&pace, 5000 * SECOND + 1), 0);
	assert_in_range(pace_wait(&pace), SECOND * 18 / 10, SECOND * 22 / 10);
}

static void
holds_nobody_where_there_is_no_bound(void **state)
{
	struct pace pace = {0};

	(void)state;
	pace_take(&pace, SIZE_MAX);
	assert_int_equal(pace_room(&pace, 0), SIZE_MAX);
	assert_int_equal(pace_wait(&pace), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sends_evenly_and_as_fast_as_is_said),
	    cmocka_unit_test(makes_up_for_nothing),
	    cmocka_unit_test(holds_nobody_where_there_is_no_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
