/* SPDX-License-Identifier: ISC */
/*
 * inboxctl clients: a line a queue, as most clients have one; where one has several, a column tells
 * them apart.  The worst stand first.
 */
#include "config.h"

#include "inboxctl/clients.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/page.h"
#include "inboxctl/pages/show.h"
#include "inboxctl/pages/show_cells.h"
#include "inboxctl/screens/roll.h"
#include "lib/table.h"

/* By their heads; the last ones where the screen is wide enough to leave room for a name. */
static const char *const brief[] = {"CLIENT", "QUEUE", "STATE", "SEEN", "PENDING", "SINCE",
    "FAILED", "GAPS", "STORED", "LAST-STORED"};
#define BRIEF (sizeof brief / sizeof brief[0])
#define BRIEF_NARROW 8
#define WIDE 110

_Static_assert((int)ROLL_COLUMNS <= TABLE_COLUMNS_MAX, "a table has room for all");

struct view {
	int columns[ROLL_COLUMNS];
	size_t count;
	const char *names[ROLL_COLUMNS];
	char shape[ROLL_COLUMNS + 1];
};

static void
add_column(struct view *view, int column)
{
	struct roll_column_row row = roll_column(column);

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
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int column = roll_find(brief[i], strlen(brief[i]));
		if (column != ROLL_QUEUE || is_repeated)
			add_column(view, column);
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

static int
show_table(const struct roll *roll, int verbose)
{
	struct screen screen = terminal_screen(STDOUT_FILENO);
	struct table table;
	struct view view;

	choose_columns(&view, roll, verbose, screen.width);
	table_head(&table, view.shape, view.names);
	for (size_t i = 0; i < roll->count; i++)
		for (size_t k = 0; k < view.count; k++)
			add_cell(&table, &roll->rows[i], view.columns[k], roll->now);
	table_print(&table, stdout, &screen);
	if (table_free(&table) == 0)
		return EX_OK;
	complain("out of memory");
	return EX_OSERR;
}

/* As the receiver's page is, but that all is in one. */
static void
show_text(const struct roll *roll)
{
	printf("{\"schema\": %d, \"now\": %" PRId64 ", \"next\": null, \"clients\": [", SHOW_SCHEMA,
	    roll->now);
	for (size_t i = 0; i < roll->count; i++)
		printf("%s%s", i ? ",\n" : "\n", roll->rows[i].json);
	fputs("\n]}\n", stdout);
}

static int
take(void *ctx, const struct json_t *part, struct why *why)
{
	return roll_take(ctx, part, why);
}

int
clients_command(const struct arguments *arguments)
{
	struct roll roll = {.rows = NULL};
	char path[PAGE_PATH_ROOM];
	struct why why;
	int code;

	if (roll_read(arguments, &roll.wish, &why) < 0) {
		complain("%s", why.text);
		return EX_USAGE;
	}
	roll_path(&roll.wish, path);
	code = page_each(arguments->socket, path, take, &roll);
	if (code == EX_OK) {
		roll_sort(&roll);
		if (arguments->json)
			show_text(&roll);
		else
			code = show_table(&roll, arguments->verbose != NULL);
	}
	roll_free(&roll);
	return code;
}
