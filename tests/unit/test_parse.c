/* SPDX-License-Identifier: ISC */
/* Numbers, sizes, times and names, strictly. */
#include "lib/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

typedef int parser(const char *s, size_t len, uint64_t *out);

static int
parse_any(const char *s, size_t len, uint64_t *out)
{
	return parse_u64(s, len, UINT64_MAX, out);
}

static void
assert_refused(parser *parse, const char *s)
{
	uint64_t value = 77;

	if (parse(s, strlen(s), &value) == 0)
		fail_msg("took \"%s\" as %llu", s, (unsigned long long)value);
	assert_int_equal(value, 77);
}

static void
assert_reads(parser *parse, const char *s, uint64_t want)
{
	uint64_t value = 77;

	if (parse(s, strlen(s), &value) < 0)
		fail_msg("refused \"%s\"", s);
	assert_int_equal(value, want);
}

static void
reads_numbers(void **state)
{
	(void)state;
	assert_reads(parse_any, "0", 0);
	assert_reads(parse_any, "7", 7);
	assert_reads(parse_any, "9223372036854775807", INT64_MAX);
	assert_reads(parse_any, "9999999999999999999", UINT64_C(9999999999999999999));
}

static void
refuses_what_is_no_number(void **state)
{
	static const char *const wrong[] = {"", " ", "-1", "+1", " 1", "1 ", "00", "01", "1a", "a",
	    "0x10", "1.0", "10000000000000000000", "/", ":", "1\n"};
	uint64_t value = 77;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(parse_any, wrong[i]);
	assert_int_equal(parse_u64("1\0", 2, 9, &value), -1);
	assert_int_equal(parse_u64("10", 2, 9, &value), -1);
	assert_int_equal(value, 77);
	assert_int_equal(parse_u64("9", 1, 9, &value), 0);
}

static void
reads_no_further_than_told(void **state)
{
	uint64_t value;
	struct timespec when;

	(void)state;
	assert_int_equal(parse_u64("123", 2, 99, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(parse_size("12K", 2, &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(parse_time("20261122T141103.123456Z", 22, &when), -1);
	assert_int_equal(is_plain_name("ab/", 2, 9), 1);
	assert_int_equal(is_hex("abg", 2, 2), 1);
}

static void
reads_sizes(void **state)
{
	static const char *const wrong[] = {"", "K", "1k", "1KB", "1 K", "1KK", "01K", "-1K", "1P",
	    "1.5M", "18014398509481984K", "17179869184G", "16777216T", "99999999999T", "1m"};

	(void)state;
	assert_reads(parse_size, "0", 0);
	assert_reads(parse_size, "0T", 0);
	assert_reads(parse_size, "300", 300);
	assert_reads(parse_size, "64K", 65536);
	assert_reads(parse_size, "64M", UINT64_C(64) << 20);
	assert_reads(parse_size, "1G", UINT64_C(1) << 30);
	assert_reads(parse_size, "2T", UINT64_C(2) << 40);
	assert_reads(parse_size, "16777215T", UINT64_C(16777215) << 40);
	assert_reads(parse_size, "18014398509481983K", UINT64_C(18014398509481983) << 10);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(parse_size, wrong[i]);
}

static void
reads_seconds(void **state)
{
	static const char *const wrong[] = {"", "s", "1S", "1w", "1h30m", "1 h", "5M",
	    "9999999999999999999m", "213503982334602d"};

	(void)state;
	assert_reads(parse_seconds, "0", 0);
	assert_reads(parse_seconds, "90", 90);
	assert_reads(parse_seconds, "90s", 90);
	assert_reads(parse_seconds, "5m", 300);
	assert_reads(parse_seconds, "24h", 86400);
	assert_reads(parse_seconds, "90d", 7776000);
	assert_reads(parse_seconds, "213503982334601d", UINT64_C(213503982334601) * 86400);
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(parse_seconds, wrong[i]);
}

static void
prints_the_shortest_text(void **state)
{
	static const struct {
		uint64_t value;
		const char *size, *seconds;
	} rows[] = {
	    {0, "0", "0"},
	    {1, "1", "1"},
	    {60, "60", "1m"},
	    {90, "90", "90"},
	    {1023, "1023", "1023"},
	    {1024, "1K", "1024"},
	    {1536, "1536", "1536"},
	    {3600, "3600", "1h"},
	    {86400, "86400", "1d"},
	    {172800, "172800", "2d"},
	    {1048576, "1M", "1048576"},
	    {UINT64_C(1) << 30, "1G", "1073741824"},
	    {UINT64_C(1) << 40, "1T", "1099511627776"},
	    {UINT64_C(16777215) << 40, "16777215T", "307445716236632064m"},
	};
	char text[PARSE_TEXT_ROOM];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_size(text, rows[i].value);
		assert_string_equal(text, rows[i].size);
		assert_reads(parse_size, text, rows[i].value);
		print_seconds(text, rows[i].value);
		assert_string_equal(text, rows[i].seconds);
		assert_reads(parse_seconds, text, rows[i].value);
	}
	print_size(text, UINT64_MAX);
	assert_string_equal(text, "18446744073709551615");
}

static void
prints_times(void **state)
{
	static const struct {
		struct timespec when;
		const char *text;
	} rows[] = {
	    {{0, 0}, "19700101T000000.000000Z"},
	    {{0, 999999999}, "19700101T000000.999999Z"},
	    {{951782399, 1000}, "20000228T235959.000001Z"},
	    {{951782400, 0}, "20000229T000000.000000Z"},
	    {{1795356663, 123456789}, "20261122T141103.123456Z"},
	    {{4107542399, 0}, "21000228T235959.000000Z"},
	    {{4107542400, 0}, "21000301T000000.000000Z"},
	    {{-1, 0}, "19691231T235959.000000Z"},
	    {{-62167219200, 0}, "00000101T000000.000000Z"},
	    {{253402300799, 999999000}, "99991231T235959.999999Z"},
	};
	char text[PRINT_TIME_ROOM];
	struct timespec back;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		print_time(text, &rows[i].when);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(parse_time(text, strlen(text), &back), 0);
		assert_int_equal(back.tv_sec, rows[i].when.tv_sec);
		assert_int_equal(back.tv_nsec, rows[i].when.tv_nsec / 1000 * 1000);
	}
	print_time(text, &(struct timespec){253402300800, 0});
	assert_string_equal(text, "99991231T235959.000000Z");
	print_time(text, &(struct timespec){-62167219201, 0});
	assert_string_equal(text, "00000101T000000.000000Z");
}

static void
knows_the_calendar_of_the_c_library(void **state)
{
	(void)state;
	/* each day of 2,000 years and some, at a time of day that moves */
	for (int64_t day = -400000; day < 400000; day++) {
		int64_t of_day = (day * 7919 % 86400 + 86400) % 86400;
		struct timespec when = {day * 86400 + of_day, 0}, back;
		char want[32], text[PRINT_TIME_ROOM];
		struct tm tm;

		assert_non_null(gmtime_r(&when.tv_sec, &tm));
		snprintf(want, sizeof want, "%04d%02d%02dT%02d%02d%02d.000000Z",
		    (tm.tm_year + 1900) % 10000, (tm.tm_mon + 1) % 100, tm.tm_mday % 100,
		    tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
		print_time(text, &when);
		if (strcmp(text, want) != 0)
			fail_msg("%s, want %s", text, want);
		if (parse_time(text, strlen(text), &back) < 0 || back.tv_sec != when.tv_sec)
			fail_msg("%s does not come back", text);
	}
}

static void
refuses_what_is_no_time(void **state)
{
	static const char *const wrong[] = {"", "20261122", "20261122T141103Z",
	    "20261122T141103.123456", "20261122T141103.123456ZZ", "20261122t141103.123456Z",
	    "20261122T141103.123456z", "20261122T141103,123456Z", "20261322T141103.123456Z",
	    "20260022T141103.123456Z", "20261100T141103.123456Z", "20261131T141103.123456Z",
	    "20260229T141103.123456Z", "21000229T141103.123456Z", "20261122T241103.123456Z",
	    "20261122T146003.123456Z", "20261122T141160.123456Z", "-0261122T141103.123456Z",
	    "2026112 T141103.123456Z", "20261122T141103.12345aZ"};
	struct timespec when = {77, 77};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		if (parse_time(wrong[i], strlen(wrong[i]), &when) == 0)
			fail_msg("took %s", wrong[i]);
	}
	assert_int_equal(when.tv_sec, 77);
}

static void
tells_plain_names(void **state)
{
	static const char *const right[] = {"a", "Z", "0", "a.b-c_d", "0.", "status"};
	static const char *const wrong[] = {"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a%b",
	    "\xc3\xa4", "a\n", "a\x7f", "a@b", "a[", "a`", "a{", "a:", "a,", ":a", "@a"};

	(void)state;
	for (size_t i = 0; i < COUNT(right); i++)
		assert_true(is_plain_name(right[i], strlen(right[i]), 64));
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_false(is_plain_name(wrong[i], strlen(wrong[i]), 64));
	assert_false(is_plain_name("a\0b", 3, 64));
	assert_true(is_plain_name("abcd", 4, 4));
	assert_false(is_plain_name("abcde", 5, 4));
}

static void
tells_hexadecimal(void **state)
{
	(void)state;
	assert_true(is_hex("0123456789abcdef", 16, 16));
	assert_false(is_hex("0123456789abcdef", 16, 15));
	assert_false(is_hex("0123456789abcde", 15, 16));
	assert_false(is_hex("0A", 2, 2));
	assert_false(is_hex("0g", 2, 2));
	assert_false(is_hex("0`", 2, 2));
	assert_false(is_hex("0:", 2, 2));
	assert_false(is_hex("/0", 2, 2));
	assert_false(is_hex("0\0", 2, 2));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_numbers),
	    cmocka_unit_test(refuses_what_is_no_number),
	    cmocka_unit_test(reads_no_further_than_told),
	    cmocka_unit_test(reads_sizes),
	    cmocka_unit_test(reads_seconds),
	    cmocka_unit_test(prints_the_shortest_text),
	    cmocka_unit_test(prints_times),
	    cmocka_unit_test(knows_the_calendar_of_the_c_library),
	    cmocka_unit_test(refuses_what_is_no_time),
	    cmocka_unit_test(tells_plain_names),
	    cmocka_unit_test(tells_hexadecimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
