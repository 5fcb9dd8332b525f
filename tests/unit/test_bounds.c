/* SPDX-License-Identifier: ISC */
/* Which limit is in the way: of a queue, of its client, or of all; each by itself. */
#include "inboxd/commit/bounds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inboxd/base/settings.h"
#include "inboxd/commit/request.h"

#include "sample.h"

#define MANY 1000
#define OTHER "pc2.example.org"

static struct clients *clients;
static struct limits limits;

static const char *
id_of(unsigned i)
{
	static char id[PROTO_QUEUE_LEN + 1];

	snprintf(id, sizeof id, "%032x", i);
	return id;
}

/* Two clients with two queues each. */
static int
setup(void **state)
{
	(void)state;
	clients = clients_new();
	for (unsigned i = 0; i < 4; i++)
		(void)clients_add(clients, i < 2 ? SAMPLE_CLIENT : OTHER, id_of(i), 1);
	for (int i = 0; i < LIMIT_COUNT; i++)
		limits.most[i] = MANY;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	clients_free(clients);
	return 0;
}

static struct queue *
queue_at(unsigned i)
{
	struct queue *queue = clients_find(clients, i < 2 ? SAMPLE_CLIENT : OTHER, id_of(i));

	assert_non_null(queue);
	return queue;
}

static void
add_items(unsigned at, uint64_t count)
{
	struct record record = {.type = RECORD_ACCEPT, .inbox = "status", .name = "name"};

	for (uint64_t n = 1; n <= count; n++) {
		record.seq = record.n = n;
		(void)queue_add_item(queue_at(at), &record);
	}
}

static void
add_skips(unsigned at, uint64_t count)
{
	for (uint64_t n = 1; n <= count; n++)
		assert_int_equal(queue_add_skip(queue_at(at), 1000 + n), 1);
}

static enum limit
session(const char *identity, struct queue *queue)
{
	return bounds_of_session(
	    &limits, clients, clients_find_client(clients, identity), queue);
}

static void
counts_sessions_of_a_client(void **state)
{
	struct queue *queue = queue_at(0);
	struct request superseded;

	(void)state;
	limits.most[LIMIT_CLIENT_CONNECTIONS] = 3;
	queue->client->sessions = queue->client->speaking = 2;
	assert_int_equal(session(SAMPLE_CLIENT, queue), LIMIT_NONE);
	assert_int_equal(session(SAMPLE_CLIENT, NULL), LIMIT_NONE);
	queue->client->sessions = queue->client->speaking = 3;
	assert_int_equal(session(SAMPLE_CLIENT, queue), LIMIT_CLIENT_CONNECTIONS);
	assert_int_equal(session(SAMPLE_CLIENT, NULL), LIMIT_CLIENT_CONNECTIONS);
	assert_int_equal(session(OTHER, queue_at(2)), LIMIT_NONE);
	assert_int_equal(session("pc3.example.org", NULL), LIMIT_NONE);
	/* Who takes over brings none, and who goes is in nobody's way; but so many may not go. */
	queue->superseded = &superseded;
	assert_int_equal(session(SAMPLE_CLIENT, queue), LIMIT_NONE);
	assert_int_equal(session(SAMPLE_CLIENT, queue_at(1)), LIMIT_CLIENT_CONNECTIONS);
	queue->client->speaking = 2;
	queue->client->sessions = 3 + 31;
	assert_int_equal(session(SAMPLE_CLIENT, queue), LIMIT_NONE);
	assert_int_equal(session(SAMPLE_CLIENT, queue_at(1)), LIMIT_NONE);
	queue->client->sessions = 3 + 32;
	assert_int_equal(session(SAMPLE_CLIENT, queue), LIMIT_CLIENT_CONNECTIONS);
	assert_int_equal(session(SAMPLE_CLIENT, queue_at(1)), LIMIT_CLIENT_CONNECTIONS);
	queue->superseded = NULL;
}

static void
counts_queues_of_a_client_and_of_all(void **state)
{
	(void)state;
	limits.most[LIMIT_CLIENT_QUEUES] = 2;
	assert_int_equal(session(SAMPLE_CLIENT, NULL), LIMIT_CLIENT_QUEUES);
	assert_int_equal(session(SAMPLE_CLIENT, queue_at(0)), LIMIT_NONE);
	assert_int_equal(session("pc3.example.org", NULL), LIMIT_NONE);
	limits.most[LIMIT_CLIENT_QUEUES] = 3;
	assert_int_equal(session(SAMPLE_CLIENT, NULL), LIMIT_NONE);
	limits.most[LIMIT_QUEUES] = 4;
	assert_int_equal(session(SAMPLE_CLIENT, NULL), LIMIT_QUEUES);
	assert_int_equal(session("pc3.example.org", NULL), LIMIT_QUEUES);
	assert_int_equal(session(SAMPLE_CLIENT, queue_at(0)), LIMIT_NONE);
	limits.most[LIMIT_QUEUES] = 5;
	assert_int_equal(session("pc3.example.org", NULL), LIMIT_NONE);
}

static void
counts_items_of_a_queue_a_client_and_all(void **state)
{
	static const struct {
		enum limit limit;
		uint64_t most;
		enum limit wanted[4]; /* of each queue */
	} cases[] = {
	    {LIMIT_UNSETTLED, 5, {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE}},
	    {LIMIT_UNSETTLED, 4, {LIMIT_NONE, LIMIT_UNSETTLED, LIMIT_NONE, LIMIT_NONE}},
	    {LIMIT_CLIENT_UNSETTLED, 8, {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE}},
	    {LIMIT_CLIENT_UNSETTLED, 7,
	        {LIMIT_CLIENT_UNSETTLED, LIMIT_CLIENT_UNSETTLED, LIMIT_NONE, LIMIT_NONE}},
	    {LIMIT_ALL_UNSETTLED, 10, {LIMIT_NONE, LIMIT_NONE, LIMIT_NONE, LIMIT_NONE}},
	    {LIMIT_ALL_UNSETTLED, 9, {LIMIT_ALL_UNSETTLED, LIMIT_ALL_UNSETTLED,
	        LIMIT_ALL_UNSETTLED, LIMIT_ALL_UNSETTLED}},
	};
	static const uint64_t counts[] = {3, 4, 2, 0};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		add_items(i, counts[i]);
		add_skips(i, counts[i] * LIMITS_SKIPS_AN_ITEM);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		limits.most[cases[i].limit] = cases[i].most;
		for (unsigned j = 0; j < 4; j++) {
			assert_int_equal(
			    bounds_of_item(&limits, queue_at(j)), cases[i].wanted[j]);
			assert_int_equal(
			    bounds_of_skip(&limits, queue_at(j)), cases[i].wanted[j]);
		}
		limits.most[cases[i].limit] = MANY;
	}
}

/* What is near of them, told now. */
static const char *
near(struct bounds_watch *watch)
{
	static char text[64];
	struct bounds_near near;

	if (!bounds_are_near(watch, &limits, clients, &near))
		return "none";
	snprintf(text, sizeof text, "%s %s %u/%u", limit_name(near.limit), near.what,
	    (unsigned)near.now, (unsigned)near.most);
	return text;
}

static void
warns_at_nine_tenths_once(void **state)
{
	struct bounds_watch watch = {0};

	(void)state;
	limits.most[LIMIT_QUEUES] = 10;
	limits.most[LIMIT_ALL_UNSETTLED] = 20;
	for (unsigned i = 4; i < 8; i++)
		(void)clients_add(clients, OTHER, id_of(i), 1);
	add_items(0, 17);
	add_skips(0, 71);
	assert_string_equal(near(&watch), "none");
	(void)clients_add(clients, OTHER, id_of(8), 1);
	add_items(1, 1);
	add_skips(1, 1);
	assert_string_equal(near(&watch), "queues queues 9/10");
	assert_string_equal(near(&watch), "all-unsettled items 18/20");
	assert_string_equal(near(&watch), "all-unsettled skips 72/80");
	assert_string_equal(near(&watch), "none");
	/* To and fro at the border is no news. */
	clients_remove(clients, queue_at(8));
	assert_string_equal(near(&watch), "none");
	(void)clients_add(clients, OTHER, id_of(8), 1);
	assert_string_equal(near(&watch), "none");
	clients_remove(clients, queue_at(8));
	clients_remove(clients, queue_at(7));
	assert_string_equal(near(&watch), "none");
	(void)clients_add(clients, OTHER, id_of(7), 1);
	(void)clients_add(clients, OTHER, id_of(8), 1);
	assert_string_equal(near(&watch), "queues queues 9/10");
	assert_string_equal(near(&watch), "none");
}

/* Each setting has its limit, and each limit its counter, of its name. */
static void
takes_its_limits_from_the_settings(void **state)
{
	struct settings settings = {.client_connections = 1, .queues = 2, .client_queues = 3,
	    .unsettled = 4, .client_unsettled = 5, .all_unsettled = 6, .client_opens = 7,
	    .all_opens = 8};
	char label[64];

	(void)state;
	limits_set(&limits, &settings);
	for (int i = LIMIT_NONE + 1; i < LIMIT_COUNT; i++) {
		const struct stats_row *row = &stats_rows[limit_counter((enum limit)i)];
		assert_int_equal(limits.most[i], i);
		snprintf(label, sizeof label, "limit=\"%s\"", limit_name((enum limit)i));
		assert_string_equal(row->metric, "inboxd_limit_reached_total");
		assert_string_equal(row->label, label);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(counts_sessions_of_a_client),
	    TEST(counts_queues_of_a_client_and_of_all),
	    TEST(counts_items_of_a_queue_a_client_and_all),
	    TEST(warns_at_nine_tenths_once),
	    TEST(takes_its_limits_from_the_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
