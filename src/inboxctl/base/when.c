/* SPDX-License-Identifier: ISC */
#include "inboxctl/base/when.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/parse.h"

#define MICROS 1000000

int64_t
when_now(void)
{
	return clock_utc();
}

/*
 * What is written follows the shape to its end, or stops before a part of it;
 * the rest is taken from `zero`.  Which day a month has, parse_time() knows.
 */
static int
parse_date(const char *text, int64_t *out)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddddd";
	static const char zero[] = "00000000T000000.000000Z";
	static const size_t ends[] = {10, 16, 19, 26};
	char plain[sizeof zero];
	struct timespec when;
	size_t len = strlen(text), at = 0, i;

	if (parse_time(text, len, &when) == 0)
		goto done;
	if (len > 11 && text[len - 1] == 'Z')
		len--;
	for (i = 0; i < 4 && ends[i] != len; i++)
		;
	if (i == 4)
		return -1;
	memcpy(plain, zero, sizeof zero);
	for (i = 0; i < len; i++) {
		if (shape[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != shape[i])
			return -1;
		if (shape[i] != '-' && shape[i] != ':')
			plain[at++] = text[i];
	}
	if (parse_time(plain, sizeof zero - 1, &when) < 0)
		return -1;
done:
	*out = (int64_t)when.tv_sec * MICROS + when.tv_nsec / 1000;
	return 0;
}

int
when_parse(const char *text, int64_t now, int64_t *out)
{
	uint64_t seconds;

	if (parse_seconds(text, strlen(text), &seconds) < 0)
		return parse_date(text, out);
	if (seconds > INT64_MAX / MICROS)
		return -1;
	*out = now - (int64_t)seconds * MICROS;
	return 0;
}

void
when_print(char dst[WHEN_ROOM], int64_t micros, int fraction)
{
	struct timespec when;
	char plain[PRINT_TIME_ROOM];

	when.tv_nsec = (long)((micros % MICROS + MICROS) % MICROS * 1000);
	when.tv_sec = (time_t)(micros / MICROS - (micros % MICROS < 0));
	print_time(plain, &when);
	snprintf(dst, WHEN_ROOM, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2s%.*sZ", plain, plain + 4, plain + 6,
	    plain + 9, plain + 11, plain + 13, fraction ? 7 : 0, plain + 15);
}
