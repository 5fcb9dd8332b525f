/* SPDX-License-Identifier: ISC */
#include "lib/why.h"

#include <stdarg.h>
#include <stdio.h>

int
why_say(struct why *why, const char *fmt, ...)
{
	struct why said;
	va_list args;

	va_start(args, fmt);
	vsnprintf(said.text, sizeof said.text, fmt, args);
	va_end(args);
	*why = said;
	return -1;
}
