/* SPDX-License-Identifier: ISC */
/*
 * A table is collected first and printed when the widths of its columns are
 * known.
 */
#include "config.h"

#include "lib/table.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- text */

void
table_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= 0x20 && c <= 0x7e)
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

char *
table_plain_copy(const char *text)
{
	char *copy = NULL;
	size_t len;
	FILE *out = open_memstream(&copy, &len);

	if (!out)
		return NULL;
	table_plain(out, text);
	if (fclose(out) == EOF) {
		free(copy);
		return NULL;
	}
	return copy;
}

void
table_size(char dst[TABLE_CELL_ROOM], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(dst, TABLE_CELL_ROOM, "%" PRIu64 " B", bytes);
		return;
	}
	/* 1023.95 would be shown as 1024.0. */
	for (value /= 1024; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	snprintf(dst, TABLE_CELL_ROOM, "%.1f %ciB", value, units[unit]);
}

void
table_span(char dst[TABLE_CELL_ROOM], int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (i < 3 && seconds < units[i].seconds)
		i++;
	int64_t whole = seconds / units[i].seconds;
	int64_t rest = i == 3 ? 0 : seconds % units[i].seconds / units[i + 1].seconds;
	if (whole < 10 && rest > 0)
		snprintf(dst, TABLE_CELL_ROOM, "%" PRId64 "%c %" PRId64 "%c", whole,
		    units[i].unit, rest, units[i + 1].unit);
	else
		snprintf(dst, TABLE_CELL_ROOM, "%" PRId64 "%c", whole, units[i].unit);
}

/* ---- tables */

/* Takes `cell`. */
static void
table_put(struct table *table, char *cell)
{
	if (cell && table->count == table->room) {
		size_t room = table->room == 0 ? 64 : 2 * table->room;
		char **more = reallocarray(table->cells, room, sizeof *more);
		if (more) {
			table->cells = more;
			table->room = room;
		}
	}
	if (!cell || table->count == table->room) {
		table->failed = 1;
		free(cell);
		return;
	}
	table->cells[table->count++] = cell;
}

void
table_add(struct table *table, const char *text)
{
	table_put(table, table_plain_copy(text));
}

void
table_head(struct table *table, const char *right, const char *const *names)
{
	*table = (struct table){.columns = strlen(right), .right = right};
	for (size_t i = 0; i < table->columns; i++)
		table_add(table, names[i]);
}

void
table_print(const struct table *table, FILE *out)
{
	int width[TABLE_COLUMNS_MAX] = {0};

	for (size_t i = 0; i < table->count; i++) {
		int len = (int)strlen(table->cells[i]);
		if (len > width[i % table->columns])
			width[i % table->columns] = len;
	}
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		int last = column + 1 == table->columns;
		if (table->right[column] == 'r')
			fprintf(out, "%*s", width[column], table->cells[i]);
		else
			fprintf(out, "%-*s", last ? 0 : width[column], table->cells[i]);
		fputs(last ? "\n" : "  ", out);
	}
}

int
table_free(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	return table->failed ? -1 : 0;
}
