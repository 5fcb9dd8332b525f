/* SPDX-License-Identifier: ISC */
/* The one escaping function: what goes in comes back, and nothing of it can
 * end a field or a line. */
#include "lib/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
escapes_what_could_end_a_field(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(escape_bytes(text, sizeof text, "a b%\n\0\x7f\xff~!", 10), 22);
	assert_string_equal(text, "a%20b%25%0A%00%7F%FF~!");
	assert_int_equal(escape_bytes(text, sizeof text, "", 0), 0);
	assert_string_equal(text, "");
}

static void
gives_every_byte_back(void **state)
{
	unsigned char all[256], back[256];
	char text[ESCAPE_ROOM(256)];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (unsigned char)i;
	len = escape_bytes(text, sizeof text, all, sizeof all);
	for (size_t i = 0; i < len; i++)
		assert_true(text[i] >= 0x21 && text[i] <= 0x7e);
	assert_int_equal(escape_decode(back, sizeof back, text, len), 256);
	assert_memory_equal(back, all, sizeof all);
	/* in place, too */
	assert_int_equal(escape_decode(text, sizeof text, text, len), 256);
	assert_memory_equal(text, all, sizeof all);
}

static void
cuts_at_a_whole_escape(void **state)
{
	static const char *const want[] = {
	    "", "", "a", "a", "a", "a%20", "a%20b", "a%20b", "a%20b", "a%20b%FF"};
	char text[16];

	(void)state;
	for (size_t room = 1; room < sizeof want / sizeof want[0]; room++) {
		memset(text, '#', sizeof text);
		assert_int_equal(
		    escape_bytes(text, room, "a b\xff", 4), strlen(want[room]));
		assert_string_equal(text, want[room]);
		for (size_t i = room; i < sizeof text; i++)
			assert_int_equal(text[i], '#');
	}
}

static void
cuts_nothing_from_a_later_place(void **state)
{
	char text[4];

	(void)state;
	/* "x" would fit, the escape before it does not: a cut text is a prefix */
	assert_int_equal(escape_bytes(text, 3, "\nx", 2), 0);
	assert_string_equal(text, "");
}

static void
refuses_what_no_escaping_wrote(void **state)
{
	static const char *const wrong[] = {"%", "%4", "a%", "%4g", "%g4", "%0a", "%0G",
	    "%G0", "%@0", "%0@", "%:0", "%0/", "%-1", "% 1",
	    "a b", "\x1f", "\x7f", "\x80", "tab\t", "%%41", "%+4"};
	unsigned char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(escape_decode(out, sizeof out, wrong[i], strlen(wrong[i])), -1);
	assert_int_equal(escape_decode(out, sizeof out, "a\0b", 3), -1);
}

static void
reads_no_further_than_told(void **state)
{
	unsigned char out[4];

	(void)state;
	assert_int_equal(escape_decode(out, sizeof out, "%41", 2), -1);
	assert_int_equal(escape_decode(out, sizeof out, "ab%41", 2), 2);
	assert_int_equal(escape_decode(out, sizeof out, "", 0), 0);
}

static void
decodes_no_more_than_there_is_room(void **state)
{
	unsigned char out[4] = {0, 0, 0, '#'};

	(void)state;
	assert_int_equal(escape_decode(out, 3, "%41bc", 5), 3);
	assert_memory_equal(out, "Abc#", 4);
	assert_int_equal(escape_decode(out, 3, "%41bcd", 6), -1);
	assert_int_equal(out[3], '#');
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(escapes_what_could_end_a_field),
	    cmocka_unit_test(gives_every_byte_back),
	    cmocka_unit_test(cuts_at_a_whole_escape),
	    cmocka_unit_test(cuts_nothing_from_a_later_place),
	    cmocka_unit_test(refuses_what_no_escaping_wrote),
	    cmocka_unit_test(reads_no_further_than_told),
	    cmocka_unit_test(decodes_no_more_than_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
