/* SPDX-License-Identifier: ISC */
/*
 * The JSON shapes, STATUS_SCHEMA 1.  A key keeps its meaning within a schema
 * number; keys may be added.  Times of day are whole seconds since 1970 UTC,
 * null: never or not known.  Text is ASCII; a byte that is not UTF-8 (in a
 * folder's name) is escaped as escape.h says.
 *
 * /status
 *	{"schema": 1, "version": "0.1.0", "pid": 4711,
 *	 "host": "cap1",                the receiver's name for itself
 *	 "state": "running",            or "paused": all inboxes are; "draining"; or "waiting":
 *	                                another host's receiver has the root
 *	 "root": {
 *	   "path": "/var/lib/inboxd",
 *	   "id": "32 digits",           null: none yet
 *	   "held_by": null,             or whom it waits for, as far as the lock file tells:
 *	                                {"host": "cap2", "machine": "32 digits", "pid": 4711,
 *	                                 "since": 1795356000}
 *	   "filesystem": "ext4",        null: not looked at yet; its abilities, by lib/trial.h:
 *	   "abilities": {"rename": "noreplace", "exchange": true, "reserve": true, "locks": true,
 *	                 "attributes": true, "syncfs": true, "inodes": true, "names": 255}},
 *	                                null: not tried; a null among them: in vain
 *	 "since": 1795356000,           start of the receiver
 *	 "now": 1795359600,
 *	 "reload_error": null,          why the last reload was not taken
 *	 "reload": {
 *	   "differs": true,             is there, of what is in force, something else on the disk?
 *	   "files": ["/etc/inboxd/server.pem"],   those
 *	   "error": null,               as reload_error
 *	   "at": 1795357000},           the last one that was taken
 *	 "sandbox": "Landlock ABI 4",   by what the receiver is shut in; null: it is not, and
 *	 "sandbox_lacks": null,         why not
 *	 "clients": {                   each counted once, by the worst of its queues; null: not yet
 *	   "up-to-date": 990, "behind": 3, "silent": 5, "missing": 1, "never-came": 1,
 *	   "counted": 1795359590},      when they were
 *	 "items": {                     how items ended, since the start:
 *	   "offered": 100, "stored": 90, "again": 3,
 *	   "later": {"digest": 1, "full": 0, "trouble": 0, "unsettled": 0,
 *	             "busy": 0, "use-open": 0, "use-put": 0,
 *	             "no-inbox": 0, "not-allowed": 0, "too-large": 0,
 *	             "paused": 0, "inbox-full": 0},
 *	   "refused": {"no-inbox": 2, "not-allowed": 0, "too-large": 1},
 *	   "cut_off": 1, "in_flight": 2},
 *	                                offered is the sum of all the others
 *	 "counters": {"inboxd_connections_accepted_total": 12, ...},
 *	                                all other counters by their metric's name
 *	 "gauges": {"inboxd_connections": 4, ...},
 *	 "histograms": {
 *	   "inboxd_acknowledge_seconds": {
 *	     "count": 90, "sum": 0.042, values, and what they add up to
 *	     "buckets": [[0.0001, 2], [0.0002, 17], ...]}, ...},
 *	                                how many values were no larger than that
 *	 "problems": [                  what is wrong now, most severe first: lib/health.h
 *	   {"severity": "warning",      or "critical"
 *	    "name": "disk-full", "text": "the disk fills up: large items are put off"}]}
 *
 * /forget, once it is done
 *	{"schema": 1, "now": 1795359600,
 *	 "queues": 1,                   that were forgotten
 *	 "unsettled": 0}                items of theirs that would be stored again
 *
 * /gap, once it is done
 *	{"schema": 1, "now": 1795359600,
 *	 "gaps": 1,                     that nobody had confirmed before
 *	 "queue": "32 hexadecimal digits"}
 *
 * /pause and /resume, once it is done
 *	{"schema": 1, "now": 1795359600,
 *	 "inbox": "status",             null: all
 *	 "changed": true,               false: it was so before
 *	 "paused": {"since": 1795359600, "uid": 0, "reason": null}}
 *	                                what holds it up now; null: nothing does
 *
 * The pages with an array are in lists.c, that of Prometheus in metrics.c.
 */
#include "config.h"

#include "inboxd/status/pages.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxd/base/holder.h"
#include "inboxd/commit/view.h"
#include "inboxd/status/problems.h"
#include "inboxd/status/values.h"
#include "lib/trial.h"

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

/* NULL: out of memory. */
static json_t *
histogram_json(enum histogram which, const uint64_t values[STATS_CELLS])
{
	const struct histogram_row *row = &histogram_rows[which];
	const uint64_t *cells = &values[stats_cell(which, 0)], *bounds;
	size_t count = histogram_bounds(row->unit, &bounds);
	int is_time = row->unit == HISTOGRAM_TIME;
	json_t *buckets = json_array();
	uint64_t so_far = 0;

	for (size_t i = 0; i < count; i++) {
		json_t *bound = is_time ? json_real((double)bounds[i] / USEC_PER_SEC)
		                        : json_count(bounds[i]);
		so_far += cells[i];
		if (json_array_append_new(
		        buckets, json_pack("[o, o]", bound, json_count(so_far))) == -1) {
			json_decref(buckets);
			return NULL;
		}
	}
	uint64_t sum = cells[HISTOGRAM_SUM];
	return json_pack("{s:o, s:o, s:o}", "count", json_count(so_far + cells[count]), "sum",
	    is_time ? json_real((double)sum / USEC_PER_SEC) : json_count(sum), "buckets", buckets);
}

static json_t *
histograms_json(const uint64_t values[STATS_CELLS])
{
	json_t *histograms = json_object();

	for (int i = 0; i < HISTOGRAM_COUNT; i++)
		if (json_object_set_new(histograms, histogram_rows[i].metric,
		        histogram_json((enum histogram)i, values)) == -1) {
			json_decref(histograms);
			return NULL;
		}
	return histograms;
}

static json_t *
reload_json(const struct status_source *source, const struct reload_view *reload)
{
	json_t *files = json_array();
	const char *path;

	for (size_t i = 0; (path = source->differs(source->ctx, i)); i++)
		if (json_array_append_new(files, json_text(path)) == -1) {
			json_decref(files);
			return NULL;
		}
	return json_pack("{s:b, s:o, s:o, s:o}", "differs", json_array_size(files) > 0, "files",
	    files, "error", json_text(reload->error), "at", json_time(reload->at));
}

/* null: they are not counted yet. */
static json_t *
clients_json(const uint64_t values[STATS_CELLS])
{
	json_t *clients = json_object();
	int is_counted = values[STAT_CLIENTS_COUNTED] > 0;

	for (int i = 0; i < CLIENT_STATES; i++) {
		json_t *count = is_counted ? json_count(values[STAT_CLIENTS_UP_TO_DATE + i])
		                           : json_null();
		if (json_object_set_new(clients, client_state_name((enum client_state)i), count) ==
		    -1) {
			json_decref(clients);
			return NULL;
		}
	}
	if (json_object_set_new(clients, "counted",
	        json_time((int64_t)values[STAT_CLIENTS_COUNTED])) == -1) {
		json_decref(clients);
		return NULL;
	}
	return clients;
}

static int
add_sandbox(json_t *page, const struct status_source *source)
{
	struct why why;
	int is_shut = source->sandbox(source->ctx, &why);

	if (json_object_set_new(page, "sandbox", json_text(is_shut ? why.text : NULL)) == -1)
		return -1;
	return json_object_set_new(page, "sandbox_lacks", json_text(is_shut ? NULL : why.text));
}

static json_t *
holder_json(const struct holder *holder)
{
	if (!holder)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o}", "host",
	    json_text(holder->host[0] ? holder->host : NULL), "machine",
	    json_text(holder->machine[0] ? holder->machine : NULL), "pid",
	    holder->pid > 0 ? json_count(holder->pid) : json_null(), "since",
	    json_time((int64_t)holder->since.tv_sec));
}

/* null: not tried yet, or, of one of them, in vain. */
static json_t *
abilities_json(const struct trial *can)
{
	json_t *abilities;

	if (!can)
		return json_null();
	abilities = json_pack("{s:o, s:o}", "rename",
	    json_text(can->error ? NULL : trial_renames[can->rename]), "names",
	    json_count(can->name_max));
	for (int i = 0; abilities && i < TRIAL_COUNT; i++) {
		int is_known = !can->error || i >= TRIAL_SEEN;
		if (json_object_set_new(abilities, trial_names[i],
		        is_known ? json_boolean(can->can[i]) : json_null()) == -1) {
			json_decref(abilities);
			return NULL;
		}
	}
	return abilities;
}

static json_t *
root_json(const struct status_source *source)
{
	struct root_view root = {0};

	source->root(source->ctx, &root);
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "path", json_text(root.path), "id",
	    json_text(root.id && root.id[0] ? root.id : NULL), "held_by",
	    holder_json(root.holder), "filesystem", json_text(root.can ? root.can->type : NULL),
	    "abilities", abilities_json(root.can));
}

char *
pages_status(const struct status_source *source, const uint64_t values[STATS_CELLS],
    int64_t since, int64_t now)
{
	char *text = NULL;
	struct reload_view reload = {0};
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
	source->reload(source->ctx, &reload);
	page = json_pack("{s:i, s:s, s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:O, s:O, s:O, s:o, s:o, "
	                 "s:o, s:o}",
	    "schema", STATUS_SCHEMA, "version", PACKAGE_VERSION, "host",
	    json_text(source->host(source->ctx)), "state", source->state(source->ctx), "pid",
	    (json_int_t)getpid(), "since", json_time(since), "now", json_time(now),
	    "reload_error", json_text(reload.error), "reload", reload_json(source, &reload),
	    "items", items, "counters", counters, "gauges", gauges, "histograms",
	    histograms_json(values), "clients", clients_json(values), "problems",
	    problems_json(source, values, now), "root", root_json(source));
	if (page && add_sandbox(page, source) == 0)
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

char *
pages_paused(const char *inbox, int changed, const struct pause *pause, int64_t now)
{
	json_t *page = json_pack("{s:i, s:o, s:o, s:b, s:o}", "schema", STATUS_SCHEMA, "now",
	    json_time(now), "inbox", json_text(inbox), "changed", changed, "paused",
	    json_pause(pause));
	char *text = page ? json_dumps(page, VALUES_DUMP) : NULL;

	json_decref(page);
	return text;
}

char *
pages_confirmed(const struct confirm_answer *answer, int64_t now)
{
	json_t *page = json_pack("{s:i, s:o, s:o, s:s}", "schema", STATUS_SCHEMA, "now",
	    json_time(now), "gaps", json_count(answer->gaps), "queue", answer->queue);
	char *text = page ? json_dumps(page, VALUES_DUMP) : NULL;

	json_decref(page);
	return text;
}
