/* SPDX-License-Identifier: ISC */
/* inboxctl/rates: two samples, and what went on between them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "inboxctl/screens/rates.h"

#define CLOSE(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)

static struct sample from, to;
static struct rates rates;

static int
begin(void **state)
{
	(void)state;
	memset(&from, 0, sizeof from);
	from.since = 1000;
	from.pid = 4711;
	from.at = 5000000;
	struct rates_buckets *buckets = &from.histograms[RATES_ACKNOWLEDGE];
	*buckets = (struct rates_buckets){4, {0.001, 0.01, 0.1, 1}, {10, 20, 20, 20}, 25};
	to = from;
	to.at += 2000000;
	return 0;
}

static void
rates_are_a_second(void **state)
{
	(void)state;
	from.counters[RATES_STORED] = 7;
	to.counters[RATES_STORED] = 107;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	CLOSE(rates.seconds, 2);
	CLOSE(rates.per_second[RATES_STORED], 50);
	CLOSE(rates.per_second[RATES_LATER], 0);
}

static void
samples_of_two_lives_are_not_compared(void **state)
{
	(void)state;
	to.since++;
	assert_int_equal(rates_between(&from, &to, &rates), -1);
	to.since--;
	to.pid++;
	assert_int_equal(rates_between(&from, &to, &rates), -1);
	to.pid--;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	to.at = from.at;
	assert_int_equal(rates_between(&from, &to, &rates), -1);
	to.at++;
	from.counters[RATES_LATER] = 1;
	assert_int_equal(rates_between(&from, &to, &rates), -1);
}

static void
assert_quantile(const struct rates_quantile *quantile, enum rates_known known, double value)
{
	assert_int_equal(quantile->known, known);
	CLOSE(quantile->value, value);
}

static void
quantiles_are_of_what_came_in_between(void **state)
{
	(void)state;
	struct rates_buckets *buckets = &to.histograms[RATES_ACKNOWLEDGE];

	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_UNKNOWN, 0);
	/* 100 more, all of them between 0.01 and 0.1: the 50th lies in the middle. */
	buckets->below[2] += 100;
	buckets->below[3] += 100;
	buckets->all += 100;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_KNOWN, 0.01 + 0.09 * 0.5);
	assert_quantile(&rates.most[RATES_ACKNOWLEDGE], RATES_KNOWN, 0.01 + 0.09 * 0.99);
	/* And 100 of up to 0.001: the first bucket begins at 0. */
	for (int i = 0; i < 4; i++)
		buckets->below[i] += 100;
	buckets->all += 100;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_KNOWN, 0.001);
	assert_quantile(&rates.most[RATES_ACKNOWLEDGE], RATES_KNOWN, 0.01 + 0.09 * 0.98);
}

static void
values_above_all_bounds_are_told_as_such(void **state)
{
	(void)state;
	to.histograms[RATES_ACKNOWLEDGE].all += 10;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_ABOVE, 1);
	assert_quantile(&rates.most[RATES_ACKNOWLEDGE], RATES_ABOVE, 1);
	/* Half of them are not. */
	for (int i = 2; i < 4; i++)
		to.histograms[RATES_ACKNOWLEDGE].below[i] += 5;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_KNOWN, 0.1);
	assert_quantile(&rates.most[RATES_ACKNOWLEDGE], RATES_ABOVE, 1);
}

static void
nonsense_is_not_known(void **state)
{
	(void)state;
	struct rates_buckets *buckets = &to.histograms[RATES_ACKNOWLEDGE];

	buckets->all += 10;
	buckets->bounds[1] = 0.02;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_UNKNOWN, 0);
	buckets->bounds[1] = 0.01;
	buckets->count = 3;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_UNKNOWN, 0);
	buckets->count = 4;
	buckets->below[1]--;
	assert_int_equal(rates_between(&from, &to, &rates), 0);
	assert_quantile(&rates.half[RATES_ACKNOWLEDGE], RATES_UNKNOWN, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(rates_are_a_second, begin),
	    cmocka_unit_test_setup(samples_of_two_lives_are_not_compared, begin),
	    cmocka_unit_test_setup(quantiles_are_of_what_came_in_between, begin),
	    cmocka_unit_test_setup(values_above_all_bounds_are_told_as_such, begin),
	    cmocka_unit_test_setup(nonsense_is_not_known, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
