/* SPDX-License-Identifier: ISC */
#include "inboxctl/complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/table.h"

#define COMPLAINT_ROOM 2048 /* what is longer is cut */

void
complain(const char *format, ...)
{
	char text[COMPLAINT_ROOM];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	fputs("inboxctl: ", stderr);
	table_plain(stderr, text);
	fputc('\n', stderr);
}
