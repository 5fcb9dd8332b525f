/* SPDX-License-Identifier: ISC */
/* The terminal that somebody may sit at. */
#ifndef LIB_TERMINAL_H
#define LIB_TERMINAL_H

#define TERMINAL_LEAST 20 /* columns: less is taken for this much */

int terminal_is(int fd);
/* Can lines there be drawn over?  Not where TERM is missing or "dumb". */
int terminal_draws(int fd);
/* May it be coloured?  Not where NO_COLOR is set and not empty. */
int terminal_has_colours(int fd);
/* Columns: its own word, else COLUMNS, else 80. */
unsigned terminal_width(int fd);

#endif
