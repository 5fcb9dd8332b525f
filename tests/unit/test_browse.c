/* SPDX-License-Identifier: ISC */
/* Pages of clients, and how many there are of which state: in parts, none twice, none left out. */
#include "inboxd/commit/browse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inboxd/base/expected.h"
#include "inboxd/base/site.h"
#include "inboxd/commit/clients.h"
#include "inboxd/commit/missing.h"

#define NOW (INT64_C(1795359600) * 1000000)
#define HOUR (INT64_C(3600) * 1000000)
#define QUEUE "6d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"
#define OTHER "7d0f3b5ac2e94a1f8b7c6d5e4f3a2b1c"

static struct settings settings = {.silent = 86400, .behind = 3600};
static struct site site = {.settings = &settings};
static struct clients *clients;

static void
expect(const char *names)
{
	struct why why;

	expected_free(site.expected);
	site.expected = expected_parse(names, strlen(names), "fleet", &why);
	assert_non_null(site.expected);
}

static int
setup(void **state)
{
	(void)state;
	clients = clients_new();
	site.expected = NULL;
	expect("");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	expected_free(site.expected);
	return 0;
}

static struct queue *
add(const char *identity, const char *id, int64_t seen)
{
	struct queue *queue = clients_add(clients, identity, id, 1);

	queue_see(queue, seen, 0);
	return queue;
}

static void
add_many(const char *format, int count)
{
	char identity[32];

	for (int i = 0; i < count; i++) {
		snprintf(identity, sizeof identity, format, i);
		add(identity, QUEUE, NOW);
	}
}

static void
ask(struct view *view)
{
	view->site = &site;
	browse_page(clients, view, NOW);
	assert_non_null(view->views);
}

/* All pages' identities with their states' first letters, each with a blank behind it. */
static const char *
list(const struct view_filter *filter)
{
	static char text[4096];
	struct view view = {.filter = *filter};
	int pages = 0;

	text[0] = '\0';
	do {
		ask(&view);
		for (size_t i = 0; i < view.count; i++) {
			size_t len = strlen(text);
			snprintf(text + len, sizeof text - len, "%s:%c ", view.views[i].identity,
			    client_state_name(client_state_worst(view.views[i].states))[0]);
		}
		free(view.views);
		assert_true(view.next == 0 || view.next > view.from);
		view.from = view.next;
		assert_true(++pages < 100);
	} while (view.next);
	return text;
}

/* ---- pages */

/* Whoever asks for all of a large fleet asks often, and nobody waits meanwhile. */
static void
page_has_a_part_of_the_queues(void **state)
{
	static const struct {
		uint64_t from;
		size_t count;
		uint64_t next;
	} asks[] = {{0, VIEWS_MAX, VIEWS_MAX}, {VIEWS_MAX, VIEWS_MAX, 2 * VIEWS_MAX},
	    {2 * VIEWS_MAX, 7, 0}, {2 * VIEWS_MAX + 6, 1, 0}, {2 * VIEWS_MAX + 7, 0, 0},
	    {VIEWS_MAX + 7, VIEWS_MAX, 0}, {INT64_MAX, 0, 0}};
	char identity[32];

	(void)state;
	add_many("pc%d", 2 * VIEWS_MAX + 7);
	for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
		struct view view = {.from = asks[i].from};
		ask(&view);
		assert_int_equal(view.count, asks[i].count);
		assert_int_equal(view.next, asks[i].next);
		if (view.count > 0) {
			snprintf(identity, sizeof identity, "pc%d", (int)asks[i].from);
			assert_string_equal(view.views[0].identity, identity);
		}
		free(view.views);
	}
}

static void
page_ends_where_it_has_looked_at_enough(void **state)
{
	struct view view = {.filter = {.match = "srv*"}};

	(void)state;
	add_many("pc%d", BROWSE_WORK / 2 + 5);
	add("srv1", QUEUE, NOW);
	ask(&view);
	assert_int_equal(view.count, 0);
	assert_int_equal(view.next, BROWSE_WORK / 2);
	free(view.views);
	view.from = view.next;
	ask(&view);
	assert_int_equal(view.count, 1);
	assert_int_equal(view.next, 0);
	assert_string_equal(view.views[0].identity, "srv1");
	free(view.views);
}

static void
who_never_came_stands_behind_the_others(void **state)
{
	(void)state;
	add("pc2", QUEUE, NOW);
	add("pc1", QUEUE, NOW - 25 * HOUR);
	expect("pc3\npc1\npc0\n");
	assert_string_equal(list(&(struct view_filter){.states = 0}), "pc2:u pc1:s pc0:n pc3:n ");
	assert_string_equal(list(&(struct view_filter){.states = 1 << CLIENT_NEVER_CAME}),
	    "pc0:n pc3:n ");
	assert_string_equal(list(&(struct view_filter){.states = 1 << CLIENT_SILENT}), "pc1:s ");
	assert_string_equal(list(&(struct view_filter){.match = "pc[13]"}), "pc1:s pc3:n ");
	assert_string_equal(list(&(struct view_filter){.match = "PC*"}), "");
	assert_string_equal(list(&(struct view_filter){.match = "pc[13]",
	    .states = 1 << CLIENT_UP_TO_DATE}), "");
}

static void
pages_go_on_among_those_who_never_came(void **state)
{
	static char names[8 * (2 * VIEWS_MAX + 10)];
	struct view view = {.from = 0};
	size_t count = 0, len = 0;

	(void)state;
	for (int i = 0; i < 2 * VIEWS_MAX + 5; i++)
		len += (size_t)snprintf(names + len, sizeof names - len, "new%03d\n", i);
	expect(names);
	add_many("new%03d", 2);
	do {
		ask(&view);
		count += view.count;
		free(view.views);
		view.from = view.next;
	} while (view.next);
	assert_int_equal(count, 2 * VIEWS_MAX + 5);
	/* A list that a reload has made shorter meanwhile. */
	expect("");
	view.from = BROWSE_EXPECTED + 7;
	ask(&view);
	assert_int_equal(view.count, 0);
	assert_int_equal(view.next, 0);
	free(view.views);
}

static void
one_client_has_all_its_queues(void **state)
{
	(void)state;
	add("pc1", OTHER, NOW);
	add("pc2", QUEUE, NOW);
	add("pc1", QUEUE, NOW - 25 * HOUR)->figures.hello.backlog.pending = 1;
	expect("pc3\n");
	assert_string_equal(list(&(struct view_filter){.identity = "pc1"}), "pc1:s pc1:u ");
	assert_string_equal(list(&(struct view_filter){.identity = "pc3"}), "pc3:n ");
	assert_string_equal(list(&(struct view_filter){.identity = "pc4"}), "");
	assert_string_equal(list(&(struct view_filter){.identity = "pc1",
	    .states = 1 << CLIENT_SILENT}), "pc1:s ");
	for (int i = 0; i < VIEWS_MAX; i++) {
		char id[PROTO_QUEUE_LEN + 1];
		snprintf(id, sizeof id, "%032d", i);
		add("pc5", id, NOW);
	}
	add("pc5", QUEUE, NOW);
	struct view view = {.filter = {.identity = "pc5"}};
	ask(&view);
	assert_int_equal(view.count, VIEWS_MAX);
	assert_int_equal(view.next, VIEWS_MAX);
	free(view.views);
	view.from = view.next;
	ask(&view);
	assert_int_equal(view.count, 1);
	assert_string_equal(view.views[0].queue, QUEUE);
	assert_int_equal(view.next, 0);
	free(view.views);
}

/* ---- a census */

static int
count_all(struct census_counts *counts)
{
	struct census census = {.site = &site};
	int parts = 0;

	do {
		browse_census(clients, &census, NOW);
		assert_true(++parts < 1000);
	} while (!census.is_whole);
	*counts = census.counts;
	return parts;
}

static void
each_client_is_counted_once_by_its_worst_queue(void **state)
{
	struct census_counts counts;

	(void)state;
	add("pc1", QUEUE, NOW);
	add("pc2", QUEUE, NOW - 2 * HOUR)->figures.hello.backlog =
	    (struct backlog){.pending = 1, .pending_oldest = NOW / 1000000 - 3601, .failed = 3};
	add("pc2", OTHER, NOW - 25 * HOUR);
	add("pc3", QUEUE, NOW - 24 * 40 * HOUR);
	add("pc4", QUEUE, 0);
	add("pc4", OTHER, NOW)->figures.hello.backlog.failed = 1;
	missing_add(add("pc5", QUEUE, NOW - 25 * HOUR), 1, 1, NOW);
	add("pc5", OTHER, NOW - 26 * HOUR);
	expect("a\npc0\npc1\npc10\npc3\npc30\nz\n");
	assert_int_equal(count_all(&counts), 1);
	assert_int_equal(counts.states[CLIENT_UP_TO_DATE], 2);
	assert_int_equal(counts.states[CLIENT_BEHIND], 1);
	assert_int_equal(counts.states[CLIENT_SILENT], 1);
	assert_int_equal(counts.states[CLIENT_MISSING], 1);
	assert_int_equal(counts.states[CLIENT_NEVER_CAME], 5);
	assert_int_equal(counts.ages[CLIENT_AGE_HOUR], 2);
	assert_int_equal(counts.ages[CLIENT_AGE_DAY], 1);
	assert_int_equal(counts.ages[CLIENT_AGE_WEEK], 1);
	assert_int_equal(counts.ages[CLIENT_AGE_MONTH], 0);
	assert_int_equal(counts.ages[CLIENT_AGE_OLDER], 1);
	assert_int_equal(counts.failed, 2);
}

static void
census_of_nobody_is_whole_at_once(void **state)
{
	struct census_counts counts;

	(void)state;
	assert_int_equal(count_all(&counts), 1);
	for (int i = 0; i < CLIENT_STATES; i++)
		assert_int_equal(counts.states[i], 0);
	expect("a\nb\n");
	assert_int_equal(count_all(&counts), 1);
	assert_int_equal(counts.states[CLIENT_NEVER_CAME], 2);
}

static void
parts_make_one_whole(void **state)
{
	static char names[16 * 3 * BROWSE_CENSUS_WORK];
	struct census_counts counts;
	size_t len = 0;

	(void)state;
	/* Every third is expected, and as many that there are not. */
	for (int i = 0; i < 3 * BROWSE_CENSUS_WORK; i += 3)
		len += (size_t)snprintf(names + len, sizeof names - len, "pc%d\npc%d.x\n", i, i);
	expect(names);
	for (int count = 3 * BROWSE_CENSUS_WORK - 1; count <= 3 * BROWSE_CENSUS_WORK; count++) {
		clients_free(clients);
		clients = clients_new();
		add_many("pc%d", count);
		assert_int_equal(count_all(&counts), count == 3 * BROWSE_CENSUS_WORK ? 4 : 3);
		assert_int_equal(counts.states[CLIENT_UP_TO_DATE], count);
		assert_int_equal(counts.states[CLIENT_NEVER_CAME], BROWSE_CENSUS_WORK);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(page_has_a_part_of_the_queues),
	    TEST(page_ends_where_it_has_looked_at_enough),
	    TEST(who_never_came_stands_behind_the_others),
	    TEST(pages_go_on_among_those_who_never_came),
	    TEST(one_client_has_all_its_queues),
	    TEST(each_client_is_counted_once_by_its_worst_queue),
	    TEST(census_of_nobody_is_whole_at_once),
	    TEST(parts_make_one_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
