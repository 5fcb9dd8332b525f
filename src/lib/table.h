/* SPDX-License-Identifier: ISC */
/*
 * Text for a person's terminal: aligned columns, sizes, spans of time.
 */
#ifndef LIB_TABLE_H
#define LIB_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/attr.h"

#define TABLE_COLUMNS_MAX 32
#define TABLE_CELL_ROOM 48

/* The text with each byte outside 0x20 to 0x7e as "%XX", so that no name or
 * message can steer a terminal. */
void table_plain(FILE *out, const char *text);
/* The same as malloc'ed text, or NULL. */
char *table_plain_copy(const char *text);

void table_size(char dst[TABLE_CELL_ROOM], uint64_t bytes);  /* "1.5 MiB" */
void table_span(char dst[TABLE_CELL_ROOM], int64_t seconds); /* "3h 5m" */

struct table {
	size_t columns, count, room;
	const char *right; /* borrowed; a character a column, 'r': to the right */
	char **cells;      /* row by row, the head first */
	int failed;        /* memory is out */
};

/* Starts a table; `names` has as many as `right` has characters. */
void table_head(struct table *table, const char *right, const char *const *names);
/* The next cell, from left to right; copies `text`, made plain. */
void table_add(struct table *table, const char *text);
void table_print(const struct table *table, FILE *out);
/* 0, or -1: memory was out and cells are missing. */
MUST_CHECK int table_free(struct table *table);

#endif
