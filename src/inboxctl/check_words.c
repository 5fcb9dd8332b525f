/* SPDX-License-Identifier: ISC */
#include "inboxctl/check_words.h"

#include <string.h>

#include "inboxctl/base/complain.h"
#include "lib/parse.h"

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

int
check_read(struct checking *checking, const struct arguments *arguments)
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
