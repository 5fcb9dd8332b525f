/* SPDX-License-Identifier: ISC */
/* lib/table: what a terminal is shown, in two locales, at any width. */
#include "config.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/table.h"

static int
in_utf8(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static int
in_c(void **state)
{
	(void)state;
	return setlocale(LC_CTYPE, "C") ? 0 : -1;
}

static void
assert_plain(const char *text, const char *want, size_t columns)
{
	char *plain = table_plain_copy(text);

	assert_non_null(plain);
	assert_string_equal(plain, want);
	assert_int_equal(table_width(plain), columns);
	free(plain);
}

static void
without_a_locale_only_ascii_stands_for_itself(void **state)
{
	(void)state;
	assert_plain("a b~", "a b~", 4);
	assert_plain("", "", 0);
	assert_plain("\x1b[31mred\xff\x7f\n", "%1B[31mred%FF%7F%0A", 19);
	assert_plain("Br\xc3\xbc", "Br%C3%BC", 8);
}

static void
in_utf8_names_stand_as_written_and_none_can_steer(void **state)
{
	(void)state;
	assert_plain("Br\xc3\xbc\x63ke", "Br\xc3\xbc\x63ke", 6);
	assert_plain("\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", 4); /* two wide ones */
	assert_plain("e\xcc\x81", "e\xcc\x81", 1);                              /* and its accent */
	assert_plain("\x1b[31mred\xff\x7f\n", "%1B[31mred%FF%7F%0A", 19);
	/* C1's CSI; right-to-left override; no-width joiner; a surrogate; overlong; cut short. */
	assert_plain("\xc2\x9b" "31m", "%C2%9B31m", 9);
	assert_plain("a\xe2\x80\xae" "b", "a%E2%80%AEb", 11);
	assert_plain("a\xe2\x80\x8d" "b", "a%E2%80%8Db", 11);
	assert_plain("\xed\xa0\x80", "%ED%A0%80", 9);
	assert_plain("\xc0\xaf", "%C0%AF", 6);
	assert_plain("\xe6\x97", "%E6%97", 6);
}

static void
assert_name(const char *escaped, const char *want)
{
	char *plain = table_name_copy(escaped);

	assert_non_null(plain);
	assert_string_equal(plain, want);
	free(plain);
}

static void
a_name_is_shown_as_it_was_written(void **state)
{
	(void)state;
	assert_name("", "");
	assert_name("a%20b.txt", "a b.txt");
	assert_name("100%25%20Br%C3%BC", "100% Br\xc3\xbc");
	assert_name("a%1B[31m%0A", "a%1B[31m%0A");
	assert_name("a%FFb", "a%FFb");
	/* Not of our escaping, or no text: as it stands. */
	assert_name("a%2", "a%2");
	assert_name("a%00b", "a%00b");
}

static void
assert_put(const char *plain, size_t width, const char *want)
{
	char text[256];
	FILE *out = fmemopen(text, sizeof text, "w");

	assert_non_null(out);
	size_t columns = table_put(out, plain, width);
	fclose(out);
	assert_string_equal(text, want);
	if (width > 0)
		assert_true(columns <= width);
	assert_int_equal(columns, table_width(want));
}

static void
a_text_is_cut_at_the_width_and_says_so(void **state)
{
	(void)state;
	assert_put("abcdef", 0, "abcdef");
	assert_put("abcdef", 6, "abcdef");
	assert_put("abcdef", 5, "abcd~");
	assert_put("abcdef", 1, "~");
}

static void
a_wide_character_is_cut_whole(void **state)
{
	(void)state;
	assert_put("\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac");
	assert_put("\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5\xe2\x80\xa6");
	assert_put("\xe6\x97\xa5\xe6\x9c\xac", 2, "\xe2\x80\xa6");
	/* An accent goes with its letter. */
	assert_put("ae\xcc\x81" "b", 3, "ae\xcc\x81" "b");
	assert_put("ae\xcc\x81" "bc", 3, "ae\xcc\x81\xe2\x80\xa6");
}

/* Two rows below a head. */
static void
assert_table(const struct screen *screen, const char *want)
{
	static const char *const names[] = {"NAME", "SIZE", "FOLDER", "N"};
	struct table table;
	char text[1024];
	FILE *out = fmemopen(text, sizeof text, "w");

	assert_non_null(out);
	table_head(&table, "lrLr", names);
	table_add(&table, "status");
	table_add(&table, "1.0 MiB");
	table_add(&table, "/var/lib/inboxd/status");
	table_add(&table, "7");
	table_add(&table, "x");
	table_add(&table, "-");
	table_tint(&table, TINT_WARN);
	table_add(&table, "/srv");
	table_add(&table, "1234567");
	table_print(&table, out, screen);
	assert_int_equal(table_free(&table), 0);
	fclose(out);
	assert_string_equal(text, want);
}

static void
a_table_fits_the_screen_and_is_never_folded(void **state)
{
	(void)state;
	assert_table(&(struct screen){0, 0},
	    "NAME       SIZE  FOLDER                        N\n"
	    "status  1.0 MiB  /var/lib/inboxd/status        7\n"
	    "x             -  /srv                    1234567\n");
	assert_table(&(struct screen){40, 0},
	    "NAME       SIZE  FOLDER                N\n"
	    "status  1.0 MiB  /var/lib/inbo~        7\n"
	    "x             -  /srv            1234567\n");
	/* The flexible one is at its least; a number is never cut, but left out. */
	assert_table(&(struct screen){37, 0},
	    "NAME       SIZE  FOLDER\n"
	    "status  1.0 MiB  /var/lib/inboxd/sta~\n"
	    "x             -  /srv\n");
	assert_table(&(struct screen){33, 0},
	    "NAME       SIZE  FOLDER\n"
	    "status  1.0 MiB  /var/lib/inboxd~\n"
	    "x             -  /srv\n");
	/* What is left is for some of the first that has no room. */
	assert_table(&(struct screen){26, 0},
	    "NAME       SIZE  FOLDER\n"
	    "status  1.0 MiB  /var/lib~\n"
	    "x             -  /srv\n");
	assert_table(&(struct screen){20, 0},
	    "NAME       SIZE\n"
	    "status  1.0 MiB\n"
	    "x             -\n");
}

static void
every_width_holds_all_lines(void **state)
{
	static const char *const names[] = {"A", "B", "C"};
	char text[4096];
	int lines = 0;

	(void)state;
	for (unsigned width = 20; width < 120; width++) {
		struct table table;
		FILE *out = fmemopen(text, sizeof text, "w");
		assert_non_null(out);
		table_head(&table, "LlL", names);
		table_add(&table, "a name of some length that has to be cut");
		table_add(&table, "b\xc3\xbc" "b");
		table_add(&table, "\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5");
		table_print(&table, out, &(struct screen){width, 0});
		assert_int_equal(table_free(&table), 0);
		fclose(out);
		for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			assert_true(table_width(line) <= width);
			lines++;
		}
	}
	assert_int_equal(lines, 2 * 100);
}

static void
colours_are_there_where_the_screen_has_them(void **state)
{
	(void)state;
	assert_table(&(struct screen){0, 1},
	    "\x1b[1mNAME\x1b[0m       \x1b[1mSIZE\x1b[0m  \x1b[1mFOLDER\x1b[0m                  "
	    "      \x1b[1mN\x1b[0m\n"
	    "status  1.0 MiB  /var/lib/inboxd/status        7\n"
	    "x             \x1b[33m-\x1b[0m  /srv                    1234567\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(without_a_locale_only_ascii_stands_for_itself, in_c),
	    cmocka_unit_test_setup(in_utf8_names_stand_as_written_and_none_can_steer, in_utf8),
	    cmocka_unit_test_setup(a_name_is_shown_as_it_was_written, in_utf8),
	    cmocka_unit_test_setup(a_text_is_cut_at_the_width_and_says_so, in_c),
	    cmocka_unit_test_setup(a_wide_character_is_cut_whole, in_utf8),
	    cmocka_unit_test_setup(a_table_fits_the_screen_and_is_never_folded, in_c),
	    cmocka_unit_test_setup(every_width_holds_all_lines, in_utf8),
	    cmocka_unit_test_setup(colours_are_there_where_the_screen_has_them, in_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
