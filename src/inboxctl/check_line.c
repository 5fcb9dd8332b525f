/* SPDX-License-Identifier: ISC */
#include "inboxctl/check_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>


const char *const check_codes[] = {[CHECK_OK] = "OK", [CHECK_WARNING] = "WARNING",
    [CHECK_CRITICAL] = "CRITICAL", [CHECK_UNKNOWN] = "UNKNOWN"};

void
check_put_plain(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text < ' ' || *text > '~' || *text == '|' ? '?' : *text);
}

int
check_end(int code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	printf("INBOXD %s: ", check_codes[code]);
	check_put_plain(text);
	putchar('\n');
	return code;
}

static void
put_limit(const struct health_row *row, int64_t limit)
{
	putchar(';');
	if (limit != HEALTH_NEVER)
		printf("%" PRId64 "%s", limit, row->figure == HEALTH_LEFT ? ":" : "");
}

void
check_put_figures(const struct checking *checking,
    const struct health_verdict verdicts[HEALTH_ROWS], const char *before)
{
	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		const struct health_row *row = &health_rows[i];
		const struct health_verdict *verdict = &verdicts[i];

		if (!verdict->is_known || checking->is_left_out[i])
			continue;
		printf("%s%s=%" PRId64 "%s", before, row->name, verdict->figure,
		    row->figure == HEALTH_SHARE       ? "%"
		        : row->figure == HEALTH_VALUE ? ""
		                                      : "s");
		put_limit(row, checking->limits.warning[i]);
		put_limit(row, checking->limits.critical[i]);
		before = " ";
	}
	putchar('\n');
}

/* ---- the page */

/* Has the receiver this figure, though there may be nothing that it is of? */
static int
is_told(const char *page, const char *metric)
{
	char head[160];

	snprintf(head, sizeof head, "\n# TYPE %s ", metric);
	return strncmp(page, head + 1, strlen(head + 1)) == 0 || strstr(page, head);
}

int
check_is_page(const char *page)
{
	static const char head[] = "\n# TYPE inboxd_";

	return strncmp(page, head + 1, sizeof head - 2) == 0 || strstr(page, head);
}

const char *
check_find_unknown(const struct checking *checking, const char *page, const char *only)
{
	for (size_t i = 0; only && i < HEALTH_ROWS; i++)
		if (!checking->is_left_out[i] && health_rows[i].metric &&
		    !is_told(page, health_rows[i].metric))
			return health_rows[i].name;
	return NULL;
}
