/* SPDX-License-Identifier: ISC */
/* Whether a folder may have changed, by its time, whatever the clock says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/seen.h"

#define YEAR 31536000

static struct stat
of_age(time_t seconds)
{
	return (struct stat){.st_mtim = {.tv_sec = time(NULL) - seconds, .tv_nsec = 5}};
}

static void
one_that_was_never_seen_differs(void **state)
{
	const struct seen seen = {.was_young = 0};
	struct stat st = of_age(YEAR);

	(void)state;
	assert_true(seen_may_differ(&seen, &st));
}

static void
one_that_was_young_may_differ_though_its_time_is_the_same(void **state)
{
	struct stat st = of_age(0), old = of_age(10);
	struct seen seen;

	(void)state;
	seen_note(&seen, &st);
	assert_true(seen_may_differ(&seen, &st));
	seen_note(&seen, &old);
	assert_false(seen_may_differ(&seen, &old));
}

static void
any_other_time_tells_of_a_change(void **state)
{
	struct stat st = of_age(10), other = st;
	struct seen seen;

	(void)state;
	seen_note(&seen, &st);
	other.st_mtim.tv_nsec--;
	assert_true(seen_may_differ(&seen, &other));
	other = st;
	other.st_mtim.tv_sec -= YEAR;
	assert_true(seen_may_differ(&seen, &other));
}

/* Else each look would be the first one, for a year. */
static void
one_of_the_future_is_not_young(void **state)
{
	struct stat st = of_age(-YEAR), now = of_age(0);
	struct seen seen;

	(void)state;
	seen_note(&seen, &st);
	assert_false(seen_may_differ(&seen, &st));
	assert_true(seen_may_differ(&seen, &now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_was_never_seen_differs),
	    cmocka_unit_test(one_that_was_young_may_differ_though_its_time_is_the_same),
	    cmocka_unit_test(any_other_time_tells_of_a_change),
	    cmocka_unit_test(one_of_the_future_is_not_young),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
