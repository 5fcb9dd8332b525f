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
 * /forget, once it is done
 *	{"schema": 1, "now": 1795359600,
 *	 "queues": 1,                   that were forgotten
 *	 "unsettled": 0}                items of theirs that would be stored again
 *
 * The pages with an array are in lists.c, that of Prometheus in metrics.c.
 */
#include "config.h"

#include "inboxd/status/pages.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/commit/view.h"
#include "inboxd/status/values.h"

#define USEC_PER_SEC 1000000
#define TIME_DIGITS JSON_REAL_PRECISION(15) /* microseconds, for 30 years */

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
		uint64_t value = stats_told(values, row);
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

char *
pages_forgotten(const struct forget_answer *answer, int64_t now)
{
	json_t *page = json_pack("{s:i, s:o, s:o, s:o}", "schema", STATUS_SCHEMA, "now",
	    json_time(now), "queues", json_count(answer->queues), "unsettled",
	    json_count(answer->unsettled));
	char *text = page ? json_dumps(page, VALUES_DUMP) : NULL;

	json_decref(page);
	return text;
}
