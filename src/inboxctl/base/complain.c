/* SPDX-License-Identifier: ISC */
#include "inboxctl/base/complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/table.h"

#define COMPLAINT_ROOM 2048 /* what is longer is cut */

static char first[COMPLAINT_ROOM];

const char *
complain_first(void)
{
	return first;
}

void
complain(const char *format, ...)
{
	char text[COMPLAINT_ROOM];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (first[0] == '\0')
		snprintf(first, sizeof first, "%s", text);
	fputs("inboxctl: ", stderr);
	table_plain(stderr, text);
	fputc('\n', stderr);
}
