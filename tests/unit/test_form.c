/* SPDX-License-Identifier: ISC */
/* What /clients may be asked. */
#include "inboxd/status/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "inboxd/commit/view.h"

static struct view_filter filter;
static uint64_t from;
static struct why why;

static int
read_query(const char *query)
{
	memset(&filter, 0xff, sizeof filter);
	from = 1;
	return form_read_clients(query, &from, &filter, &why);
}

static void
asks_for_all_or_some(void **state)
{
	(void)state;
	assert_int_equal(read_query(NULL), 0);
	assert_int_equal(from, 0);
	assert_string_equal(filter.identity, "");
	assert_string_equal(filter.match, "");
	assert_int_equal(filter.states, 0);
	assert_int_equal(read_query("from=9223372036854775807"), 0);
	assert_int_equal(from, INT64_MAX);
	assert_int_equal(read_query("match=%2a.example%2Eorg&state=behind,never-came&from=5&"
	                            "identity=urn:x=%26%25"), 0);
	assert_int_equal(from, 5);
	assert_string_equal(filter.match, "*.example.org");
	assert_string_equal(filter.identity, "urn:x=&%");
	assert_int_equal(filter.states, 1 << CLIENT_BEHIND | 1 << CLIENT_NEVER_CAME);
	assert_int_equal(read_query("state=silent%2Cmissing,up-to-date"), 0);
	assert_int_equal(filter.states,
	    1 << CLIENT_SILENT | 1 << CLIENT_MISSING | 1 << CLIENT_UP_TO_DATE);
}

static void
refuses_what_it_does_not_know(void **state)
{
	static const char *const wrong[] = {"", "&", "from=1&", "from", "from=", "from=x",
	    "from=-1", "from=9223372036854775808", "from=1&from=2", "state", "state=", "state=,",
	    "state=late", "state=behind,", "state=behind&state=silent", "match=", "match=%00",
	    "match=a%2", "match=a b", "match=a&match=a", "identity=", "identity=%C3%A4",
	    "identity=a&identity=a", "queue=6d", "FROM=1"};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		why.text[0] = '\0';
		if (read_query(wrong[i]) == 0)
			fail_msg("taken: \"%s\"", wrong[i]);
		assert_string_not_equal(why.text, "");
	}
	snprintf(longest, sizeof longest, "identity=%0255d", 0);
	assert_int_equal(read_query(longest), 0);
	snprintf(longest, sizeof longest, "identity=%0256d", 0);
	assert_int_equal(read_query(longest), -1);
	snprintf(longest, sizeof longest, "match=%0256d", 0);
	assert_int_equal(read_query(longest), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asks_for_all_or_some),
	    cmocka_unit_test(refuses_what_it_does_not_know),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
