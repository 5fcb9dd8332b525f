/* SPDX-License-Identifier: ISC */
/* The terminal that somebody may sit at. */
#ifndef LIB_TERMINAL_H
#define LIB_TERMINAL_H

#include <stdio.h>

#define TERMINAL_LEAST 20 /* columns: less is taken for this much */

/* How wide lines may be and whether they are coloured: what fits one screen may be shown. */
struct screen {
	unsigned width; /* columns; 0: any number */
	int colours;
};

/* What a text's colour says. */
enum tint { TINT_NONE, TINT_BAD, TINT_WARN, TINT_GOOD, TINT_HEAD };

int terminal_is(int fd);
/* Can lines there be drawn over?  Not where TERM is missing or "dumb". */
int terminal_draws(int fd);
/* May it be coloured?  Not where NO_COLOR is set and not empty. */
int terminal_has_colours(int fd);
/* Columns: its own word, else COLUMNS, else 80. */
unsigned terminal_width(int fd);

/* Lines: its own word, else LINES, else 24. */
unsigned terminal_height(int fd);

/* The screen of what `fd` goes to: a terminal's, or that of who pipes into one and says so by
 * COLUMNS, as watch(1) does; else lines are as long as they are. */
struct screen terminal_screen(int fd);
/* Has the text that follows tinted; TINT_NONE ends it.  Without colours nothing is written. */
void terminal_tint(FILE *out, const struct screen *screen, enum tint tint);

#endif
