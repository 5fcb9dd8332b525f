/* SPDX-License-Identifier: ISC */
/*
 * The JSON shapes, STATUS_SCHEMA 1.  A key keeps its meaning within a schema
 * number; keys may be added.  Times of day are whole seconds since 1970 UTC,
 * null: never or not known.  Text is ASCII; a byte that is not UTF-8 (in a
 * folder's name) is escaped as escape.h says.
 *
 * /status
 *	{"schema": 1, "version": "0.1.0", "pid": 4711,
 *	 "since": 1795356000,           start of the receiver
 *	 "now": 1795359600,
 *	 "reload_error": null,          why the last reload was not taken
 *	 "items": {                     how items ended, since the start:
 *	   "offered": 100, "stored": 90, "again": 3,
 *	   "later": {"digest": 1, "full": 0, "trouble": 0, "unsettled": 0,
 *	             "busy": 0, "use-open": 0, "use-put": 0,
 *	             "no-inbox": 0, "not-allowed": 0, "too-large": 0},
 *	   "refused": {"no-inbox": 2, "not-allowed": 0, "too-large": 1},
 *	   "cut_off": 1, "in_flight": 2},
 *	                                offered is the sum of all the others
 *	 "counters": {"inboxd_connections_accepted_total": 12, ...},
 *	                                all other counters by their metric's name
 *	 "gauges": {"inboxd_connections": 4, ...}}
 *
 * /inboxes
 *	{"schema": 1, "now": 1795359600, "inboxes": [
 *	  {"name": "status", "folder": "/srv/inbox/status", "suffix": ".svf",
 *	   "size_limit_bytes": 1048576,  largest item taken
 *	   "waiting": 17,                files in new/; null: not known
 *	   "oldest": 1795359000,         modification time of the oldest of them
 *	   "claimed": 1,                 likewise of cur/
 *	   "claimed_oldest": 1795358000,
 *	   "counted": 1795359598,        when these were; null: not yet
 *	   "error": null}]}              or why a folder could not be read
 *
 * /clients
 *	{"schema": 1, "now": 1795359600,
 *	 "next": 1000,                  /clients?from=1000 goes on; null: these were the last
 *	 "clients": [
 *	  {"identity": "pc1.example.com", "queue": "32 hexadecimal digits",
 *	   "connected": true,
 *	   "settled": 41,                the mark: all numbers below are settled
 *	   "unsettled": 2,               items remembered at or above it
 *	   "stored": 40, ...}]}          and each of its figures by its name: lib/figures.h
 *
 * /forget, once it is done
 *	{"schema": 1, "now": 1795359600,
 *	 "queues": 1,                   that were forgotten
 *	 "unsettled": 0}                items of theirs that would be stored again
 *
 * An array has one element a line.  Elements are made, written and dropped one
 * by one: a tree of 100,000 clients would cost 100 MB for the time of a page.
 */
#include "config.h"

#include "inboxd/status/pages.h"
#include "inboxd/base/inbox.h"
#include "inboxd/commit/view.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/escape.h"

#define DUMP_FLAGS (JSON_ENSURE_ASCII | JSON_COMPACT)
#define USEC_PER_SEC 1000000
#define TIME_DIGITS JSON_REAL_PRECISION(15) /* microseconds, for 30 years */

static json_t *
json_count(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *
json_time(int64_t seconds)
{
	return seconds > 0 ? json_integer(seconds) : json_null();
}

/* "" gives null.  jansson takes UTF-8 only. */
static json_t *
json_text(const char *text)
{
	if (!text || *text == '\0')
		return json_null();
	json_t *value = json_string(text);
	if (value)
		return value;
	size_t len = strlen(text), room = ESCAPE_ROOM(len);
	char *escaped = malloc(room);
	if (!escaped)
		return NULL;
	escape_bytes(escaped, room, text, len);
	value = json_string(escaped);
	free(escaped);
	return value;
}

/* A gauge is a sum over threads that may be read while a thing moves from one
 * to the other: below zero is zero. */
static uint64_t
row_value(const uint64_t values[STATS_COUNT], size_t row)
{
	if (stats_rows[row].kind == STATS_GAUGE && values[row] > INT64_MAX)
		return 0;
	return values[row];
}

static json_t *
row_json(size_t row, uint64_t value)
{
	if (stats_rows[row].kind == STATS_TIME)
		return json_real((double)value / USEC_PER_SEC);
	return json_count(value);
}

static int
is_of_items(size_t row)
{
	return (row >= STAT_OFFERED && row <= STAT_CUT_OFF) || row == STAT_NOW_IN_FLIGHT;
}

/* Sets page[key], or page[key][label's value] where the row has a label.  Takes `value`. */
static int
add_row(json_t *page, const char *key, size_t row, json_t *value)
{
	char label[32];

	if (sscanf(stats_rows[row].label, "%*[a-z]=\"%31[^\"]\"", label) != 1)
		return json_object_set_new(page, key, value);

	json_t *labels = json_object_get(page, key);
	if (!labels) {
		labels = json_object();
		if (json_object_set_new(page, key, labels) == -1) {
			json_decref(value);
			return -1;
		}
	}
	return json_object_set_new(labels, label, value);
}

static int
add_item_row(json_t *items, size_t row, uint64_t value)
{
	static const char prefix[] = "inboxd_items_", suffix[] = "_total";
	char key[64];

	snprintf(key, sizeof key, "%s", stats_rows[row].metric + sizeof prefix - 1);
	size_t len = strlen(key);
	if (len > sizeof suffix - 1 && strcmp(key + len - (sizeof suffix - 1), suffix) == 0)
		key[len - (sizeof suffix - 1)] = '\0';
	return add_row(items, key, row, json_count(value));
}

char *
pages_status(const uint64_t values[STATS_COUNT], int64_t since, int64_t now,
    const char *reload_error)
{
	char *text = NULL;
	json_t *items = json_object(), *counters = json_object(), *gauges = json_object();
	json_t *page = NULL;

	for (size_t row = 0; row < STATS_COUNT; row++) {
		uint64_t value = row_value(values, row);
		int rc;
		if (is_of_items(row))
			rc = add_item_row(items, row, value);
		else
			rc = add_row(stats_rows[row].kind == STATS_GAUGE ? gauges : counters,
			    stats_rows[row].metric, row, row_json(row, value));
		if (rc == -1)
			goto fail;
	}
	page = json_pack("{s:i, s:s, s:I, s:o, s:o, s:o, s:O, s:O, s:O}", "schema", STATUS_SCHEMA,
	    "version", PACKAGE_VERSION, "pid", (json_int_t)getpid(), "since", json_time(since),
	    "now", json_time(now), "reload_error", json_text(reload_error), "items", items,
	    "counters", counters, "gauges", gauges);
	if (page)
		text = json_dumps(page, JSON_ENSURE_ASCII | JSON_INDENT(2) | TIME_DIGITS);
fail:
	json_decref(page);
	json_decref(items);
	json_decref(counters);
	json_decref(gauges);
	return text;
}

/* ---- pages with an array: `more` is what stands before it, closed by a comma */

struct list {
	FILE *out;
	char *text;
	size_t len, count;
	int failed;
};

static void
list_open(struct list *list, const char *more, const char *key, int64_t now)
{
	*list = (struct list){0};
	list->out = open_memstream(&list->text, &list->len);
	if (!list->out)
		list->failed = 1;
	else
		fprintf(list->out, "{\"schema\":%d,\"now\":%" PRId64 ",%s\"%s\":[",
		    STATUS_SCHEMA, now, more, key);
}

/* Takes `element`; NULL: out of memory. */
static void
list_add(struct list *list, json_t *element)
{
	if (!element || list->failed) {
		list->failed = 1;
	} else {
		fputs(list->count++ == 0 ? "\n" : ",\n", list->out);
		if (json_dumpf(element, list->out, DUMP_FLAGS) == -1)
			list->failed = 1;
	}
	json_decref(element);
}

/* The text, or NULL if anything failed on the way. */
static char *
list_close(struct list *list)
{
	if (list->out) {
		fputs("\n]}\n", list->out);
		if (ferror(list->out))
			list->failed = 1;
		if (fclose(list->out) == EOF)
			list->failed = 1;
	}
	if (list->failed) {
		free(list->text);
		return NULL;
	}
	return list->text;
}

static json_t *
json_files(const struct inbox_pile *pile)
{
	return pile->known ? json_count(pile->files) : json_null();
}

char *
pages_inboxes(const struct status_source *source, int64_t now)
{
	struct list list;
	struct inbox_view view;

	list_open(&list, "", "inboxes", now);
	for (size_t i = 0; !list.failed; i++) {
		if (source->inbox(source->ctx, i, &view) == -1)
			break;
		const struct inbox_count *count = &view.count;
		list_add(&list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
		    "name", json_text(view.name), "folder", json_text(view.folder), "suffix",
		    json_text(view.suffix), "size_limit_bytes", json_count(view.size),
		    "waiting", json_files(&count->waiting),
		    "oldest", json_time(count->waiting.oldest / USEC_PER_SEC),
		    "claimed", json_files(&count->claimed),
		    "claimed_oldest", json_time(count->claimed.oldest / USEC_PER_SEC),
		    "counted", json_time(count->begun / USEC_PER_SEC),
		    "error", json_text(count->error)));
	}
	return list_close(&list);
}

static json_t *
figure_json(const struct figures *figures, const struct member *figure)
{
	if (figure->field.kind == KIND_TIME)
		return json_time(member_number(figure, figures) / USEC_PER_SEC);
	if (figure->field.kind == KIND_SECONDS)
		return json_time(member_number(figure, figures));
	if (member_is_number(figure))
		return json_count((uint64_t)member_number(figure, figures));
	return json_text(member_of(figure, figures));
}

static json_t *
client_json(const struct client_view *view)
{
	json_t *client = json_pack("{s:o, s:o, s:b, s:o, s:o}", "identity",
	    json_text(view->identity), "queue", json_text(view->queue), "connected",
	    view->connected != 0, "settled", json_count(view->settled), "unsettled",
	    json_count(view->unsettled));

	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		const struct member *figure = &figures_rows[i].member;
		if (json_object_set_new(client, figure->field.name,
		        figure_json(&view->figures, figure)) == -1) {
			json_decref(client);
			return NULL;
		}
	}
	return client;
}

char *
pages_clients(const struct client_view *views, size_t count, uint64_t next, int64_t now)
{
	struct list list;
	char more[48] = "\"next\":null,";

	if (next > 0)
		snprintf(more, sizeof more, "\"next\":%" PRIu64 ",", next);
	list_open(&list, more, "clients", now);
	for (size_t i = 0; i < count && !list.failed; i++)
		list_add(&list, client_json(&views[i]));
	return list_close(&list);
}

char *
pages_forgotten(const struct forget_answer *answer, int64_t now)
{
	json_t *page = json_pack("{s:i, s:o, s:o, s:o}", "schema", STATUS_SCHEMA, "now",
	    json_time(now), "queues", json_count(answer->queues), "unsettled",
	    json_count(answer->unsettled));
	char *text = page ? json_dumps(page, DUMP_FLAGS) : NULL;

	json_decref(page);
	return text;
}

/* ---- metrics */

/* In OpenMetrics a counter's family has the name without "_total". */
static void
put_family(FILE *out, const struct stats_row *row, int openmetrics)
{
	size_t len = strlen(row->metric), cut = strlen("_total");

	if (openmetrics && row->kind != STATS_GAUGE && len > cut &&
	    strcmp(row->metric + len - cut, "_total") == 0)
		len -= cut;
	fprintf(out, "# HELP %.*s %s\n", (int)len, row->metric, row->help);
	fprintf(out, "# TYPE %.*s %s\n", (int)len, row->metric,
	    row->kind == STATS_GAUGE ? "gauge" : "counter");
}

static const struct {
	const char *metric, *help;
} inbox_rows[] = {
    {"inboxd_inbox_waiting", "Files in new/."},
    {"inboxd_inbox_oldest_timestamp_seconds", "From when the oldest file in new/ is, UTC."},
    {"inboxd_inbox_claimed", "Files in cur/."},
    {"inboxd_inbox_claimed_oldest_timestamp_seconds",
        "From when the oldest file in cur/ is, UTC."},
    {"inboxd_inbox_counted_timestamp_seconds", "When these were counted, UTC."},
};
#define INBOX_ROWS (sizeof inbox_rows / sizeof inbox_rows[0])

/* Of the rows above.  0 where it is not known, or there is no oldest: then the sample is left
 * out, so that an alarm on its age needs no exception. */
static int
inbox_value(const struct inbox_count *count, size_t row, uint64_t *value)
{
	const struct inbox_pile *pile = row < 2 ? &count->waiting : &count->claimed;
	int64_t time = row == INBOX_ROWS - 1 ? count->begun : pile->oldest;

	if (row == 0 || row == 2) {
		*value = pile->files;
		return pile->known;
	}
	*value = (uint64_t)time / USEC_PER_SEC;
	return time > 0;
}

static void
put_inboxes(FILE *out, const struct status_source *source)
{
	struct inbox_view view;
	uint64_t value;

	for (size_t row = 0; row < INBOX_ROWS; row++) {
		const char *metric = inbox_rows[row].metric;
		fprintf(out, "# HELP %s %s\n# TYPE %s gauge\n", metric, inbox_rows[row].help,
		    metric);
		for (size_t i = 0; source->inbox(source->ctx, i, &view) == 0; i++)
			if (inbox_value(&view.count, row, &value))
				fprintf(out, "%s{inbox=\"%s\"} %" PRIu64 "\n", metric, view.name,
				    value);
	}
}

char *
pages_metrics(const struct status_source *source, const uint64_t values[STATS_COUNT],
    int openmetrics)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < STATS_COUNT; i++) {
		const struct stats_row *row = &stats_rows[i];
		if (i == 0 || strcmp(row->metric, stats_rows[i - 1].metric) != 0)
			put_family(out, row, openmetrics);
		if (*row->label != '\0')
			fprintf(out, "%s{%s} ", row->metric, row->label);
		else
			fprintf(out, "%s ", row->metric);
		uint64_t value = row_value(values, i);
		if (row->kind == STATS_TIME)
			fprintf(out, "%" PRIu64 ".%06" PRIu64 "\n", value / USEC_PER_SEC,
			    value % USEC_PER_SEC);
		else
			fprintf(out, "%" PRIu64 "\n", value);
	}
	put_inboxes(out, source);
	if (openmetrics)
		fputs("# EOF\n", out);
	int failed = ferror(out);
	if (fclose(out) == EOF || failed) {
		free(text);
		return NULL;
	}
	return text;
}
