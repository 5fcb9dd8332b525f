/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/line.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/table.h"

void
line_begin(struct line *line, FILE *out, const struct screen *screen)
{
	*line = (struct line){.out = out, .screen = screen};
}

/* What is left of the screen. */
static size_t
room(const struct line *line)
{
	size_t width = line->screen->width;

	if (line->is_full)
		return 0;
	if (width == 0)
		return SIZE_MAX - line->used;
	return width > line->used ? width - line->used : 0;
}

void
line_add(struct line *line, enum tint tint, const char *format, ...)
{
	char text[1024];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof text, format, list);
	va_end(list);
	char *plain = table_plain_copy(text);
	size_t left = room(line), width = plain ? table_width(plain) : 0;
	if (left > 0 && width > 0) {
		if (tint != TINT_NONE)
			terminal_tint(line->out, line->screen, tint);
		line->used += table_put(line->out, plain, line->screen->width > 0 ? left : 0);
		if (tint != TINT_NONE)
			terminal_tint(line->out, line->screen, TINT_NONE);
	}
	if (width > left)
		line->is_full = 1;
	free(plain);
}

void
line_to(struct line *line, size_t at)
{
	size_t space = at > line->used ? at - line->used : line->used > 0;

	if (space >= room(line)) {
		line->is_full = 1;
		return;
	}
	fprintf(line->out, "%*s", (int)space, "");
	line->used += space;
}

void
line_end(struct line *line)
{
	fputc('\n', line->out);
}
