/* SPDX-License-Identifier: ISC */
/* Names of items: unique by construction, plain, sorted by time. */
#include "lib/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/parse.h"

static void
has_time_start_counter_client_and_suffix(void **state)
{
	struct namer namer = {.start = 0x1f2e3d4c, .worker = 3, .count = 26};
	char name[NAME_ROOM];
	struct timespec when;

	(void)state;
	name_next(&namer, "pc17.example.org", ".msg", name);
	assert_int_equal(parse_time(name, PRINT_TIME_ROOM - 1, &when), 0);
	assert_string_equal(name + PRINT_TIME_ROOM - 1, "-1f2e3d4c-3.27-pc17.example.org.msg");
	assert_int_equal(namer.count, 27);
	name_next(&(struct namer){.start = 1}, "a", "", name);
	assert_string_equal(name + PRINT_TIME_ROOM - 1, "-00000001-0.1-a");
}

static void
shows_foreign_bytes_of_a_client_as_underscores(void **state)
{
	struct namer namer = {0};
	char name[NAME_ROOM];

	(void)state;
	name_next(&namer, "urn:uuid:a/../b%20\xc3\xa4 .-_", "", name);
	assert_string_equal(strchr(name, '-') + strlen("-00000000-0.1-"),
	    "urn_uuid_a_.._b_20___.-_");
	assert_true(is_plain_name(name, strlen(name), NAME_ROOM - 1));
}

static void
is_a_plain_name_at_its_longest(void **state)
{
	struct namer namer = {.start = UINT32_MAX, .worker = UINT32_MAX, .count = UINT64_MAX - 1};
	char client[256], suffix[100], name[NAME_ROOM];
	const char *shown;

	(void)state;
	memset(client, 'c', sizeof client - 1);
	client[sizeof client - 1] = '\0';
	memset(suffix, 's', sizeof suffix - 1);
	suffix[sizeof suffix - 1] = '\0';
	name_next(&namer, client, suffix, name);
	assert_true(is_plain_name(name, strlen(name), NAME_ROOM - 1));
	shown = strstr(name, "-ffffffff-4294967295.18446744073709551615-c");
	assert_non_null(shown);
	shown = strchr(shown, 'c');
	assert_int_equal(strspn(shown, "c"), NAME_CLIENT_MAX);
	assert_int_equal(strlen(shown), NAME_CLIENT_MAX + NAME_SUFFIX_MAX);
}

static void
never_comes_twice(void **state)
{
	struct namer one = {.worker = 0}, other = {.worker = 1};
	char last[NAME_ROOM] = "", name[NAME_ROOM], foreign[NAME_ROOM];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		name_next(&one, "a", "", name);
		name_next(&other, "a", "", foreign);
		assert_string_not_equal(name, last);
		assert_string_not_equal(name, foreign);
		/* whatever the clock said */
		assert_string_not_equal(strchr(name, '-'), strchr(foreign, '-'));
		if (last[0])
			assert_string_not_equal(strchr(name, '-'), strchr(last, '-'));
		memcpy(last, name, sizeof last);
	}
}

static void
stays_plain_where_the_client_has_no_name(void **state)
{
	struct namer namer = {0};
	char name[NAME_ROOM];

	(void)state;
	name_next(&namer, "", ".x", name);
	assert_true(is_plain_name(name, strlen(name), NAME_ROOM - 1));
}

static void
tells_whose_it_is(void **state)
{
	static const char *const clients[] = {"pc17.example.org", "a-b-c", "urn:x/y", "-", "_"};
	struct namer namer = {.worker = 3, .count = 41};
	char name[NAME_ROOM], shown[NAME_CLIENT_MAX + 1], found[NAME_CLIENT_MAX + 1];

	(void)state;
	for (size_t i = 0; i < 2 * sizeof clients / sizeof clients[0]; i++) {
		const char *suffix = i % 2 ? ".msg" : "";

		name_next(&namer, clients[i / 2], suffix, name);
		name_show_client(clients[i / 2], shown);
		assert_int_equal(name_read_client(name, suffix, found), 0);
		assert_string_equal(found, shown);
	}
	assert_int_equal(name_read_client(name, ".other", found), -1);
	assert_int_equal(name_read_client("1-2-3-pc17.example", ".msg", found), -1);
	assert_int_equal(name_read_client("a-b-c", "", found), -1);
	assert_int_equal(name_read_client("a-b-c-", "", found), -1);
	assert_int_equal(name_read_client("a-b-c-.msg", ".msg", found), -1);
	assert_int_equal(name_read_client("", "", found), -1);
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	memcpy(name, "1-2-3-", 6);
	assert_int_equal(name_read_client(name, "", found), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_time_start_counter_client_and_suffix),
	    cmocka_unit_test(shows_foreign_bytes_of_a_client_as_underscores),
	    cmocka_unit_test(is_a_plain_name_at_its_longest),
	    cmocka_unit_test(never_comes_twice),
	    cmocka_unit_test(tells_whose_it_is),
	    cmocka_unit_test(stays_plain_where_the_client_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
