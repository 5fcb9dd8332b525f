/* SPDX-License-Identifier: ISC */
/*
 * Text for a person's terminal: aligned columns, sizes, spans of time.
 *
 * No name or message can steer a terminal: a text is made plain before it is shown.  Where the
 * locale's codeset is UTF-8 (the program has called setlocale(3)) characters stand as people
 * wrote them and a text is as wide as wcwidth(3) says; but a control character, one that
 * moves others about, and what is no UTF-8 are "%XX" a byte.  In any other locale all bytes
 * outside 0x20 to 0x7e are.
 */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/attr.h"
#include "lib/terminal.h"

#define TABLE_COLUMNS_MAX 32
#define TABLE_CELL_ROOM 48

/* ---- text */

/* Made plain. */
void table_plain(FILE *out, const char *text);
/* The same as malloc'ed text, or NULL. */
char *table_plain_copy(const char *text);
/* Likewise of a name that is escaped (lib/escape.h): as it was written, where it can be. */
char *table_name_copy(const char *escaped);
/* The columns that a plain text takes. */
size_t table_width(const char *plain);
/* A plain text, of which at most `width` columns are shown (0: all): the last one says that there
 * was more, by "~" or, in UTF-8, an ellipsis.  Returns how many columns it took. */
size_t table_put(FILE *out, const char *plain, size_t width);

void table_size(char dst[TABLE_CELL_ROOM], uint64_t bytes);  /* "1.5 MiB" */
void table_span(char dst[TABLE_CELL_ROOM], int64_t seconds); /* "3h 5m" */

/* ---- tables */

struct table_cell {
	char *text;
	enum tint tint;
};

struct table {
	size_t columns, count, room;
	const char *shape;        /* borrowed */
	const unsigned char *least; /* borrowed: how wide each is at least, or NULL */
	struct table_cell *cells; /* row by row, the head first */
	int failed;               /* memory is out */
};

/*
 * Starts a table; `names` has as many as `shape` has characters: 'l' to the left, 'r' to the
 * right, 'L' to the left and cut where the terminal is narrow.  Columns that find no room even so
 * are left out, from the right: the first ones are those that matter.
 */
void table_head(struct table *table, const char *shape, const char *const *names);
/* The next cell, from left to right; copies `text`, made plain. */
void table_add(struct table *table, const char *text);
/* Likewise of a name that is escaped: table_name_copy(). */
void table_add_name(struct table *table, const char *escaped);
/* Has the cell added last tinted. */
void table_tint(struct table *table, enum tint tint);
/* No line is wider than the screen. */
void table_print(const struct table *table, FILE *out, const struct screen *screen);

/* For a table without an end, whose first rows say how wide columns are: their widths, 0: it is
 * left out; all rows from number `first` on, 0 being the head, a cell that is wider being cut; and
 * rows that are forgotten, but for the head. */
void table_fit(const struct table *table, const struct screen *screen,
    size_t widths[TABLE_COLUMNS_MAX]);
void table_print_rows(const struct table *table, size_t first,
    const size_t widths[TABLE_COLUMNS_MAX], FILE *out, const struct screen *screen);
void table_clear(struct table *table);
/* 0, or -1: memory was out and cells are missing. */
MUST_CHECK int table_free(struct table *table);

#endif
