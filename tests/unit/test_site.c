/* SPDX-License-Identifier: ISC */
/* For how long what a configuration forbids may be a slip. */
#include "inboxd/base/site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define DAY 86400

static struct settings settings = {.forgive = DAY};

static void
forgives_for_its_time_and_more_and_more_rarely(void **state)
{
	struct site site = {.settings = &settings, .since = 1000};

	(void)state;
	assert_int_equal(site_forgives(&site, 999), 15);
	assert_int_equal(site_forgives(&site, 1000), 15);
	assert_int_equal(site_forgives(&site, 1000 + 63), 15);
	assert_int_equal(site_forgives(&site, 1000 + 64), 16);
	assert_int_equal(site_forgives(&site, 1000 + 1200), 300);
	assert_int_equal(site_forgives(&site, 1000 + 3604), 900);
	assert_int_equal(site_forgives(&site, 1000 + DAY - 1), 900);
	assert_int_equal(site_forgives(&site, 1000 + DAY), 0);
	settings.forgive = 0;
	assert_int_equal(site_forgives(&site, 1000), 0);
	settings.forgive = DAY;
}

static void
begins_anew_where_a_rule_changes_and_then_only(void **state)
{
	static char *all[] = {"*"}, *some[] = {"pc*", "srv*"}, *others[] = {"pe*", "srv*"};
	const struct conf_list lists[] = {{all, 1}, {some, 2}, {others, 2}, {some, 1}};
	struct inbox was[] = {{.name = "a", .size = 5, .clients = &lists[0]},
	    {.name = "b", .size = 7, .clients = &lists[1]}};
	struct inbox now[] = {was[1], was[0]};
	struct site old = {.settings = &settings, .since = 10, .inboxes = was, .inbox_count = 2};
	struct site site = {.settings = &settings, .since = 99, .inboxes = now, .inbox_count = 2};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		was[i].inflow = inflow_new();
		now[i].inflow = inflow_new();
	}
	site_succeed(&site, &old);
	assert_int_equal(site.since, 10);
	assert_ptr_equal(now[0].inflow, was[1].inflow);
	assert_ptr_equal(now[1].inflow, was[0].inflow);
	assert_int_equal(was[0].inflow->references, 2);
	site.since = 99;
	now[0].size = 8;
	site_succeed(&site, &old);
	assert_int_equal(site.since, 99);
	now[0] = was[1];
	now[0].name[0] = 'c';
	site_succeed(&site, &old);
	assert_int_equal(site.since, 99);
	for (size_t i = 2; i < 4; i++) {
		now[0] = was[1];
		now[0].clients = &lists[i];
		site_succeed(&site, &old);
		assert_int_equal(site.since, 99);
	}
	site.inbox_count = 1;
	site_succeed(&site, &old);
	assert_int_equal(site.since, 99);
	for (size_t i = 0; i < 2; i++) {
		inflow_unref(was[i].inflow);
		inflow_unref(now[i].inflow);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forgives_for_its_time_and_more_and_more_rarely),
	    cmocka_unit_test(begins_anew_where_a_rule_changes_and_then_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
