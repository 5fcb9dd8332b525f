/* SPDX-License-Identifier: ISC */
/*
 * A line of a screen, part by part: each may have a tint of its own, all are made plain, and
 * what is wider than the screen is cut at its edge and says so.
 */
#ifndef LIB_LINE_H
#define LIB_LINE_H

#include <stddef.h>
#include <stdio.h>

#include "lib/attr.h"
#include "lib/terminal.h"

struct line {
	FILE *out;
	const struct screen *screen;
	size_t used; /* columns */
	int is_full; /* a part was cut: no other follows */
};

/* Both borrowed, until line_end(). */
void line_begin(struct line *line, FILE *out, const struct screen *screen);
/* Adds what `format` gives, which may hold bytes of a peer. */
void line_add(struct line *line, enum tint tint, const char *format, ...) PRINTF_LIKE(3, 4);
/* Spaces up to column `at`, from 0; at least one, unless the line is empty. */
void line_to(struct line *line, size_t at);
void line_end(struct line *line);

#endif
