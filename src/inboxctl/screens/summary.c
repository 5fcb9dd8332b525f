/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "inboxctl/pages/show_cells.h"
#include "lib/table.h"

#define LABEL_WIDTH 13
#define DAY 86400
#define COUNT_OLD 5 /* seconds: a count is told to be older from there on */
#define SOON (14 * DAY) /* what ends within that time is tinted */

static void
label(struct line *line, const char *text)
{
	line_add(line, TINT_HEAD, "%s", text);
	line_to(line, LABEL_WIDTH);
}

/* "12 words", tinted where there is one. */
static void
add_count(struct line *line, enum tint tint, int64_t count, const char *words)
{
	line_add(line, count > 0 ? tint : TINT_NONE, "%" PRId64 " %s", count, words);
}

void
summary_head(struct line *line, const json_t *status)
{
	const char *version = json_string_value(json_object_get(status, "version"));
	const char *host = json_string_value(json_object_get(status, "host"));
	const char *state = json_string_value(json_object_get(status, "state"));
	char up[TABLE_CELL_ROOM];

	table_span(up, show_integer(status, "now") - show_integer(status, "since"));
	line_add(line, TINT_HEAD, "inboxd %s", version ? version : "-");
	line_add(line, TINT_NONE, "%s%s, up %s", host ? " on " : "", host ? host : "", up);
	if (state && strcmp(state, "running") != 0) {
		line_add(line, TINT_NONE, ", ");
		line_add(line, TINT_WARN, "%s", state);
	}
}

/* ---- lines */

static void
items_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	const json_t *items = json_object_get(status, "items");
	int64_t span = show_integer(status, "now") - show_integer(status, "since");
	int64_t stored = show_integer(items, "stored");

	(void)inboxes;
	label(line, "items");
	line_add(line, TINT_NONE, "%" PRId64 " stored (%.1f/s on average), ", stored,
	    (double)stored / (double)(span > 0 ? span : 1));
	line_add(line, TINT_NONE, "%" PRId64 " again, ", show_integer(items, "again"));
	line_add(line, TINT_NONE, "%" PRId64 " later, ", show_sum(items, "later"));
	add_count(line, TINT_WARN, show_sum(items, "refused"), "refused");
}

static void
way_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	const json_t *gauges = json_object_get(status, "gauges");
	int64_t unpublished = show_integer(gauges, "inboxd_unpublished_items");
	int64_t oldest = show_integer(gauges, "inboxd_unpublished_oldest_timestamp_seconds");
	char span[TABLE_CELL_ROOM];

	(void)inboxes;
	label(line, "under way");
	line_add(line, TINT_NONE, "%" PRId64 " connections, %" PRId64 " items in flight, ",
	    show_integer(gauges, "inboxd_connections"),
	    show_integer(json_object_get(status, "items"), "in_flight"));
	if (unpublished == 0) {
		line_add(line, TINT_NONE, "all acknowledged is in new/");
		return;
	}
	table_span(span, show_integer(status, "now") - oldest);
	line_add(line, TINT_NONE, "%" PRId64 " not in new/ yet (%s)", unpublished, span);
}

/* What takes nothing, unless it is the whole receiver, as the first line says then. */
static void
add_closed(struct line *line, const json_t *status, const json_t *list)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	int64_t paused = 0, full = 0;
	json_t *inbox;
	size_t i;

	if (state && strcmp(state, "running") != 0)
		return;
	json_array_foreach (list, i, inbox) {
		if (json_is_object(json_object_get(inbox, "paused")))
			paused++;
		else if (json_is_true(json_object_get(inbox, "over_limit")))
			full++;
	}
	if (paused > 0)
		line_add(line, TINT_WARN, "; %" PRId64 " paused", paused);
	if (full > 0)
		line_add(line, TINT_WARN, "; %" PRId64 " full", full);
}

static void
inboxes_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	const json_t *list = json_object_get(inboxes, "inboxes");
	int64_t waiting = 0, claimed = 0, oldest = 0;
	const char *worst = NULL;
	char span[TABLE_CELL_ROOM];
	json_t *inbox;
	size_t i;

	label(line, "inboxes");
	if (!list) {
		line_add(line, TINT_NONE, "-");
		return;
	}
	json_array_foreach (list, i, inbox) {
		int64_t since = show_integer(inbox, "oldest");
		waiting += show_integer(inbox, "waiting");
		claimed += show_integer(inbox, "claimed");
		if (since > 0 && (oldest == 0 || since < oldest)) {
			oldest = since;
			worst = json_string_value(json_object_get(inbox, "name"));
		}
	}
	line_add(line, TINT_NONE, "%zu: %" PRId64 " waiting", json_array_size(list), waiting);
	if (worst) {
		table_span(span, show_integer(inboxes, "now") - oldest);
		line_add(line, TINT_NONE, ", the oldest for %s in %s", span, worst);
	}
	line_add(line, TINT_NONE, "; %" PRId64 " claimed", claimed);
	add_closed(line, status, list);
}

static void
clients_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	static const struct {
		enum client_state state;
		const char *words;
	} states[] = {{CLIENT_MISSING, "missing items"}, {CLIENT_BEHIND, "behind"},
	    {CLIENT_SILENT, "silent"}, {CLIENT_NEVER_CAME, "never came"},
	    {CLIENT_UP_TO_DATE, "up to date"}};
	const json_t *counts = json_object_get(status, "clients");
	const json_t *gauges = json_object_get(status, "gauges");
	char cell[TABLE_CELL_ROOM];

	(void)inboxes;
	label(line, "clients");
	if (!json_is_integer(json_object_get(counts, "up-to-date"))) {
		line_add(line, TINT_NONE, "%" PRId64 " queues known",
		    show_integer(gauges, "inboxd_queues"));
		return;
	}
	for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
		if (i > 0)
			line_add(line, TINT_NONE, ", ");
		add_count(line, show_state_tint(states[i].state),
		    show_integer(counts, client_state_name(states[i].state)), states[i].words);
	}
	/* What is wrong, above, is of now. */
	int64_t age = show_integer(status, "now") - show_integer(counts, "counted");
	if (age >= COUNT_OLD) {
		table_span(cell, age);
		line_add(line, TINT_NONE, ", counted %s ago", cell);
	}
}

static void
disk_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	const json_t *gauges = json_object_get(status, "gauges");
	char cell[TABLE_CELL_ROOM];
	int full = show_integer(gauges, "inboxd_full") > 0;

	(void)inboxes;
	label(line, "disk");
	table_size(cell, (uint64_t)show_integer(gauges, "inboxd_free_bytes"));
	line_add(line, full ? TINT_BAD : TINT_NONE, "%s free", cell);
	table_size(cell, (uint64_t)show_integer(gauges, "inboxd_journal_bytes"));
	line_add(line, TINT_NONE, "; journal of %s", cell);
	table_size(cell, (uint64_t)show_integer(gauges, "inboxd_unpublished_bytes"));
	line_add(line, TINT_NONE, ", %s of it not in new/ yet", cell);
}

/* When it ends, as "certificate in 71d"; 0: it is not known, or there is none. */
static void
add_end(struct line *line, const char *what, int64_t end, int64_t now, int *count)
{
	char span[TABLE_CELL_ROOM];

	if (end == 0)
		return;
	if ((*count)++ > 0)
		line_add(line, TINT_NONE, ", ");
	table_span(span, end > now ? end - now : now - end);
	line_add(line, end <= now ? TINT_BAD : end - now < SOON ? TINT_WARN : TINT_NONE,
	    end > now ? "%s ends in %s" : "%s ended %s ago", what, span);
}

static void
certificates_line(struct line *line, const json_t *status, const json_t *inboxes)
{
	const json_t *gauges = json_object_get(status, "gauges");
	int64_t now = show_integer(status, "now");
	int count = 0;

	(void)inboxes;
	label(line, "certificates");
	add_end(line, "own", show_integer(gauges, "inboxd_certificate_expiry_timestamp_seconds"),
	    now, &count);
	add_end(line, "CA", show_integer(gauges, "inboxd_ca_expiry_timestamp_seconds"), now,
	    &count);
	add_end(line, "CRL", show_integer(gauges, "inboxd_crl_expiry_timestamp_seconds"), now,
	    &count);
	if (count == 0)
		line_add(line, TINT_NONE, "-");
}

void
summary_line(struct line *line, enum summary which, const json_t *status, const json_t *inboxes)
{
	static void (*const lines[SUMMARY_LINES])(struct line *line, const json_t *status,
	    const json_t *inboxes) = {
	    [SUMMARY_ITEMS] = items_line, [SUMMARY_WAY] = way_line,
	    [SUMMARY_INBOXES] = inboxes_line, [SUMMARY_CLIENTS] = clients_line,
	    [SUMMARY_DISK] = disk_line, [SUMMARY_CERTIFICATES] = certificates_line};

	lines[which](line, status, inboxes);
}
