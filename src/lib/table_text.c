/* SPDX-License-Identifier: ISC */
/*
 * Text made plain, and as wide as a terminal shows it.  What stands for itself is decided for
 * each character anew, by one function, so that what was made plain and what is counted and
 * cut later are the same characters.
 */
#include "config.h"

#include <inttypes.h>
#include <langinfo.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "lib/escape.h"
#include "lib/table.h"

/* Asked each time: it is the calling thread's locale that counts, and costs a look. */
static int
is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Does it change where or whether other characters show?  Marks and isolates of direction, joiners,
 * separators of lines, and what is for no interchange. */
static int
is_steering(wchar_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0xad, 0xad}, {0x61c, 0x61c}, {0x180e, 0x180e}, {0x200b, 0x200f},
	    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
	    {0xe0000, 0xe0fff}};

	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if ((uint32_t)c >= ranges[i].first && (uint32_t)c <= ranges[i].last)
			return 1;
	return 0;
}

/* How many bytes of `text` are a character that stands for itself, and its columns; 0: the next
 * byte has to be escaped. */
static size_t
take_char(const char *text, int utf8, size_t *columns)
{
	unsigned char byte = (unsigned char)*text;
	mbstate_t state;
	wchar_t c;

	*columns = 1;
	if (byte < 0x80)
		return byte >= 0x20 && byte <= 0x7e;
	if (!utf8)
		return 0;
	memset(&state, 0, sizeof state);
	size_t len = mbrtowc(&c, text, strnlen(text, MB_LEN_MAX), &state);
	if (len == 0 || len > MB_LEN_MAX) /* (size_t)-1 and -2 among them */
		return 0;
	int width = wcwidth(c);
	if (width < 0 || !iswprint((wint_t)c) || is_steering(c))
		return 0;
	*columns = (size_t)width;
	return len;
}

void
table_plain(FILE *out, const char *text)
{
	int utf8 = is_utf8();
	size_t columns;

	while (*text != '\0') {
		size_t len = take_char(text, utf8, &columns);
		if (len > 0)
			fwrite(text, 1, len, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*text);
		text += len > 0 ? len : 1;
	}
}

char *
table_plain_copy(const char *text)
{
	char *copy = NULL;
	size_t len;
	FILE *out = open_memstream(&copy, &len);

	if (!out)
		return NULL;
	table_plain(out, text);
	if (fclose(out) == EOF) {
		free(copy);
		return NULL;
	}
	return copy;
}

char *
table_name_copy(const char *escaped)
{
	size_t len = strlen(escaped);
	char *name = malloc(len + 1), *plain = NULL;

	if (!name)
		return NULL;
	ssize_t decoded = escape_decode(name, len, escaped, len);
	if (decoded < 0 || memchr(name, '\0', (size_t)decoded)) {
		plain = table_plain_copy(escaped);
	} else {
		name[decoded] = '\0';
		plain = table_plain_copy(name);
	}
	free(name);
	return plain;
}

/* The length of what fits into `width` columns; *taken gets how many it takes. */
static size_t
fit(const char *plain, size_t width, size_t *taken)
{
	const char *at = plain;
	int utf8 = is_utf8();
	size_t columns;

	*taken = 0;
	while (*at != '\0') {
		size_t len = take_char(at, utf8, &columns);
		if (*taken + columns > width)
			break;
		*taken += columns;
		at += len > 0 ? len : 1;
	}
	return (size_t)(at - plain);
}

size_t
table_width(const char *plain)
{
	size_t taken;

	fit(plain, SIZE_MAX, &taken);
	return taken;
}

size_t
table_put(FILE *out, const char *plain, size_t width)
{
	size_t taken, len = fit(plain, width > 0 ? width : SIZE_MAX, &taken);

	if (plain[len] == '\0') {
		fputs(plain, out);
		return taken;
	}
	len = fit(plain, width - 1, &taken);
	fwrite(plain, 1, len, out);
	fputs(is_utf8() ? "\xe2\x80\xa6" : "~", out);
	return taken + 1;
}

void
table_size(char dst[TABLE_CELL_ROOM], uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1024) {
		snprintf(dst, TABLE_CELL_ROOM, "%" PRIu64 " B", bytes);
		return;
	}
	/* 1023.95 would be shown as 1024.0. */
	for (value /= 1024; value >= 1023.95 && unit < 5; unit++)
		value /= 1024;
	snprintf(dst, TABLE_CELL_ROOM, "%.1f %ciB", value, units[unit]);
}

void
table_span(char dst[TABLE_CELL_ROOM], int64_t seconds)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (i < 3 && seconds < units[i].seconds)
		i++;
	int64_t whole = seconds / units[i].seconds;
	int64_t rest = i == 3 ? 0 : seconds % units[i].seconds / units[i + 1].seconds;
	if (whole < 10 && rest > 0)
		snprintf(dst, TABLE_CELL_ROOM, "%" PRId64 "%c %" PRId64 "%c", whole,
		    units[i].unit, rest, units[i + 1].unit);
	else
		snprintf(dst, TABLE_CELL_ROOM, "%" PRId64 "%c", whole, units[i].unit);
}
