/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inboxctl/base/complain.h"
#include "inboxctl/pages/fetch.h"
#include "lib/health.h"
#include "lib/parse.h"

#define PATIENCE 8000 /* milliseconds: who runs us gives us ten seconds, mostly */

struct checking {
	struct health_limits limits;
	int is_left_out[HEALTH_ROWS];
	struct health_verdict verdicts[HEALTH_ROWS];
};

/* ---- the command line */

static int
wrong(const char *option, const char *word, size_t len, const char *why)
{
	complain("--%s %.*s: %s", option, (int)len, word, why);
	return -1;
}

/* The row that the word begins with; -1, and it has been told. */
static int
find_row(const char *option, const char *word, size_t len, size_t name_len)
{
	int row = health_find(word, name_len);

	if (row < 0)
		return wrong(option, word, len, "there is no such thing: inboxd(8), PROBLEMS");
	if (health_rows[row].figure == HEALTH_HISTORY)
		return wrong(option, word, len, "that is for Prometheus, which remembers an hour");
	return row;
}

/* In the figure's unit.  0, or -1. */
static int
read_limit(const struct health_row *row, const char *text, size_t len, int64_t *limit)
{
	uint64_t value;
	int rc;

	if (len == 5 && memcmp(text, "never", 5) == 0) {
		*limit = HEALTH_NEVER;
		return 0;
	}
	if (row->figure == HEALTH_AGE || row->figure == HEALTH_LEFT)
		rc = parse_seconds(text, len, &value);
	else
		rc = parse_u64(text, len > 0 && text[len - 1] == '%' &&
		        row->figure == HEALTH_SHARE ? len - 1 : len, INT64_MAX, &value);
	if (rc < 0 || value > INT64_MAX)
		return -1;
	*limit = (int64_t)value;
	return 0;
}

/* NAME=LIMIT */
static int
take_limit(const char *option, const char *word, size_t len, int64_t limits[HEALTH_ROWS])
{
	const char *equals = memchr(word, '=', len);
	size_t name_len = equals ? (size_t)(equals - word) : len;
	int row = find_row(option, word, len, name_len);

	if (row < 0)
		return -1;
	if (health_rows[row].figure == HEALTH_ANSWER)
		return wrong(option, word, len, "that has no limit");
	if (!equals || read_limit(&health_rows[row], equals + 1, len - name_len - 1,
	        &limits[row]) < 0)
		return wrong(option, word, len, health_rows[row].figure == HEALTH_SHARE
		        ? "it wants NAME=PERCENT"
		        : health_rows[row].figure == HEALTH_VALUE
		        ? "it wants NAME=NUMBER"
		        : "it wants NAME=TIME, as 90s, 5m, 2h or 14d");
	return 0;
}

/* The next word of a list, or NULL; `list` NULL: none. */
static const char *
next_word(const char **list, size_t *len)
{
	const char *word = *list;

	if (!word)
		return NULL;
	*len = strcspn(word, ",");
	*list = word[*len] == '\0' ? NULL : word + *len + 1;
	return word;
}

/* 0, or -1 and it has been told. */
static int
read_words(struct checking *checking, const struct arguments *arguments)
{
	const char *warning = arguments->warning, *critical = arguments->critical;
	const char *only = arguments->only, *ignore = arguments->ignore, *word;
	size_t len;
	int row;

	health_limits_default(&checking->limits);
	while ((word = next_word(&warning, &len)))
		if (take_limit("warning", word, len, checking->limits.warning) < 0)
			return -1;
	while ((word = next_word(&critical, &len)))
		if (take_limit("critical", word, len, checking->limits.critical) < 0)
			return -1;
	for (size_t i = 0; only && i < HEALTH_ROWS; i++)
		checking->is_left_out[i] = 1;
	while ((word = next_word(&only, &len))) {
		row = find_row("only", word, len, len);
		if (row < 0)
			return -1;
		checking->is_left_out[row] = 0;
	}
	while ((word = next_word(&ignore, &len))) {
		row = find_row("ignore", word, len, len);
		if (row < 0)
			return -1;
		checking->is_left_out[row] = 1;
	}
	return 0;
}

/* ---- the line */

static const char *const words[] = {[CHECK_OK] = "OK", [CHECK_WARNING] = "WARNING",
    [CHECK_CRITICAL] = "CRITICAL", [CHECK_UNKNOWN] = "UNKNOWN"};

/* Without what steers a terminal, and without the stroke that ends the text. */
static void
put_plain(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text < ' ' || *text > '~' || *text == '|' ? '?' : *text);
}

static int end(int code, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int
end(int code, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	printf("INBOXD %s: ", words[code]);
	put_plain(text);
	putchar('\n');
	return code;
}

int
check_exit(int code)
{
	if (code >= CHECK_OK && code <= CHECK_UNKNOWN)
		return code;
	return end(CHECK_UNKNOWN, "not asked: %s", complain_first()[0] != '\0'
	        ? complain_first()
	        : "what is wrong stands on standard error");
}

static void
put_limit(const struct health_row *row, int64_t limit)
{
	putchar(';');
	if (limit != HEALTH_NEVER)
		printf("%" PRId64 "%s", limit, row->figure == HEALTH_LEFT ? ":" : "");
}

/* As the Monitoring Plugins have it: name=figure[unit];warning;critical. */
static void
put_figures(const struct checking *checking)
{
	const char *before = " | ";

	for (size_t i = 0; i < HEALTH_ROWS; i++) {
		const struct health_row *row = &health_rows[i];
		const struct health_verdict *verdict = &checking->verdicts[i];

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

static int
put_problems(const struct checking *checking)
{
	static const int codes[] = {[HEALTH_OK] = CHECK_OK, [HEALTH_WARNING] = CHECK_WARNING,
	    [HEALTH_CRITICAL] = CHECK_CRITICAL};
	int code = CHECK_OK;
	char text[HEALTH_TEXT_ROOM];

	for (int severity = HEALTH_CRITICAL; severity > HEALTH_OK; severity--) {
		for (size_t i = 0; i < HEALTH_ROWS; i++) {
			const struct health_verdict *verdict = &checking->verdicts[i];
			if (checking->is_left_out[i] || (int)verdict->severity != severity)
				continue;
			if (code == CHECK_OK)
				printf("INBOXD %s: ", words[code = codes[severity]]);
			else
				fputs("; ", stdout);
			health_text(text, i, verdict);
			printf("%s: ", health_rows[i].name);
			put_plain(text);
		}
	}
	return code;
}

/* ---- the question */

/* The exit code where there is no page. */
static int
tell_no_page(const struct checking *checking, const char *socket_path,
    enum fetch_result result, const struct fetch_page *page)
{
	int row = health_find("down", 4);

	if (result == FETCH_PROTOCOL)
		return end(CHECK_UNKNOWN, "%s: %s", socket_path, page->why.text);
	if (access(socket_path, R_OK | W_OK) < 0 && errno == EACCES)
		return end(CHECK_UNKNOWN, "%s: may not be opened by who runs this", socket_path);
	if (checking->is_left_out[row])
		return end(CHECK_UNKNOWN, "%s: %s", socket_path, page->why.text);
	return end(CHECK_CRITICAL, "down: %s: %s: %s", health_rows[row].text, socket_path,
	    page->why.text);
}

/* Has the receiver this figure, though there may be nothing that it is of? */
static int
is_told(const char *page, const char *metric)
{
	char head[160];

	snprintf(head, sizeof head, "\n# TYPE %s ", metric);
	return strncmp(page, head + 1, strlen(head + 1)) == 0 || strstr(page, head);
}

/* A page of something else has nothing that could be wrong. */
static int
is_of_a_receiver(const char *page)
{
	static const char head[] = "\n# TYPE inboxd_";

	return strncmp(page, head + 1, sizeof head - 2) == 0 || strstr(page, head);
}

/* What is asked for by name and not known is not fine. */
static const char *
find_unknown(const struct checking *checking, const char *page, const char *only)
{
	for (size_t i = 0; only && i < HEALTH_ROWS; i++)
		if (!checking->is_left_out[i] && health_rows[i].metric &&
		    !is_told(page, health_rows[i].metric))
			return health_rows[i].name;
	return NULL;
}

int
check(const struct arguments *arguments)
{
	struct checking checking = {0};
	enum fetch_result result;
	struct fetch_page page;
	const char *unknown;
	int code;

	if (read_words(&checking, arguments) < 0)
		return check_exit(-1);
	result = fetch_page_within(arguments->socket, "/metrics", PATIENCE, &page);
	if (result != FETCH_OK)
		return tell_no_page(&checking, arguments->socket, result, &page);
	if (!is_of_a_receiver(page.text)) {
		free(page.text);
		return end(CHECK_UNKNOWN, "%s: what answers there is no receiver",
		    arguments->socket);
	}
	unknown = find_unknown(&checking, page.text, arguments->only);
	health_judge(page.text, (int64_t)time(NULL), &checking.limits, checking.verdicts);
	free(page.text);
	if (unknown)
		return end(CHECK_UNKNOWN, "%s: this receiver does not tell it", unknown);
	code = put_problems(&checking);
	if (code == CHECK_OK)
		fputs("INBOXD OK: nothing is wrong", stdout);
	put_figures(&checking);
	return code;
}
