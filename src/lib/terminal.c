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
