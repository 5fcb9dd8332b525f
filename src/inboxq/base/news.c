/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/base/news.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
	char text[NEWS_ROOM];
	time_t time;
} last;

void
news_trouble(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(last.text, sizeof last.text, fmt, args);
	va_end(args);
	/* It is shown by programs that are not ours. */
	for (char *c = last.text; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	last.time = time(NULL);
}

void
news_unreached(const char *name, const char *address, const char *error)
{
	if (strstr(address, name))
		news_trouble("%s: %s", address, error);
	else
		news_trouble("%s, %s: %s", name, address, error);
}

void
news_clear(void)
{
	last.text[0] = '\0';
	last.time = 0;
}

const char *
news_text(void)
{
	return last.text;
}

time_t
news_time(void)
{
	return last.time;
}
