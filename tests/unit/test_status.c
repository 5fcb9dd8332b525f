/* SPDX-License-Identifier: ISC */
/*
 * The pages of the status socket, and requests that are wrong.
 */
#include "config.h"

#include "inboxd/base/stats.h"
#include "inboxd/status/http.h"
#include "inboxd/status/status.h"
#include "lib/health.h"
#include "lib/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "status_server.h"

/* ---- pages */

static void
status_accounts_for_every_item(void **state)
{
	(void)state;
	server_start();
	json_t *page = get_json("/status"), *value, *part;
	json_int_t sum = 0;
	const char *key, *code;
	json_t *items = json_object_get(page, "items");
	json_object_foreach (items, key, value) {
		if (json_is_integer(value) && strcmp(key, "offered") != 0)
			sum += json_integer_value(value);
		else
			json_object_foreach (value, code, part)
				sum += json_integer_value(part);
	}
	assert_int_equal(json_object_size(items), 7);
	assert_int_equal(sum, json_integer_value(json_object_get(items, "offered")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(items, "later"),
	                     "use-open")),
	    STAT_LATER_USE_OPEN + 1);
	assert_int_equal(json_integer_value(json_object_get(page, "pid")), server_pid);
	/* Each row is in exactly one place. */
	json_t *counters = json_object_get(page, "counters");
	json_t *gauges = json_object_get(page, "gauges");
	size_t rows = json_object_size(json_object_get(items, "later")) +
	    json_object_size(json_object_get(items, "refused")) + 5;
	json_object_foreach (gauges, key, value)
		rows += json_is_object(value) ? json_object_size(value) : 1;
	json_object_foreach (counters, key, value)
		rows += json_is_object(value) ? json_object_size(value) : 1;
	assert_int_equal(rows, STATS_COUNT);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(counters,
	                     "inboxd_connections_cut_total"), "displaced")),
	    STAT_CUT_DISPLACED + 1);
	assert_int_equal(json_integer_value(json_object_get(counters, "inboxd_syncs_total")),
	    STAT_SYNCS + 1);
	json_t *reload = json_object_get(page, "reload"), *files = json_object_get(reload, "files");
	assert_true(json_is_true(json_object_get(reload, "differs")));
	assert_int_equal(json_array_size(files), 2);
	assert_string_equal(json_string_value(json_array_get(files, 0)),
	    "/etc/in%1B[31mred%FF.pem");
	assert_true(json_is_null(json_object_get(reload, "error")));
	assert_int_equal(json_integer_value(json_object_get(reload, "at")), 1700000000);
	json_t *clients = json_object_get(page, "clients");
	assert_int_equal(json_integer_value(json_object_get(clients, "never-came")),
	    STAT_CLIENTS_NEVER_CAME + 1);
	assert_int_equal(json_integer_value(json_object_get(clients, "counted")),
	    STAT_CLIENTS_COUNTED + 1);
	assert_string_equal(json_string_value(json_object_get(page, "host")), "cap1");
	json_t *root = json_object_get(page, "root"), *holder = json_object_get(root, "held_by");
	assert_string_equal(json_string_value(json_object_get(root, "path")), "/var/lib/inboxd");
	assert_int_equal(strlen(json_string_value(json_object_get(root, "id"))), 32);
	assert_string_equal(json_string_value(json_object_get(holder, "host")), "cap2");
	assert_true(json_is_null(json_object_get(holder, "machine")));
	assert_int_equal(json_integer_value(json_object_get(holder, "pid")), 12);
	assert_int_equal(json_integer_value(json_object_get(holder, "since")), 1700000000);
	json_t *can = json_object_get(root, "abilities");
	assert_string_equal(json_string_value(json_object_get(root, "filesystem")), "ext4");
	assert_string_equal(json_string_value(json_object_get(can, "rename")), "overwrites");
	assert_true(json_is_true(json_object_get(can, "locks")));
	assert_true(json_is_false(json_object_get(can, "syncfs")));
	assert_int_equal(json_integer_value(json_object_get(can, "names")), 143);
	assert_string_equal(json_string_value(json_object_get(page, "sandbox")), "Landlock ABI 4");
	assert_true(json_is_null(json_object_get(page, "sandbox_lacks")));
	/* Below zero for a moment, by the sum over threads. */
	assert_int_equal(json_integer_value(json_object_get(gauges, "inboxd_connections")), 0);
	json_decref(page);
	server_stop();
}

static void
status_has_the_histograms(void **state)
{
	(void)state;
	server_start();
	json_t *page = get_json("/status"), *histograms = json_object_get(page, "histograms");
	assert_int_equal(json_object_size(histograms), HISTOGRAM_COUNT);
	for (int i = 0; i < HISTOGRAM_COUNT; i++) {
		const json_t *one = json_object_get(histograms, histogram_rows[i].metric);
		const json_t *buckets = json_object_get(one, "buckets");
		int is_time = histogram_rows[i].unit == HISTOGRAM_TIME;
		const uint64_t *bounds;
		size_t count = histogram_bounds(histogram_rows[i].unit, &bounds);
		json_int_t first = (json_int_t)stats_cell((enum histogram)i, 0) + 1, sum = first;
		assert_int_equal(json_array_size(buckets), count);
		for (size_t k = 0; k < count; k++) {
			const json_t *bucket = json_array_get(buckets, k);
			double bound = json_number_value(json_array_get(bucket, 0));
			assert_true(bound == (double)bounds[k] / (is_time ? 1e6 : 1));
			assert_int_equal(json_integer_value(json_array_get(bucket, 1)), sum);
			sum += first + (json_int_t)k + 1;
		}
		assert_int_equal(json_integer_value(json_object_get(one, "count")), sum);
		double total = json_number_value(json_object_get(one, "sum"));
		assert_true(total == (double)(first + HISTOGRAM_SUM) / (is_time ? 1e6 : 1));
	}
	json_decref(page);
	server_stop();
}

/* Of what status_server.c tells a lot is wrong, by its own page /metrics. */
static void
status_tells_what_is_wrong(void **state)
{
	struct health_verdict verdicts[HEALTH_ROWS];
	struct health_limits limits;
	size_t i, last = HEALTH_ROWS, wrong = 0;
	json_t *problem;

	(void)state;
	server_start();
	char *metrics = get("/metrics");
	health_limits_default(&limits);
	health_judge(metrics, (int64_t)time(NULL), &limits, verdicts);
	json_t *page = get_json("/status"), *problems = json_object_get(page, "problems");
	int severity = HEALTH_CRITICAL;
	json_array_foreach (problems, i, problem) {
		const char *name = json_string_value(json_object_get(problem, "name"));
		char text[HEALTH_TEXT_ROOM];
		int row = health_find(name, strlen(name));
		assert_true(row >= 0);
		if ((int)verdicts[row].severity < severity) {
			severity = (int)verdicts[row].severity;
			last = HEALTH_ROWS;
		}
		assert_int_equal(verdicts[row].severity, severity);
		assert_true(last == HEALTH_ROWS || (size_t)row > last);
		last = (size_t)row;
		assert_string_equal(json_string_value(json_object_get(problem, "severity")),
		    health_word(verdicts[row].severity));
		health_text(text, (size_t)row, &verdicts[row]);
		assert_string_equal(json_string_value(json_object_get(problem, "text")), text);
	}
	for (i = 0; i < HEALTH_ROWS; i++)
		wrong += verdicts[i].severity > HEALTH_OK;
	assert_true(wrong > 5);
	assert_int_equal(json_array_size(problems), wrong);
	assert_int_equal(severity, HEALTH_WARNING);
	free(metrics);
	json_decref(page);
	server_stop();
}

/* A bound is the largest value of its bucket, and there is one for whatever comes. */
static void
values_are_counted_by_their_size(void **state)
{
	static struct stats stats;
	static const struct {
		uint64_t value;
		size_t cell;
	} cases[] = {{0, 0}, {100, 0}, {101, 1}, {200, 1}, {1000, 3}, {1001, 4}, {60000000, 17},
	    {60000001, 18}, {UINT64_MAX / 2, 18}};
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum counter cell = stats_cell(HISTOGRAM_SYNC, cases[i].cell);
		uint64_t before = stats_get(&stats, cell);
		stats_observe(&stats, HISTOGRAM_SYNC, cases[i].value);
		assert_int_equal(stats_get(&stats, cell), before + 1);
		sum += cases[i].value;
	}
	assert_int_equal(stats_get(&stats, stats_cell(HISTOGRAM_SYNC, HISTOGRAM_SUM)), sum);
	for (int which = 0; which < HISTOGRAM_COUNT; which++) {
		const uint64_t *bounds;
		size_t count = histogram_bounds(histogram_rows[which].unit, &bounds);
		assert_true(count > 0 && count <= HISTOGRAM_BOUNDS);
		for (size_t i = 1; i < count; i++)
			assert_true(bounds[i] > bounds[i - 1]);
	}
}

static void
inboxes_tell_what_waits(void **state)
{
	(void)state;
	server_start();
	json_t *page = get_json("/inboxes");
	json_t *inboxes = json_object_get(page, "inboxes");
	assert_int_equal(json_array_size(inboxes), 2);
	json_t *first = json_array_get(inboxes, 0), *second = json_array_get(inboxes, 1);
	/* Not UTF-8, so escaped as a whole. */
	assert_string_equal(json_string_value(json_object_get(first, "folder")),
	    "/srv/%1B[31mred%FF");
	assert_int_equal(json_integer_value(json_object_get(first, "waiting")), 18);
	assert_int_equal(json_integer_value(json_object_get(first, "claimed")), 3);
	assert_in_range(json_integer_value(json_object_get(first, "claimed_oldest")),
	    time(NULL) - 7300, time(NULL) - 7200);
	assert_in_range(json_integer_value(json_object_get(first, "counted")), time(NULL) - 250,
	    time(NULL) - 240);
	assert_true(json_is_null(json_object_get(first, "error")));
	assert_int_equal(json_integer_value(json_object_get(first, "waiting_bytes")), 1700);
	assert_int_equal(json_integer_value(json_object_get(first, "claimed_bytes")), 30);
	assert_int_equal(json_integer_value(json_object_get(first, "stored_total")), 1017);
	assert_int_equal(json_integer_value(json_object_get(first, "stored_bytes_total")), 101700);
	assert_in_range(json_integer_value(json_object_get(first, "last_stored")), time(NULL) - 15,
	    time(NULL) - 5);
	assert_int_equal(json_integer_value(json_object_get(first, "limit_items")), 1000);
	assert_true(json_is_null(json_object_get(first, "limit_bytes")));
	assert_true(json_is_false(json_object_get(first, "over_limit")));
	assert_true(json_is_true(json_object_get(second, "over_limit")));
	assert_true(json_is_null(json_object_get(first, "paused")));
	assert_true(json_is_false(json_object_get(first, "paused_all")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(second, "paused"),
	                        "reason")), "a disk");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(second, "paused"),
	                     "since")), 1700000000);
	assert_true(json_is_null(json_object_get(second, "waiting_bytes")));
	assert_true(json_is_null(json_object_get(second, "last_stored")));
	assert_string_equal(json_string_value(json_object_get(second, "folder")), "/srv/in box");
	assert_true(json_is_null(json_object_get(second, "waiting")));
	assert_true(json_is_null(json_object_get(second, "oldest")));
	assert_true(json_is_null(json_object_get(second, "claimed")));
	assert_non_null(json_string_value(json_object_get(second, "error")));
	json_decref(page);
	server_stop();
}

/* Whoever asks while a count is under way gets the next one: a file may have come since. */
static void
inboxes_are_of_a_count_begun_later(void **state)
{
	int fds[4];

	(void)state;
	server_answer = ANSWER_SOON;
	server_start();
	for (int i = 0; i < 4; i++)
		fds[i] = ask("GET", "/inboxes", "");
	for (int i = 0; i < 4; i++) {
		char *reply = listen_to(fds[i]);
		assert_int_equal(code_of(reply), 200);
		assert_non_null(strstr(reply, i == 0 ? "\"waiting\":18" : "\"waiting\":19"));
		free(reply);
	}
	server_stop();
}

static void
inboxes_tell_the_last_count_where_one_takes_long(void **state)
{
	(void)state;
	server_answer = ANSWER_NEVER;
	server_start();
	time_t before = time(NULL);
	json_t *page = get_json("/inboxes");
	assert_in_range(time(NULL) - before, 2, 6);
	assert_int_equal(json_integer_value(json_object_get(
	                     json_array_get(json_object_get(page, "inboxes"), 0), "waiting")),
	    17);
	json_decref(page);
	server_stop();
}

/* The files may lie on a file system that does not answer: the page does, if late. */
static void
status_waits_a_moment_for_a_look(void **state)
{
	(void)state;
	server_answer = ANSWER_SOON;
	server_start();
	int64_t began = clock_monotonic();
	json_decref(get_json("/status"));
	assert_in_range(clock_monotonic() - began, 250000, 900000);
	server_stop();
	server_answer = ANSWER_NEVER;
	server_start();
	began = clock_monotonic();
	json_decref(get_json("/status"));
	assert_in_range(clock_monotonic() - began, 950000, 5000000);
	server_stop();
}

static void
clients_come_when_the_answer_does(void **state)
{
	(void)state;
	server_answer = ANSWER_SOON;
	server_start();
	int other = ask("GET", "/clients", "");
	json_t *page = get_json("/clients");
	json_t *clients = json_object_get(page, "clients");
	assert_int_equal(json_array_size(clients), 3);
	json_t *first = json_array_get(clients, 0), *second = json_array_get(clients, 1);
	assert_string_equal(json_string_value(json_object_get(first, "identity")),
	    "pc3.example.com");
	assert_true(json_is_true(json_object_get(first, "connected")));
	assert_in_range(json_integer_value(json_object_get(first, "seen")), time(NULL) - 90100,
	    time(NULL) - 90000);
	assert_true(json_is_null(json_object_get(second, "seen")));
	assert_int_equal(json_integer_value(json_object_get(first, "stored_bytes")), 12345678);
	json_decref(page);
	char *reply = listen_to(other);
	assert_int_equal(code_of(reply), 200);
	free(reply);
	server_stop();
}

static void
clients_come_in_parts(void **state)
{
	static const char *const wrong[] = {"from=", "from=x", "from=-1", "from=1x", "to=1",
	    "from=1&to=2", "from=9223372036854775808", "", "state=late", "match=", "identity=a&x"};
	char path[64];

	(void)state;
	server_answer = ANSWER_PAGES;
	server_start();
	json_t *page = get_json("/clients");
	assert_int_equal(json_array_size(json_object_get(page, "clients")), 3);
	assert_int_equal(json_integer_value(json_object_get(page, "next")), 3);
	json_decref(page);
	page = get_json("/clients?from=6&state=behind,silent&match=pc*&identity=pc%2b1");
	assert_true(json_is_null(json_object_get(page, "next")));
	json_decref(page);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(path, sizeof(path), "/clients?%s", wrong[i]);
		char *reply = get(path);
		assert_int_equal(code_of(reply), 400);
		free(reply);
	}
	server_stop();
}

static void
clients_say_when_memory_is_out(void **state)
{
	(void)state;
	server_answer = ANSWER_NO_MEMORY;
	server_start();
	char *reply = get("/clients");
	assert_int_equal(code_of(reply), 500);
	free(reply);
	server_stop();
}

/* ---- metrics */

static size_t
times_in(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* What is not known has no sample. */
static void
check_inboxes(const char *text)
{
	assert_int_equal(times_in(text, "# TYPE inboxd_inbox_waiting gauge\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_waiting{inbox=\"inbox0\"} 17\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_claimed{inbox=\"inbox0\"} 3\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_stored_total{inbox=\"inbox0\"} 1017\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_over_limit{inbox=\"inbox1\"} 1\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_paused{inbox=\"inbox0\"} 0\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_paused{inbox=\"inbox1\"} 1\n"), 1);
	assert_int_equal(
	    times_in(text, "\ninboxd_inbox_waiting_limit{inbox=\"inbox0\"} 1000\n"), 1);
	assert_int_equal(times_in(text, "inbox=\"inbox0\""), 14);
	assert_int_equal(times_in(text, "inbox=\"inbox1\""), 7);
	assert_int_equal(times_in(text, "\ninboxd_inbox_unreadable{inbox=\"inbox0\"} 0\n"), 1);
	assert_int_equal(times_in(text, "\ninboxd_inbox_unreadable{inbox=\"inbox1\"} 1\n"), 1);
	assert_int_equal(
	    times_in(text, "\ninboxd_inbox_counted_timestamp_seconds{inbox=\"inbox1\"} 1"), 1);
}

/* The values of status_server.c are the cells' places, from 1 on. */
static void
check_histograms(const char *text, int openmetrics)
{
	const char *whole = openmetrics ? ".0" : "";
	char want[160];

	for (int i = 0; i < HISTOGRAM_COUNT; i++) {
		const struct histogram_row *row = &histogram_rows[i];
		const uint64_t *bounds;
		size_t first = (size_t)stats_cell((enum histogram)i, 0) + 1;
		size_t count = histogram_bounds(row->unit, &bounds), sum = first;
		snprintf(want, sizeof(want), "\n# TYPE %s histogram\n", row->metric);
		assert_int_equal(times_in(text, want), 1);
		snprintf(want, sizeof(want), "\n%s_bucket{", row->metric);
		assert_int_equal(times_in(text, want), count + 1);
		if (row->unit == HISTOGRAM_TIME)
			snprintf(want, sizeof(want), "_bucket{le=\"0.0001\"} %zu\n", first);
		else
			snprintf(want, sizeof(want), "_bucket{le=\"1%s\"} %zu\n", whole, first);
		assert_int_equal(times_in(text, want), 1);
		for (size_t k = 1; k <= count; k++)
			sum += first + k;
		snprintf(want, sizeof(want), "\n%s_bucket{le=\"+Inf\"} %zu\n", row->metric, sum);
		assert_int_equal(times_in(text, want), 1);
		snprintf(want, sizeof(want), "\n%s_count %zu\n", row->metric, sum);
		assert_int_equal(times_in(text, want), 1);
		snprintf(want, sizeof(want),
		    row->unit == HISTOGRAM_TIME ? "\n%s_sum 0.000%zu\n" : "\n%s_sum %zu\n",
		    row->metric, first + HISTOGRAM_SUM);
		assert_int_equal(times_in(text, want), 1);
	}
	snprintf(want, sizeof(want), "inboxd_acknowledge_seconds_bucket{le=\"60%s\"} ", whole);
	assert_int_equal(times_in(text, want), 1);
}

static void
check_families(const char *text, int cut)
{
	check_inboxes(text);
	check_histograms(text, cut);
	char want[160];

	for (size_t i = 0; i < STATS_COUNT; i++) {
		const struct stats_row *row = &stats_rows[i];
		int len = (int)strlen(row->metric) - (cut && row->kind != STATS_GAUGE ? 6 : 0);
		snprintf(want, sizeof(want), "# HELP %.*s ", len, row->metric);
		assert_int_equal(times_in(text, want), 1);
		snprintf(want, sizeof(want), "\n# TYPE %.*s %s\n", len, row->metric,
		    row->kind == STATS_GAUGE ? "gauge" : "counter");
		assert_int_equal(times_in(text, want), 1);
		snprintf(want, sizeof(want), "\n%s%s%s%s ", row->metric, *row->label ? "{" : "",
		    row->label, *row->label ? "}" : "");
		assert_int_equal(times_in(text, want), 1);
	}
}

static void
metrics_name_each_family_once(void **state)
{
	(void)state;
	server_start();
	char *reply = get("/metrics");
	assert_int_equal(code_of(reply), 200);
	assert_non_null(
	    strstr(reply, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	check_families(reply, 0);
	assert_null(strstr(reply, "# EOF"));
	free(reply);
	server_stop();
}

static void
metrics_are_openmetrics_when_asked(void **state)
{
	(void)state;
	server_start();
	char *reply = listen_to(ask("GET", "/metrics",
	    "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"));
	assert_int_equal(code_of(reply), 200);
	assert_non_null(strstr(reply,
	    "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	check_families(reply, 1);
	size_t len = strlen(reply);
	assert_true(len > 6);
	assert_string_equal(reply + len - 6, "# EOF\n");
	free(reply);
	server_stop();
}

/* ---- requests that are wrong */

static void
only_reading_is_allowed(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

	(void)state;
	server_start();
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		char *reply = listen_to(ask(methods[i], "/status", "Content-Length: 0\r\n"));
		assert_int_equal(code_of(reply), 405);
		assert_non_null(strstr(reply, "Allow: GET, HEAD\r\n"));
		free(reply);
	}
	char *reply = get("/statusx");
	assert_int_equal(code_of(reply), 404);
	free(reply);
	reply = get("/../status");
	assert_int_equal(code_of(reply), 404);
	free(reply);
	server_stop();
}

static void
requests_are_read_as_the_standard_has_them(void **state)
{
#define BYTES(text) text, sizeof(text) - 1
	static const struct {
		const char *request;
		size_t len;
		int code;
		const char *with; /* in the answer */
	} cases[] = {
	    {BYTES("GET /healthz HTTP/1.1\r\n\r\n"), 200, "\r\nConnection: close\r\n"},
	    {BYTES("GET /healthz HTTP/1.0\n\n"), 200, "\r\nDate: "},
	    {BYTES("GET http://inboxd/healthz HTTP/1.1\r\n\r\n"), 200, "\r\n\r\nok\n"},
	    {BYTES("GET /healthz?x HTTP/1.1\r\nHost: x\r\n\r\nmore"), 200, "ok\n"},
	    {BYTES("GET /metrics HTTP/1.1\r\nACCEPT: text/plain\r\n"
	           "accept:a, application/OpenMetrics-text;q=1\r\n\r\n"), 200, "# EOF\n"},
	    {BYTES("GET /metrics HTTP/1.1\nAccept: application/openmetrics-text\n\n"), 200,
	        "# EOF\n"},
	    {BYTES("GET /metrics HTTP/1.1\r\nAccept: a\r\nX: application/openmetrics-text\r\n\r\n"),
	        200, "version=0.0.4"},
	    {BYTES("GET /metrics HTTP/1.1\r\nX-Accept: application/openmetrics-text\r\n\r\n"), 200,
	        "version=0.0.4"},
	    {BYTES("GET /healthz HTTP/1.1\r\nX: \0\r\n\r\n"), 400, "NUL"},
	    {BYTES("GET healthz HTTP/1.1\r\n\r\n"), 400, "no path"},
	    {BYTES("GET http://healthz HTTP/1.1\r\n\r\n"), 400, "no path"},
	    {BYTES("GET  /healthz HTTP/1.1\r\n\r\n"), 400, "no request"},
	    {BYTES("GET /healthz HTTP/2.0\r\n\r\n"), 400, "no request"},
	    {BYTES("GET /healthz HTTP/1.1x\r\n\r\n"), 400, "no request"},
	    {BYTES("GET /healthz\r\n\r\n"), 400, "no request"},
	    {BYTES("\r\n\r\n"), 400, "no request"},
	    {BYTES("get /healthz HTTP/1.1\r\n\r\n"), 405, "Allow: GET, HEAD\r\n"},
	};

	(void)state;
	server_start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int slow = 0; slow < 2; slow++) {
			int fd = dial();
			for (size_t at = 0; slow && at < cases[i].len; at++)
				say(fd, cases[i].request + at, 1);
			if (!slow)
				say(fd, cases[i].request, cases[i].len);
			char *reply = listen_to(fd);
			if (code_of(reply) != cases[i].code || !strstr(reply, cases[i].with))
				fail_msg("%s: want %d and \"%s\": %s", cases[i].request,
				    cases[i].code, cases[i].with, reply);
			free(reply);
		}
	}
	server_stop();
}

static void
head_has_the_length_and_no_body(void **state)
{
	static const char *const names[] = {"/metrics", "/clients"};

	(void)state;
	server_start();
	for (size_t i = 0; i < 2; i++) {
		char want[64];
		char *with = get(names[i]), *without = listen_to(ask("HEAD", names[i], ""));
		assert_int_equal(code_of(without), 200);
		assert_string_equal(body_of(without), "");
		snprintf(want, sizeof(want), "Content-Length: %zu\r\n", strlen(body_of(with)));
		assert_int_equal(times_in(without, want), 1);
		free(with);
		free(without);
	}
	server_stop();
}

static void
survives_garbage(void **state)
{
	static const char *const wrong[] = {"\r\n\r\n", "GET\r\n\r\n", "GET  \r\n\r\n",
	    "GET /status\r\n\r\n", "GET /status HTTP/9.9\r\n\r\n", "GET /status HTTP/x\r\n\r\n",
	    "BREW /status HTTP/1.1\r\n\r\n", "get /status HTTP/1.1\r\n\r\n",
	    "GET http://[::1/status HTTP/1.1\r\n\r\n", "GET * HTTP/1.1\r\n\r\n",
	    "OPTIONS * HTTP/1.1\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n",
	    "GET /%00%zz HTTP/1.1\r\n\r\n", "GET /status HTTP/1.1\r\n: x\r\n\r\n",
	    "GET /status HTTP/1.1\r\nno colon\r\n\r\n", "GET /status HTTP/1.1\r\n folded\r\n\r\n",
	    "POST /status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
	    "POST /status HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
	    "POST /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	    "POST /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
	    "POST /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx",
	    "POST /status HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n",
	    "GET /status HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
	    "GET /status HTTP/1.1\r\n\r\nGET /clients HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\n\r\n"};
	unsigned seed = (unsigned)time(NULL);
	char noise[2048];

	(void)state;
	server_start();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int fd = dial();
		say(fd, wrong[i], strlen(wrong[i]));
		shutdown(fd, SHUT_WR);
		free(listen_to(fd));
	}
	print_message("# seed %u\n", seed);
	for (int i = 0; i < 200; i++) {
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (char)rand_r(&seed);
		if (i % 2 == 0)
			memcpy(noise, "GET /status HTTP/1.1\r\n", 22);
		int fd = dial();
		say(fd, noise, (size_t)(rand_r(&seed) % (int)sizeof(noise)));
		if (i % 3 == 0) {
			close(fd);
			continue;
		}
		shutdown(fd, SHUT_WR);
		free(listen_to(fd));
	}
	assert_lives();
	server_stop();
}

static void
limits_what_it_reads(void **state)
{
	char *large = malloc(1 << 20);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', 1 << 20);
	server_start();
	const char *const heads[] = {"GET /", "GET /status HTTP/1.1\r\nX: ",
	    "POST /status HTTP/1.1\r\nContent-Length: 1048576\r\n\r\n"};
	const int codes[] = {431, 431, 405};
	for (size_t i = 0; i < 3; i++) {
		int fd = dial();
		say(fd, heads[i], strlen(heads[i]));
		say(fd, large, 1 << 20);
		char *reply = listen_to(fd);
		assert_int_equal(code_of(reply), codes[i]);
		free(reply);
	}
	free(large);
	assert_lives();
	server_stop();
}

/* ---- /clients when nobody answers */

static void
waiters_are_bounded_and_not_kept_for_ever(void **state)
{
	enum { PLACES = HTTP_CONNECTIONS };
	int fds[PLACES];

	(void)state;
	server_answer = ANSWER_NEVER;
	server_start();
	for (int i = 0; i < PLACES - 1; i++)
		fds[i] = ask("GET", "/clients", "");
	assert_lives();
	fds[PLACES - 1] = ask("GET", "/clients", "");
	char *reply = get("/healthz");
	assert_int_equal(code_of(reply), 503);
	assert_string_equal(body_of(reply), "too many read the status pages, ask again\n");
	free(reply);
	/* Half of them leave. */
	for (int i = 0; i < PLACES / 2; i++)
		close(fds[i]);
	time_t before = time(NULL);
	for (int i = PLACES / 2; i < PLACES; i++) {
		reply = listen_to(fds[i]);
		assert_int_equal(code_of(reply), 504);
		free(reply);
	}
	assert_in_range(time(NULL) - before, 8, 14);
	/* The places are free again; stopping answers who waits. */
	int fd = ask("GET", "/clients", "");
	assert_lives();
	server_stop();
	reply = listen_to(fd);
	assert_true(code_of(reply) == 503 || *reply == '\0');
	free(reply);
}

static long
memory_of_server(void)
{
	char path[64], line[256];
	long kilobytes = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)server_pid);
	FILE *file = fopen(path, "r");
	if (!file)
		skip();
	while (fgets(line, sizeof(line), file))
		sscanf(line, "VmHWM: %ld kB", &kilobytes);
	fclose(file);
	return kilobytes;
}

static void
readers_that_do_not_read_cost_little_and_not_for_ever(void **state)
{
	enum { READERS = 200 };
	static const char half[] = "GET /status HTTP/1.1\r\n";
	int fds[READERS], crowded = 0;
	char part[64];

	(void)state;
	server_answer = ANSWER_LARGE;
	server_start();
	long before = memory_of_server(), full = 0;
	fds[0] = dial();
	say(fds[0], half, sizeof(half) - 1);
	for (int i = 1; i < READERS; i++) {
		fds[i] = ask("GET", "/clients", "");
		struct pollfd pfd = {.fd = fds[i], .events = POLLIN};
		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		assert_int_equal(recv(fds[i], part, 13, MSG_PEEK), 13);
		if (strncmp(part, "HTTP/1.1 503 ", 13) == 0)
			crowded++;
		else
			full = memory_of_server();
	}
	assert_int_equal(crowded, READERS - HTTP_CONNECTIONS);
	print_message("# %d readers cost %ld kB, %d more %ld\n", HTTP_CONNECTIONS, full - before,
	    crowded, memory_of_server() - full);
	assert_true(memory_of_server() - full < 2 << 10); /* it may be less, too */
	char *reply;
	time_t began = time(NULL);
	while (reply = get("/healthz"), code_of(reply) != 200) {
		free(reply);
		assert_true(time(NULL) - began < 25);
		usleep(200000);
	}
	free(reply);
	for (int i = 0; i < READERS; i++)
		close(fds[i]);
	/* What one reads in time is whole, though it does not fit the socket's buffer. */
	reply = get("/clients");
	assert_true(strlen(reply) > 100000);
	assert_string_equal(reply + strlen(reply) - 4, "\n]}\n");
	free(reply);
	server_stop();
}

static void
clients_may_leave_before_the_answer(void **state)
{
	struct linger hard = {1, 0};

	(void)state;
	server_answer = ANSWER_SOON;
	server_start();
	for (int i = 0; i < 10; i++) {
		int fd = ask("GET", "/clients", "");
		if (i % 2 == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		close(fd);
	}
	json_decref(get_json("/clients"));
	assert_lives();
	server_stop();
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, server_setup, server_teardown)
	const struct CMUnitTest tests[] = {
	    T(status_accounts_for_every_item),
	    T(inboxes_tell_what_waits),
	    T(inboxes_are_of_a_count_begun_later),
	    T(inboxes_tell_the_last_count_where_one_takes_long),
	    T(status_waits_a_moment_for_a_look),
	    T(clients_come_when_the_answer_does),
	    T(clients_come_in_parts),
	    T(clients_say_when_memory_is_out),
	    T(status_has_the_histograms),
    T(status_tells_what_is_wrong),
    T(values_are_counted_by_their_size),
    T(metrics_name_each_family_once),
	    T(metrics_are_openmetrics_when_asked),
	    T(only_reading_is_allowed),
	    T(requests_are_read_as_the_standard_has_them),
	    T(head_has_the_length_and_no_body),
	    T(survives_garbage),
	    T(limits_what_it_reads),
	    T(waiters_are_bounded_and_not_kept_for_ever),
	    T(readers_that_do_not_read_cost_little_and_not_for_ever),
	    T(clients_may_leave_before_the_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
