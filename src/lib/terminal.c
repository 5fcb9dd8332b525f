/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "lib/terminal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/parse.h"

int
terminal_is(int fd)
{
	return isatty(fd);
}

int
terminal_draws(int fd)
{
	const char *kind = getenv("TERM");

	return isatty(fd) && kind && *kind && strcmp(kind, "dumb") != 0;
}

int
terminal_has_colours(int fd)
{
	const char *none = getenv("NO_COLOR");

	return terminal_draws(fd) && !(none && *none);
}

unsigned
terminal_width(int fd)
{
	const char *text = getenv("COLUMNS");
	struct winsize size = {0};
	uint64_t width = 80;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		width = size.ws_col;
	else if (text && parse_u64(text, strlen(text), 10000, &width) < 0)
		width = 80;
	return width < TERMINAL_LEAST ? TERMINAL_LEAST : (unsigned)width;
}

unsigned
terminal_height(int fd)
{
	const char *text = getenv("LINES");
	struct winsize size = {0};
	uint64_t height = 24;

	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		height = size.ws_row;
	else if (text && (parse_u64(text, strlen(text), 10000, &height) < 0 || height == 0))
		height = 24;
	return (unsigned)height;
}

struct screen
terminal_screen(int fd)
{
	const char *columns = getenv("COLUMNS");

	if (!isatty(fd) && !(columns && *columns))
		return (struct screen){0, 0};
	return (struct screen){terminal_width(fd), terminal_has_colours(fd)};
}

void
terminal_tint(FILE *out, const struct screen *screen, enum tint tint)
{
	/* ECMA-48, 8.3.117: what every terminal has had for colours. */
	static const char *const escapes[] = {[TINT_NONE] = "\x1b[0m", [TINT_BAD] = "\x1b[1;31m",
	    [TINT_WARN] = "\x1b[33m", [TINT_GOOD] = "\x1b[32m", [TINT_HEAD] = "\x1b[1m"};

	if (screen->colours)
		fputs(escapes[tint], out);
}
