/* SPDX-License-Identifier: ISC */
/*
 * A table is collected first and printed when the widths of its columns are
 * known.
 */
#include "config.h"

#include "lib/table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2       /* columns between two */
#define CUT_LEAST 8 /* a column is cut to no less */

/* Takes `text`. */
static void
add(struct table *table, char *text, enum tint tint)
{
	if (text && table->count == table->room) {
		size_t room = table->room == 0 ? 64 : 2 * table->room;
		struct table_cell *more = reallocarray(table->cells, room, sizeof *more);
		if (more) {
			table->cells = more;
			table->room = room;
		}
	}
	if (!text || table->count == table->room) {
		table->failed = 1;
		free(text);
		return;
	}
	table->cells[table->count++] = (struct table_cell){text, tint};
}

void
table_add(struct table *table, const char *text)
{
	add(table, table_plain_copy(text), TINT_NONE);
}

void
table_head(struct table *table, const char *shape, const char *const *names)
{
	*table = (struct table){.columns = strlen(shape), .shape = shape};
	for (size_t i = 0; i < table->columns; i++)
		add(table, table_plain_copy(names[i]), TINT_HEAD);
}

void
table_tint(struct table *table, enum tint tint)
{
	if (table->count > 0 && !table->failed)
		table->cells[table->count - 1].tint = tint;
}

void
table_tint_row(struct table *table, enum tint tint)
{
	size_t i = table->count;

	if (i == 0 || table->failed)
		return;
	do {
		table->cells[--i].tint = tint;
	} while (i % table->columns != 0);
}

/* ---- printed */

/* What a column may be cut to: not below its head. */
static size_t
least(const struct table *table, size_t column)
{
	size_t head = table_width(table->cells[column].text);

	return head > CUT_LEAST ? head : CUT_LEAST;
}

/* The column that gives way next; table->columns: none can. */
static size_t
find_widest(const struct table *table, const size_t *widths)
{
	size_t found = table->columns;

	for (size_t i = 0; i < table->columns; i++)
		if (table->shape[i] == 'L' && widths[i] > least(table, i) &&
		    (found == table->columns || widths[i] > widths[found]))
			found = i;
	return found;
}

/* Has the columns fit the screen; a width of 0 leaves one out. */
static void
fit(const struct table *table, size_t width, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t all = 0, used = 0, at;

	for (size_t i = 0; i < table->columns; i++)
		all += widths[i] + (i > 0 ? GAP : 0);
	while (all > width && (at = find_widest(table, widths)) < table->columns) {
		widths[at]--;
		all--;
	}
	for (at = 0; at < table->columns && all > width; at++) {
		size_t gap = at > 0 ? GAP : 0, left = width > used + gap ? width - used - gap : 0;
		/* A number that is cut is another number. */
		if (widths[at] > left && table->shape[at] != 'r' && left >= CUT_LEAST)
			widths[at] = left;
		if (widths[at] > left)
			break;
		used += gap + widths[at];
	}
	for (; at < table->columns && all > width; at++)
		widths[at] = 0;
}

static void
pad(FILE *out, size_t columns)
{
	fprintf(out, "%*s", (int)columns, "");
}

static void
print_row(const struct table *table, const struct table_cell *cells, const size_t *widths,
    FILE *out, const struct screen *screen)
{
	for (size_t i = 0; i < table->columns && (widths[i] > 0 || i == 0); i++) {
		size_t width = table_width(cells[i].text);
		size_t space = width < widths[i] ? widths[i] - width : 0;
		int is_last = i + 1 == table->columns || widths[i + 1] == 0;
		if (i > 0)
			pad(out, GAP);
		if (table->shape[i] == 'r')
			pad(out, space);
		if (cells[i].tint != TINT_NONE)
			terminal_tint(out, screen, cells[i].tint);
		table_put(out, cells[i].text, widths[i]);
		if (cells[i].tint != TINT_NONE)
			terminal_tint(out, screen, TINT_NONE);
		if (table->shape[i] != 'r' && !is_last)
			pad(out, space);
	}
	fputc('\n', out);
}

void
table_print(const struct table *table, FILE *out, const struct screen *screen)
{
	size_t widths[TABLE_COLUMNS_MAX];

	for (size_t i = 0; i < table->columns; i++)
		widths[i] = 1;
	for (size_t i = 0; i < table->count; i++) {
		size_t width = table_width(table->cells[i].text);
		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	if (screen->width > 0)
		fit(table, screen->width, widths);
	/* A row whose cells memory was out for is left out. */
	for (size_t i = 0; i + table->columns <= table->count; i += table->columns)
		print_row(table, table->cells + i, widths, out, screen);
}

int
table_free(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	return table->failed ? -1 : 0;
}
