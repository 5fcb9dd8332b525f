/* SPDX-License-Identifier: ISC */
#include "lib/samples.h"

#include <stddef.h>
#include <string.h>

#include "lib/parse.h"

/* Reads {key="value"} at `s`, which ends at `end`: its length, 0 where there is none, -1: it is
 * something else. */
static long
read_label(const char *s, const char *end, const char *wanted, char label[SAMPLES_LABEL_ROOM])
{
	const char *close, *open, *value;
	size_t len = 0;

	label[0] = '\0';
	if (s == end || *s != '{')
		return wanted ? -1 : 0;
	close = memchr(s, '}', (size_t)(end - s));
	open = memchr(s, '"', (size_t)(end - s));
	if (!close || !open || close - open < 2 || close[-1] != '"')
		return -1;
	if (wanted && ((size_t)(close - s - 1) != strlen(wanted) ||
	        memcmp(s + 1, wanted, strlen(wanted)) != 0))
		return -1;
	for (value = open + 1; value < close - 1; value++) {
		if (*value < ' ' || *value > '~' || *value == '"' || *value == '\\' ||
		    len == SAMPLES_LABEL_ROOM - 1)
			return -1;
		label[len++] = *value;
	}
	label[len] = '\0';
	return close + 1 - s;
}

/* 0, or -1: it is no number. */
static int
read_value(const char *s, const char *end, int64_t *value)
{
	const char *point = memchr(s, '.', (size_t)(end - s));
	uint64_t whole;

	if (parse_u64(s, (size_t)((point ? point : end) - s), INT64_MAX, &whole) < 0)
		return -1;
	*value = (int64_t)whole;
	return 0;
}

int
samples_next(const char **at, const char *metric, const char *label, struct sample *out)
{
	size_t len = strlen(metric);

	while (**at != '\0') {
		const char *line = *at, *end = strchr(line, '\n');
		long label_len;

		if (!end)
			end = line + strlen(line);
		*at = *end == '\0' ? end : end + 1;
		if ((size_t)(end - line) <= len || memcmp(line, metric, len) != 0)
			continue;
		label_len = read_label(line + len, end, label, out->label);
		if (label_len < 0 || line + len + label_len == end ||
		    line[len + (size_t)label_len] != ' ')
			continue;
		if (read_value(line + len + label_len + 1, end, &out->value) == 0)
			return 0;
	}
	return -1;
}
