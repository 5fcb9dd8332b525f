/* SPDX-License-Identifier: ISC */
/* The clients that should come: what a file may say, and which files are read. */
#include "inboxd/base/expected.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "inboxd/base/imprint.h"

static struct expected *
parse(const char *text, struct why *why)
{
	return expected_parse(text, strlen(text), "fleet", why);
}

static void
one_a_line_in_order_and_each_once(void **state)
{
	static const char *const want[] = {"a#b", "pc1.example.com", "pc2", "urn:pc:3"};
	struct why why;
	struct expected *expected =
	    parse("# the fleet\n\npc2\r\n\t pc1.example.com \t# cellar\na#b #no\n"
	          "urn:pc:3\npc2\n#\n#pc9\na#b", &why);

	(void)state;
	assert_non_null(expected);
	assert_int_equal(expected_count(expected), 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(expected_at(expected, i), want[i]);
		assert_int_equal(expected_from(expected, want[i]), i);
		assert_true(expected_has(expected, want[i]));
	}
	assert_int_equal(expected_from(expected, "a"), 0);
	assert_int_equal(expected_from(expected, "pc10"), 2);
	assert_int_equal(expected_from(expected, "z"), 4);
	assert_false(expected_has(expected, "pc"));
	assert_false(expected_has(expected, "pc9"));
	assert_false(expected_has(expected, "z"));
	expected_free(expected);
}

static void
nothing_is_no_error(void **state)
{
	static const char *const texts[] = {"", "\n", "#", " \t\r\n# x\n", "\r"};
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct expected *expected = parse(texts[i], &why);
		assert_non_null(expected);
		assert_int_equal(expected_count(expected), 0);
		assert_int_equal(expected_from(expected, "a"), 0);
		assert_false(expected_has(expected, ""));
		expected_free(expected);
	}
}

static void
says_which_line_is_wrong(void **state)
{
	static const struct {
		const char *text, *want;
	} wrong[] = {
	    {"pc1\npc2 pc3\n", "fleet:2: want one identity a line, and a comment behind '#'"},
	    {"a#b# c", "fleet:1: want one identity a line, and a comment behind '#'"},
	    {"\x80", "fleet:1: a byte that no identity has: want printable ASCII"},
	    {"#\npc\x7f\n", "fleet:2: a byte that no identity has: want printable ASCII"},
	};
	char longest[300];
	struct why why;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_null(parse(wrong[i].text, &why));
		assert_string_equal(why.text, wrong[i].want);
	}
	assert_null(expected_parse("a\0b", 3, "fleet", &why));
	assert_string_equal(why.text, "fleet:1: a byte that no identity has: want printable ASCII");
	snprintf(longest, sizeof longest, "%0255d\n", 0);
	struct expected *expected = parse(longest, &why);
	assert_non_null(expected);
	assert_int_equal(strlen(expected_at(expected, 0)), 255);
	expected_free(expected);
	snprintf(longest, sizeof longest, "%0256d\n", 0);
	assert_null(parse(longest, &why));
	assert_string_equal(why.text,
	    "fleet:1: an identity of more than 255 bytes, and no certificate has one");
}

/* ---- files */

static struct imprints imprints;
static char folder[] = "/tmp/test_expected.XXXXXX";

static char *
path(const char *name)
{
	static char room[16][256];
	static size_t next;
	char *out = room[next++ % 16];

	snprintf(out, sizeof room[0], "%s/%s", folder, name);
	return out;
}

static void
put(const char *name, const char *text)
{
	FILE *out = fopen(path(name), "w");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void
reads_files_and_patterns(void **state)
{
	char *items[] = {path("one"), path("*.list"), path("*.none")};
	const struct conf_list list = {items, 3};
	struct why why;

	(void)state;
	put("one", "pc1\npc3\n");
	put("a.list", "pc2\n");
	put("b.list", "pc3\npc0");
	struct expected *expected = expected_read(&list, &imprints, &why);
	assert_non_null(expected);
	assert_int_equal(expected_count(expected), 4);
	assert_string_equal(expected_at(expected, 0), "pc0");
	assert_string_equal(expected_at(expected, 3), "pc3");
	assert_string_equal(imprints.items[0].path, path("one"));
	assert_string_equal(imprints.items[1].path, path("a.list"));
	assert_string_equal(imprints.items[2].path, path("b.list"));
	assert_int_equal(imprints.count, 3);
	expected_free(expected);
	expected = expected_read(&(struct conf_list){NULL, 0}, &imprints, &why);
	assert_non_null(expected);
	assert_int_equal(expected_count(expected), 0);
	expected_free(expected);
}

static void
file_that_is_named_must_be_there_and_be_one(void **state)
{
	char *missing[] = {path("missing")}, *dir[] = {folder}, *fifo[] = {path("fifo")};
	char want[320];
	struct why why;

	(void)state;
	assert_null(expected_read(&(struct conf_list){missing, 1}, &imprints, &why));
	snprintf(want, sizeof want, "%s: No such file or directory", missing[0]);
	assert_string_equal(why.text, want);
	assert_null(expected_read(&(struct conf_list){dir, 1}, &imprints, &why));
	assert_non_null(strstr(why.text, "is not a regular file"));
	assert_int_equal(mkfifo(fifo[0], 0600), 0);
	assert_null(expected_read(&(struct conf_list){fifo, 1}, &imprints, &why));
	assert_non_null(strstr(why.text, "is not a regular file"));
	unlink(fifo[0]);
}

static void
bounds_are_kept(void **state)
{
	char *large[] = {path("large")}, *many[] = {path("many")};
	struct why why;

	(void)state;
	put("large", "");
	assert_int_equal(truncate(large[0], EXPECTED_FILE_MAX + 1), 0);
	assert_null(expected_read(&(struct conf_list){large, 1}, &imprints, &why));
	assert_non_null(strstr(why.text, "larger than 64 MiB"));
	unlink(large[0]);
	FILE *out = fopen(many[0], "w");
	assert_non_null(out);
	for (int i = 0; i < EXPECTED_MAX; i++)
		fprintf(out, "%d\n", i);
	fclose(out);
	struct expected *expected = expected_read(&(struct conf_list){many, 1}, &imprints, &why);
	assert_non_null(expected);
	assert_int_equal(expected_count(expected), EXPECTED_MAX);
	expected_free(expected);
	out = fopen(many[0], "a");
	assert_non_null(out);
	fputs("more\n", out);
	fclose(out);
	assert_null(expected_read(&(struct conf_list){many, 1}, &imprints, &why));
	assert_non_null(strstr(why.text, ":1000001: "));
	unlink(many[0]);
}

static int
make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	(void)state;
	unlink(path("one"));
	unlink(path("a.list"));
	unlink(path("b.list"));
	imprints_free(&imprints);
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_a_line_in_order_and_each_once),
	    cmocka_unit_test(nothing_is_no_error),
	    cmocka_unit_test(says_which_line_is_wrong),
	    cmocka_unit_test(reads_files_and_patterns),
	    cmocka_unit_test(file_that_is_named_must_be_there_and_be_one),
	    cmocka_unit_test(bounds_are_kept),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
