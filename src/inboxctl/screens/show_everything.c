/* SPDX-License-Identifier: ISC */
/*
 * The page /status, all of it: how the items ended, then all that is counted.
 */
#include "config.h"

#include "inboxctl/screens/show_everything.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inboxctl/pages/show_cells.h"
#include "lib/table.h"

/* Of an object, which of its numbers are not 0. */
static void
print_parts(char detail[256], const json_t *value)
{
	const char *code;
	size_t used = 0;
	json_t *part;

	detail[0] = '\0';
	json_object_foreach ((json_t *)(uintptr_t)value, code, part) {
		int64_t n = json_integer_value(part);
		if (n == 0 || used >= 256)
			continue;
		int len = snprintf(detail + used, 256 - used, "%s%s %" PRId64,
		    used == 0 ? "" : ", ", code, n);
		used += len < 0 ? 0 : (size_t)len;
	}
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

	int64_t offered = show_sum(items, "offered");
	fputs("Items since the start\n", out);
	put_item(out, "offered", offered, "");
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
		int64_t value = show_sum(items, ends[i].key);
		print_parts(detail, json_object_get(items, ends[i].key));
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
	int64_t since = show_integer(gauges, "inboxd_unpublished_oldest_timestamp_seconds");
	char size[TABLE_CELL_ROOM], span[TABLE_CELL_ROOM];

	if (!json_is_integer(items))
		return;
	if (json_integer_value(items) == 0) {
		fputs("  all that was acknowledged is in new/\n", out);
		return;
	}
	table_size(size, (uint64_t)show_integer(gauges, "inboxd_unpublished_bytes"));
	table_span(span, now > since ? now - since : 0);
	fprintf(out,
	    "  %" JSON_INTEGER_FORMAT " acknowledged and not in new/ yet: %s, the oldest for %s\n",
	    json_integer_value(items), size, span);
	if (show_integer(gauges, "inboxd_publish_trouble") > 0)
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

/* "file system ext4: rename noreplace, exchange yes, ..."; "-" is not known. */
static void
show_filesystem(const json_t *root, FILE *out)
{
	const char *type = json_string_value(json_object_get(root, "filesystem"));
	const char *name, *comma = ": ";
	json_t *value;

	if (!type)
		return;
	fputs("file system ", out);
	table_plain(out, type);
	json_object_foreach (json_object_get(root, "abilities"), name, value) {
		fputs(comma, out);
		table_plain(out, name);
		if (json_is_integer(value))
			fprintf(out, " %" JSON_INTEGER_FORMAT, json_integer_value(value));
		else if (json_is_boolean(value))
			fputs(json_is_true(value) ? " yes" : " no", out);
		else {
			fputc(' ', out);
			table_plain(out, json_is_string(value) ? json_string_value(value) : "-");
		}
		comma = ", ";
	}
	fputc('\n', out);
}

static void
show_root(const json_t *root, FILE *out)
{
	const char *path = json_string_value(json_object_get(root, "path"));
	const char *id = json_string_value(json_object_get(root, "id"));

	if (!path)
		return; /* a receiver of before it said so */
	fputs("root ", out);
	table_plain(out, path);
	fputs(id ? ", id " : ", no id yet", out);
	if (id)
		table_plain(out, id);
	fputc('\n', out);
	show_filesystem(root, out);
}

int
show_everything(const json_t *page, const struct showing *showing, struct why *why)
{
	int64_t now = show_integer(page, "now");
	FILE *out = showing->out;
	char up[TABLE_CELL_ROOM];

	if (show_check(page, "items", JSON_OBJECT, why) == -1)
		return -1;
	const char *version = json_string_value(json_object_get(page, "version"));
	table_span(up, now - show_integer(page, "since"));
	fputs("inboxd ", out);
	table_plain(out, version ? version : "-");
	fprintf(out, ", pid %" PRId64 ", up %s\n", show_integer(page, "pid"), up);
	show_root(json_object_get(page, "root"), out);
	fputc('\n', out);
	show_items(json_object_get(page, "items"), out);
	show_lag(json_object_get(page, "gauges"), now, out);
	fputc('\n', out);
	show_numbers(json_object_get(page, "gauges"), "Now", now, out);
	fputc('\n', out);
	show_numbers(json_object_get(page, "counters"), "Counted since the start", now,
	    out);
	return 0;
}
