/* SPDX-License-Identifier: ISC */
#include "inboxctl/base/complain.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/table.h"

#define COMPLAINT_ROOM 2048 /* what is longer is cut */

static char first[COMPLAINT_ROOM];
static const char *whose;
static int mute;

void
complain_about(const char *who)
{
	whose = who;
}

void
complain_mute(int is_mute)
{
	mute = is_mute;
}

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

	if (mute)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (first[0] == '\0')
		snprintf(first, sizeof first, "%s", text);
	fputs("inboxctl: ", stderr);
	if (whose) {
		table_plain(stderr, whose);
		fputs(": ", stderr);
	}
	table_plain(stderr, text);
	fputc('\n', stderr);
}
