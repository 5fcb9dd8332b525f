/* SPDX-License-Identifier: ISC */
/*
 * A key that is missing or has another type shows as "-": a receiver that is
 * newer or older by a key is no error, another schema is.
 */
#include "config.h"

#include "inboxctl/pages/show.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "inboxctl/pages/show_cells.h"
#include "lib/table.h"

/* ---- cells */

void
show_add_text(struct table *table, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	table_add(table, text ? text : "-");
}

void
show_add_number(struct table *table, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char cell[TABLE_CELL_ROOM] = "-";

	if (json_is_integer(value))
		snprintf(cell, sizeof cell, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	table_add(table, cell);
}

void
show_add_size(struct table *table, const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	char cell[TABLE_CELL_ROOM] = "-";

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		table_size(cell, (uint64_t)json_integer_value(value));
	table_add(table, cell);
}

void
show_add_span(struct table *table, const json_t *object, const char *key, int64_t now)
{
	const json_t *value = json_object_get(object, key);
	char span[TABLE_CELL_ROOM] = "-";

	if (json_is_integer(value))
		table_span(span, now - json_integer_value(value));
	table_add(table, span);
}

int
show_end(struct table *table, struct why *why)
{
	if (table_free(table) == 0)
		return 0;
	return why_say(why, "out of memory");
}

int64_t
show_integer(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

int64_t
show_sum(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key), *part;
	int64_t sum = json_integer_value(value);
	const char *name;

	json_object_foreach (value, name, part)
		sum += json_integer_value(part);
	return sum;
}

json_t *
show_plain(const char *text)
{
	char *plain = table_plain_copy(text);
	json_t *value = plain ? json_string(plain) : NULL;

	free(plain);
	return value;
}

enum tint
show_state_tint(enum client_state state)
{
	switch (state) {
	case CLIENT_MISSING:
		return TINT_BAD;
	case CLIENT_NEVER_CAME:
	case CLIENT_SILENT:
	case CLIENT_BEHIND:
		return TINT_WARN;
	case CLIENT_UP_TO_DATE:
	case CLIENT_STATES:
		break;
	}
	return TINT_NONE;
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

int
show_check(const json_t *page, const char *key, int type, struct why *why)
{
	const json_t *schema = json_object_get(page, "schema");
	const json_t *value = json_object_get(page, key);

	if (!json_is_integer(schema)) {
		why_say(why, "the page has no schema number");
	} else if (json_integer_value(schema) != SHOW_SCHEMA) {
		why_say(why, "the receiver speaks schema %" JSON_INTEGER_FORMAT
		    ", this inboxctl knows %d: use the one installed with it, or --json",
		    json_integer_value(schema), SHOW_SCHEMA);
	} else if (!value || (int)json_typeof(value) != type) {
		why_say(why, "the page has no \"%s\"", key);
	} else {
		return 0;
	}
	return -1;
}

int
show_json(const json_t *page, const struct showing *showing, struct why *why)
{
	const size_t flags = JSON_INDENT(1) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15);

	if (json_dumpf(page, showing->out, flags) == 0) {
		fputc('\n', showing->out);
		return 0;
	}
	return why_say(why, "out of memory");
}
