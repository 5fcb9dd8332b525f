/* SPDX-License-Identifier: ISC */
/*
 * A key that is missing or has another type shows as "-": a receiver that is
 * newer or older by a key is no error, another schema is.
 */
#include "config.h"

#include "inboxctl/show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/figures.h"
#include "lib/table.h"

/* ---- cells */

static void
add_text(struct table *table, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	table_add(table, text ? text : "-");
}

static void
add_number(struct table *table, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char cell[TABLE_CELL_ROOM] = "-";

	if (json_is_integer(value))
		snprintf(cell, sizeof cell, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	table_add(table, cell);
}

static void
add_size(struct table *table, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char cell[TABLE_CELL_ROOM] = "-";

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		table_size(cell, (uint64_t)json_integer_value(value));
	table_add(table, cell);
}

/* "3m ago" by the receiver's own clock; `none` where the key is null. */
static void
add_ago(struct table *table, const json_t *object, const char *key, int64_t now,
    const char *none)
{
	const json_t *value = json_object_get(object, key);
	char span[TABLE_CELL_ROOM], cell[TABLE_CELL_ROOM + 8];

	if (!json_is_integer(value)) {
		table_add(table, none);
		return;
	}
	table_span(span, now - json_integer_value(value));
	snprintf(cell, sizeof cell, "%s ago", span);
	table_add(table, cell);
}

/* 0, or -1 and `why`. */
static int
end_table(struct table *table, struct why *why)
{
	if (table_free(table) == 0)
		return 0;
	return why_say(why, "out of memory");
}

/* ---- pages */

int
show_take(json_t **page, const char *text, size_t len, int64_t *next, struct why *why)
{
	json_error_t error;
	json_t *part = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error), *list;
	const char *key;
	int rc = 0;

	if (!part) {
		return why_say(why, "line %d of the page: %s", error.line, error.text);
	}
	int64_t from = *next;
	const json_t *value = json_object_get(part, "next");
	*next = json_is_integer(value) ? json_integer_value(value) : -1;
	if (json_is_integer(value) && *next <= from) {
		why_say(why, "the page goes on where it began");
		json_decref(part);
		return -1;
	}
	if (!*page) {
		*page = part;
		return 0;
	}
	json_object_foreach (part, key, list)
		if (json_is_array(list) && rc == 0)
			rc = json_array_extend(json_object_get(*page, key), list);
	if (rc == -1 || json_object_set_new(*page, "next", json_null()) == -1) {
		why_say(why, "the page goes on with something else");
		rc = -1;
	}
	json_decref(part);
	return rc;
}

void
show_free(json_t *page)
{
	json_decref(page);
}

/* Is it an object of our schema that has `key` of `type`? */
static int
check_page(const json_t *page, const char *key, json_type type, struct why *why)
{
	const json_t *schema = json_object_get(page, "schema");
	const json_t *value = json_object_get(page, key);

	if (!json_is_integer(schema)) {
		why_say(why, "the page has no schema number");
	} else if (json_integer_value(schema) != SHOW_SCHEMA) {
		why_say(why, "the receiver speaks schema %" JSON_INTEGER_FORMAT
		    ", this inboxctl knows %d: use the one installed with it, or --json",
		    json_integer_value(schema), SHOW_SCHEMA);
	} else if (!value || json_typeof(value) != type) {
		why_say(why, "the page has no \"%s\"", key);
	} else {
		return 0;
	}
	return -1;
}

int
show_json(const json_t *page, FILE *out, struct why *why)
{
	const size_t flags = JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15);

	if (json_dumpf(page, out, flags) == 0) {
		fputc('\n', out);
		return 0;
	}
	return why_say(why, "out of memory");
}

static int64_t
integer_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* A number, or the sum of the numbers of an object. */
static int64_t
sum_of(const json_t *items, const char *key, char detail[256])
{
	json_t *value = json_object_get(items, key), *part;
	const char *code;
	size_t used = 0;
	uint64_t sum = 0;

	detail[0] = '\0';
	if (!json_is_object(value))
		return json_integer_value(value);
	json_object_foreach (value, code, part) {
		int64_t n = json_integer_value(part);
		sum += (uint64_t)n;
		if (n == 0 || used >= 256)
			continue;
		int len = snprintf(detail + used, 256 - used, "%s%s %" PRId64,
		    used == 0 ? "" : ", ", code, n);
		used += len < 0 ? 0 : (size_t)len;
	}
	return (int64_t)sum;
}

static void
put_item(FILE *out, const char *name, int64_t value, const char *detail)
{
	fprintf(out, "  %-10s %14" PRId64, name, value);
	if (*detail != '\0')
		fputs("  ", out);
	table_plain(out, detail);
	fputc('\n', out);
}

static void
show_items(const json_t *items, FILE *out)
{
	static const struct {
		const char *key, *name;
	} ends[] = {{"stored", "stored"}, {"again", "again"}, {"later", "later"},
	    {"refused", "refused"}, {"cut_off", "cut off"}, {"in_flight", "in flight"}};
	char detail[256];
	uint64_t sum = 0;

	int64_t offered = sum_of(items, "offered", detail);
	fputs("Items since the start\n", out);
	put_item(out, "offered", offered, "");
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		int64_t value = sum_of(items, ends[i].key, detail);
		sum += (uint64_t)value;
		put_item(out, ends[i].name, value, detail);
	}
	int64_t off = (int64_t)((uint64_t)offered - sum);
	if (off == 0)
		fputs("  every item offered is accounted for\n", out);
	else
		fprintf(out,
		    "  %" PRId64 " not accounted for: normal for a moment while items move\n",
		    off);
}

/* What the publisher has still to do. */
static void
show_lag(const json_t *gauges, int64_t now, FILE *out)
{
	const json_t *items = json_object_get(gauges, "inboxd_unpublished_items");
	int64_t since = integer_of(gauges, "inboxd_unpublished_oldest_timestamp_seconds");
	char size[TABLE_CELL_ROOM], span[TABLE_CELL_ROOM];

	if (!json_is_integer(items))
		return;
	if (json_integer_value(items) == 0) {
		fputs("  all that was acknowledged is in new/\n", out);
		return;
	}
	table_size(size, (uint64_t)integer_of(gauges, "inboxd_unpublished_bytes"));
	table_span(span, now > since ? now - since : 0);
	fprintf(out,
	    "  %" JSON_INTEGER_FORMAT " acknowledged and not in new/ yet: %s, the oldest for %s\n",
	    json_integer_value(items), size, span);
	if (integer_of(gauges, "inboxd_publish_trouble") > 0)
		fputs("  they cannot be made visible, and new items are told LATER: "
		      "the log says why\n",
		    out);
}

static int
ends_with(const char *name, size_t len, const char *end)
{
	size_t end_len = strlen(end);

	return len > end_len && memcmp(name + len - end_len, end, end_len) == 0;
}

struct numbers {
	const json_t *all;
	int64_t now;
	FILE *out;
};

#define LIMIT_END "_limit"

/* The number whose name has `end` behind the first `len` bytes of this one; NULL: there is none. */
static const json_t *
find_number(const json_t *numbers, const char *name, size_t len, const char *end)
{
	char other[128];

	snprintf(other, sizeof other, "%.*s%s", (int)len, name, end);
	return json_object_get(numbers, other);
}

/* The number in a unit for people, or how much it is of its limit, or "". */
static void
print_detail(char detail[TABLE_CELL_ROOM + 40], const char *name, size_t len, int64_t value,
    const struct numbers *numbers)
{
	int64_t now = numbers->now, most;
	char span[TABLE_CELL_ROOM];

	most = json_integer_value(find_number(numbers->all, name, len, LIMIT_END));
	detail[0] = '\0';
	if (ends_with(name, len, "_bytes"))
		table_size(detail, (uint64_t)value);
	if (most > 0)
		snprintf(detail, TABLE_CELL_ROOM + 40, "of %" PRId64 " (%.0f%%)", most,
		    100.0 * (double)value / (double)most);
	if (!ends_with(name, len, "_timestamp_seconds") || value == 0)
		return;
	table_span(span, value > now ? value - now : now - value);
	snprintf(detail, TABLE_CELL_ROOM + 40, value > now ? "in %s" : "%s ago", span);
}

/* Without "inboxd_" and "_total", which each has or has not. */
static void
show_number(const struct numbers *numbers, const char *name, const char *label,
    const json_t *value)
{
	static const char prefix[] = "inboxd_", suffix[] = "_total";
	char detail[TABLE_CELL_ROOM + 40];
	FILE *out = numbers->out;

	size_t len = strlen(name);
	if (ends_with(name, len, suffix))
		len -= sizeof suffix - 1;
	print_detail(detail, name, len, json_integer_value(value), numbers);
	size_t skip = strncmp(name, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
	char *shown = strndup(name + skip, len - skip);
	if (json_is_real(value))
		fprintf(out, "  %14.3f  ", json_real_value(value));
	else
		fprintf(out, "  %14" JSON_INTEGER_FORMAT "  ", json_integer_value(value));
	table_plain(out, shown ? shown : name);
	if (label) {
		fputs(", ", out);
		table_plain(out, label);
	}
	fprintf(out, "%s%s\n", detail[0] ? "  " : "", detail);
	free(shown);
}

static void
show_numbers(const json_t *numbers, const char *title, int64_t now, FILE *out)
{
	const struct numbers all = {numbers, now, out};
	const char *key, *label;
	json_t *value, *part;

	fprintf(out, "%s\n", title);
	json_object_foreach ((json_t *)(uintptr_t)numbers, key, value) {
		size_t len = strlen(key);
		/* The limit of another, which shows it. */
		if (ends_with(key, len, LIMIT_END) &&
		    find_number(numbers, key, len - strlen(LIMIT_END), ""))
			continue;
		if (!json_is_object(value))
			show_number(&all, key, NULL, value);
		json_object_foreach (value, label, part)
			show_number(&all, key, label, part);
	}
}

int
show_status(const json_t *page, FILE *out, struct why *why)
{
	int64_t now = integer_of(page, "now");
	char up[TABLE_CELL_ROOM];

	if (check_page(page, "items", JSON_OBJECT, why) == -1)
		return -1;
	const char *version = json_string_value(json_object_get(page, "version"));
	table_span(up, now - integer_of(page, "since"));
	fputs("inboxd ", out);
	table_plain(out, version ? version : "-");
	fprintf(out, ", pid %" PRId64 ", up %s\n\n", integer_of(page, "pid"), up);
	show_items(json_object_get(page, "items"), out);
	show_lag(json_object_get(page, "gauges"), now, out);
	fputc('\n', out);
	show_numbers(json_object_get(page, "gauges"), "Now", now, out);
	fputc('\n', out);
	show_numbers(json_object_get(page, "counters"), "Counted since the start", now,
	    out);
	return 0;
}

int
show_forgotten(const json_t *page, FILE *out, struct why *why)
{
	if (check_page(page, "queues", JSON_INTEGER, why) == -1)
		return -1;
	int64_t queues = integer_of(page, "queues"), items = integer_of(page, "unsettled");
	fprintf(out, "forgotten: %" PRId64 " queue%s\n", queues, queues == 1 ? "" : "s");
	if (items > 0)
		fprintf(out,
		    "%" PRId64 " item%s may be stored twice: the client has not said that it knows "
		    "the answer\n",
		    items, items == 1 ? "" : "s");
	return 0;
}

int
show_inboxes(const json_t *page, FILE *out, struct why *why)
{
	static const char *const names[] = {"INBOX", "WAITING", "OLDEST", "CLAIMED",
	    "CLAIMED-OLDEST", "COUNTED", "LIMIT", "SUFFIX", "FOLDER", "TROUBLE"};
	struct table table;
	json_t *inbox;
	size_t i;

	if (check_page(page, "inboxes", JSON_ARRAY, why) == -1)
		return -1;
	int64_t now = integer_of(page, "now");
	table_head(&table, "lrlrllrlll", names);
	json_array_foreach (json_object_get(page, "inboxes"), i, inbox) {
		add_text(&table, inbox, "name");
		add_number(&table, inbox, "waiting");
		add_ago(&table, inbox, "oldest", now, "-");
		add_number(&table, inbox, "claimed");
		add_ago(&table, inbox, "claimed_oldest", now, "-");
		add_ago(&table, inbox, "counted", now, "never");
		add_size(&table, inbox, "size_limit_bytes");
		add_text(&table, inbox, "suffix");
		add_text(&table, inbox, "folder");
		add_text(&table, inbox, "error");
	}
	table_print(&table, out);
	return end_table(&table, why);
}

static int
compare_clients(const void *a, const void *b)
{
	static const char *const keys[] = {"identity", "queue"};
	int order = 0;

	for (size_t i = 0; i < 2 && order == 0; i++) {
		const char *one = json_string_value(
		    json_object_get(*(json_t *const *)a, keys[i]));
		const char *two = json_string_value(
		    json_object_get(*(json_t *const *)b, keys[i]));
		order = strcmp(one ? one : "", two ? two : "");
	}
	return order;
}

/* A figure by its name, as its kind is read. */
static void
add_figure(struct table *table, const json_t *client, const struct field *figure, int64_t now)
{
	if (figure->kind == KIND_NUMBER)
		add_number(table, client, figure->name);
	else if (figure->kind == KIND_BYTES)
		add_size(table, client, figure->name);
	else if (figure->kind == KIND_TIME || figure->kind == KIND_SECONDS)
		add_ago(table, client, figure->name, now,
		    figure->kind == KIND_TIME ? "never" : "-");
	else
		add_text(table, client, figure->name);
}

static void
add_client(struct table *table, const json_t *client, int64_t now)
{
	const char *queue = json_string_value(json_object_get(client, "queue"));
	char start[9];

	snprintf(start, sizeof start, "%.8s", queue ? queue : "-");
	add_text(table, client, "identity");
	table_add(table, start);
	table_add(table, json_is_true(json_object_get(client, "connected")) ? "yes" : "no");
	add_number(table, client, "settled");
	add_number(table, client, "unsettled");
	for (size_t i = 0; i < FIGURES_COUNT; i++)
		add_figure(table, client, &figures_rows[i].member.field, now);
}

#define CLIENT_COLUMNS 5 /* before the figures */
_Static_assert(CLIENT_COLUMNS + FIGURES_COUNT <= TABLE_COLUMNS_MAX, "a table has room for all");

/* The head, and how the columns stand: numbers to the right. */
static void
head_clients(struct table *table, char right[TABLE_COLUMNS_MAX + 1])
{
	const char *names[TABLE_COLUMNS_MAX] = {"CLIENT", "QUEUE", "ON", "MARK", "UNSETTLED"};

	snprintf(right, TABLE_COLUMNS_MAX + 1, "lllrr");
	for (size_t i = 0; i < FIGURES_COUNT; i++) {
		enum field_kind kind = figures_rows[i].member.field.kind;
		names[CLIENT_COLUMNS + i] = figures_rows[i].head;
		right[CLIENT_COLUMNS + i] = kind == KIND_NUMBER || kind == KIND_BYTES ? 'r' : 'l';
	}
	right[CLIENT_COLUMNS + FIGURES_COUNT] = '\0';
	table_head(table, right, names);
}

/* Sorted by identity: the receiver's order is that in which queues came. */
int
show_clients(const json_t *page, FILE *out, struct why *why)
{
	char right[TABLE_COLUMNS_MAX + 1];
	struct table table;

	if (check_page(page, "clients", JSON_ARRAY, why) == -1)
		return -1;
	const json_t *clients = json_object_get(page, "clients");
	size_t count = json_array_size(clients);
	json_t **sorted = calloc(count + 1, sizeof(json_t *));
	if (!sorted) {
		return why_say(why, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(clients, i);
	qsort(sorted, count, sizeof(json_t *), compare_clients);
	head_clients(&table, right);
	for (size_t i = 0; i < count; i++)
		add_client(&table, sorted[i], integer_of(page, "now"));
	table_print(&table, out);
	free(sorted);
	return end_table(&table, why);
}
