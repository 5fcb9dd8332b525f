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

#define GAP 2        /* columns between two */
#define CUT_LEAST 12 /* an 'L' is cut to no less */
#define TEXT_LEAST 8 /* so much of another text is worth being shown */

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
table_add_name(struct table *table, const char *escaped)
{
	add(table, table_name_copy(escaped), TINT_NONE);
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

/* ---- printed */

/* What a column may be cut to: not below its head, and not at all but for an 'L'. */
static size_t
least(const struct table *table, size_t column, size_t width)
{
	size_t head = table_width(table->cells[column].text);
	size_t cut = head > CUT_LEAST ? head : CUT_LEAST;

	if (table->least && table->least[column] > cut)
		cut = table->least[column];
	return table->shape[column] == 'L' && cut < width ? cut : width;
}

/* How wide the first `count` columns are; `is_least`: cut as far as they may be. */
static size_t
sum(const struct table *table, const size_t *widths, size_t count, int is_least)
{
	size_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += (is_least ? least(table, i, widths[i]) : widths[i]) + (i > 0 ? GAP : 0);
	return all;
}

/* The column that gives way next, of the first `count`. */
static size_t
find_widest(const struct table *table, const size_t *widths, size_t count)
{
	size_t found = count;

	for (size_t i = 0; i < count; i++)
		if (widths[i] > least(table, i, widths[i]) &&
		    (found == count || widths[i] > widths[found]))
			found = i;
	return found;
}

/* Has the columns fit the screen: those at the right are left out, which have no room even if all
 * before them are cut; what is left then is for the first of these, if it is text. */
static void
fit(const struct table *table, size_t width, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t kept = table->columns, at, all;

	while (kept > 1 && sum(table, widths, kept, 1) > width)
		kept--;
	for (all = sum(table, widths, kept, 0); all > width; all--) {
		at = find_widest(table, widths, kept);
		if (at == kept)
			break;
		widths[at]--;
	}
	if (widths[0] > width)
		widths[0] = width;
	/* A number that is cut is another number. */
	if (kept < table->columns && table->shape[kept] != 'r' && all + GAP + TEXT_LEAST <= width) {
		widths[kept] = width - all - GAP;
		kept++;
	}
	for (; kept < table->columns; kept++)
		widths[kept] = 0;
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
table_fit(const struct table *table, const struct screen *screen,
    size_t widths[TABLE_COLUMNS_MAX])
{
	for (size_t i = 0; i < table->columns; i++)
		widths[i] = table->least ? table->least[i] : 1;
	for (size_t i = 0; i < table->count; i++) {
		size_t width = table_width(table->cells[i].text);
		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	if (screen->width > 0 && table->count >= table->columns)
		fit(table, screen->width, widths);
}

void
table_print_rows(const struct table *table, size_t first, const size_t widths[TABLE_COLUMNS_MAX],
    FILE *out, const struct screen *screen)
{
	/* A row whose cells memory was out for is left out. */
	for (size_t i = first * table->columns; i + table->columns <= table->count;
	    i += table->columns)
		print_row(table, table->cells + i, widths, out, screen);
}

void
table_print(const struct table *table, FILE *out, const struct screen *screen)
{
	size_t widths[TABLE_COLUMNS_MAX];

	table_fit(table, screen, widths);
	table_print_rows(table, 0, widths, out, screen);
}

void
table_clear(struct table *table)
{
	while (table->count > table->columns)
		free(table->cells[--table->count].text);
}

int
table_free(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i].text);
	free(table->cells);
	return table->failed ? -1 : 0;
}
