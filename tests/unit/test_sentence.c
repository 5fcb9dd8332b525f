/* SPDX-License-Identifier: ISC */
/* The receiver in one line. */
#include "inboxd/sentence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *
said(struct sentence sentence)
{
	static char text[SENTENCE_ROOM];

	sentence_print(&sentence, text);
	return text;
}

static void
what_it_does_is_said(void **state)
{
	(void)state;
	assert_string_equal(said((struct sentence){.connections = 812, .stored = 3200000,
	                        .in_flight = 3, .unpublished = 14}),
	    "Serving 812 connections; 3.2M items stored, 3 in flight, 14 waiting to be published");
	assert_string_equal(
	    said((struct sentence){.state = SENTENCE_DRAINING, .connections = 1, .stored = 1}),
	    "Stopping: 1 connection; 1 item stored, 0 in flight, 0 waiting to be published");
	assert_string_equal(said((struct sentence){.state = SENTENCE_PAUSED}),
	    "Paused, items are put off: 0 connections; 0 items stored, 0 in flight, "
	    "0 waiting to be published");
}

static void
what_is_wrong_comes_first(void **state)
{
	(void)state;
	assert_string_equal(said((struct sentence){.trouble = "Disk full: new items are put off"}),
	    "Disk full: new items are put off. Serving 0 connections; 0 items stored, "
	    "0 in flight, 0 waiting to be published");
}

static void
large_numbers_have_a_unit(void **state)
{
	static const struct {
		uint64_t count;
		const char *text;
	} rows[] = {{9999, "9999"}, {10000, "10.0k"}, {123456, "123.4k"}, {999999, "999.9k"},
	    {1000000, "1.0M"}, {3270000000, "3.2G"}, {UINT64_MAX, "18.4E"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *text = said((struct sentence){.stored = rows[i].count});

		assert_non_null(strstr(text, "; "));
		text = strstr(text, "; ") + 2;
		assert_int_equal(strcspn(text, " "), strlen(rows[i].text));
		assert_memory_equal(text, rows[i].text, strlen(rows[i].text));
	}
}

static void
long_trouble_is_cut(void **state)
{
	static char trouble[2 * SENTENCE_ROOM];

	(void)state;
	memset(trouble, 'x', sizeof trouble - 1);
	assert_int_equal(
	    strlen(said((struct sentence){.trouble = trouble})), SENTENCE_ROOM - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_does_is_said),
	    cmocka_unit_test(what_is_wrong_comes_first),
	    cmocka_unit_test(large_numbers_have_a_unit),
	    cmocka_unit_test(long_trouble_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
