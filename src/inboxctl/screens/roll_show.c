/* SPDX-License-Identifier: ISC */
/*
 * A line a queue, as most clients have one; where one has several, a column tells them apart.
 */
#include "config.h"

#include "inboxctl/screens/roll_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/base/receivers.h"
#include "inboxctl/pages/show_cells.h"
#include "lib/table.h"

/* By their heads; the last ones where the screen is wide enough to leave room for a name. */
static const char *const brief[] = {"CLIENT", "QUEUE", "STATE", "SEEN", "PENDING", "SINCE",
    "FAILED", "GAPS", "STORED", "LAST-STORED"};
#define BRIEF (sizeof brief / sizeof brief[0])
#define BRIEF_NARROW 8
#define WIDE 110
#define RECEIVERS_SHOWN 256 /* bytes; what is longer is cut */

/* Which of several receivers know it: a column of its own, behind SEEN or all. */
#define RECEIVERS ((int)ROLL_COLUMNS)

_Static_assert(RECEIVERS < TABLE_COLUMNS_MAX, "a table has room for all");

struct view {
	int columns[RECEIVERS + 1];
	size_t count;
	const char *names[RECEIVERS + 1];
	char shape[RECEIVERS + 2];
};

static void
add_column(struct view *view, int column)
{
	static const struct roll_column_row receivers = {"RECEIVERS", NULL, KIND_VISIBLE};
	struct roll_column_row row = column == RECEIVERS ? receivers : roll_column(column);

	view->columns[view->count] = column;
	view->names[view->count] = row.head;
	view->shape[view->count++] = column == ROLL_CLIENT ? 'L'
	    : row.kind == KIND_VISIBLE || row.kind == KIND_ESCAPED ? 'l'
	                                                           : 'r';
	view->shape[view->count] = '\0';
}

static void
choose_columns(struct view *view, const struct roll *roll, int verbose, unsigned width)
{
	size_t count = width == 0 || width >= WIDE ? BRIEF : BRIEF_NARROW;
	int is_repeated = 0;

	for (size_t i = 0; i < roll->count; i++)
		is_repeated |= roll->rows[i].is_repeated;
	view->count = 0;
	if (verbose) {
		for (int column = 0; column < ROLL_COLUMNS; column++)
			add_column(view, column);
		if (roll->receivers)
			add_column(view, RECEIVERS);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int column = roll_find(brief[i], strlen(brief[i]));
		if (column != ROLL_QUEUE || is_repeated)
			add_column(view, column);
		if (roll->receivers && strcmp(brief[i], "SEEN") == 0)
			add_column(view, RECEIVERS);
	}
}

static void
add_number(struct table *table, int64_t number, enum field_kind kind, int64_t now)
{
	char cell[TABLE_CELL_ROOM] = "-";

	if (number == ROLL_NONE)
		snprintf(cell, sizeof cell, "%s", kind == KIND_TIME ? "never" : "-");
	else if (kind == KIND_BYTES)
		table_size(cell, number < 0 ? 0 : (uint64_t)number);
	else if (kind == KIND_TIME || kind == KIND_SECONDS)
		table_span(cell, now - number);
	else
		snprintf(cell, sizeof cell, "%" PRId64, number);
	table_add(table, cell);
}

/* "cap2,cap1(3)": who saw it last, and who counts three gaps. */
static void
add_receivers(struct table *table, const struct roll_row *row, const struct receivers *receivers)
{
	char text[RECEIVERS_SHOWN];
	size_t len = 0;

	text[0] = '\0';
	for (const struct roll_at *at = row->at; at && len < sizeof text; at = at->next) {
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", len ? "," : "",
		    receivers->all[at->receiver].name);
		if (at->unknown > 0 && len < sizeof text)
			len += (size_t)snprintf(text + len, sizeof text - len, "(%" PRId64 ")",
			    at->unknown);
	}
	table_add(table, text);
}

static void
add_cell(struct table *table, const struct roll_row *row, int column, int64_t now)
{
	const struct roll_value *value = &row->values[column];
	const char *text = value->text ? value->text : "-";
	enum field_kind kind = roll_column(column).kind;
	char queue[PROTO_QUEUE_SHOWN + 1];

	if (column == ROLL_QUEUE) {
		snprintf(queue, sizeof queue, "%.*s", PROTO_QUEUE_SHOWN, text);
		table_add(table, queue);
	} else if (column == ROLL_STATE && value->number < CLIENT_STATES) {
		table_add(table, client_state_name((enum client_state)value->number));
	} else if (column == ROLL_ON) {
		table_add(table, value->number ? "yes" : "no");
	} else if (kind == KIND_TIME && row->values[ROLL_ON].number &&
	    strcmp(roll_column(column).key, "seen") == 0) {
		table_add(table, "now");
	} else if (kind == KIND_VISIBLE || kind == KIND_ESCAPED) {
		table_add(table, text);
	} else {
		add_number(table, value->number, kind, now);
	}
	if (column == ROLL_STATE)
		table_tint(table, show_state_tint((enum client_state)value->number));
}

int
roll_show(const struct roll *roll, int verbose)
{
	struct screen screen = terminal_screen(STDOUT_FILENO);
	struct table table;
	struct view view;

	choose_columns(&view, roll, verbose, screen.width);
	table_head(&table, view.shape, view.names);
	for (size_t i = 0; i < roll->count; i++)
		for (size_t k = 0; k < view.count; k++) {
			if (view.columns[k] == RECEIVERS)
				add_receivers(&table, &roll->rows[i], roll->receivers);
			else
				add_cell(&table, &roll->rows[i], view.columns[k], roll->now);
		}
	table_print(&table, stdout, &screen);
	if (table_free(&table) == 0)
		return 0;
	complain("out of memory");
	return -1;
}
