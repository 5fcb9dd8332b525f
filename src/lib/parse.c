/* SPDX-License-Identifier: ISC */
/*
 * Rejected: strtoull(3), strptime(3) and gmtime(3), which take signs, blanks
 * and the locale, need a NUL, or look at the time zone.
 */
#include "lib/parse.h"

#include <inttypes.h>
#include <stdio.h>

struct unit {
	char letter;
	uint64_t factor;
};

/* Largest first: the first that divides a value gives its shortest text. */
static const struct unit size_units[] = {
    {'T', UINT64_C(1) << 40},
    {'G', UINT64_C(1) << 30},
    {'M', UINT64_C(1) << 20},
    {'K', UINT64_C(1) << 10},
    {0, 0},
};

static const struct unit second_units[] = {
    {'d', 86400},
    {'h', 3600},
    {'m', 60},
    {'s', 1},
    {0, 0},
};

int
parse_u64(const char *s, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (len < 1 || len > 19 || (len > 1 && s[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (uint64_t)(s[i] - '0'); /* 19 digits always fit */
	}
	if (value > max)
		return -1;
	*out = value;
	return 0;
}

static int
parse_with_unit(const char *s, size_t len, const struct unit *unit, uint64_t *out)
{
	uint64_t factor = 1, value;

	for (; len > 0 && unit->letter; unit++) {
		if (s[len - 1] == unit->letter) {
			factor = unit->factor;
			len--;
			break;
		}
	}
	if (parse_u64(s, len, UINT64_MAX / factor, &value) < 0)
		return -1;
	*out = value * factor;
	return 0;
}

int
parse_size(const char *s, size_t len, uint64_t *out)
{
	return parse_with_unit(s, len, size_units, out);
}

int
parse_seconds(const char *s, size_t len, uint64_t *out)
{
	return parse_with_unit(s, len, second_units, out);
}

static void
print_with_unit(char dst[PARSE_TEXT_ROOM], uint64_t value, const struct unit *unit)
{
	while (unit->letter && (value == 0 || value % unit->factor != 0))
		unit++;
	if (unit->factor > 1)
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64 "%c", value / unit->factor, unit->letter);
	else
		snprintf(dst, PARSE_TEXT_ROOM, "%" PRIu64, value);
}

void
print_size(char dst[PARSE_TEXT_ROOM], uint64_t bytes)
{
	print_with_unit(dst, bytes, size_units);
}

void
print_seconds(char dst[PARSE_TEXT_ROOM], uint64_t seconds)
{
	print_with_unit(dst, seconds, second_units);
}

/*
 * Days since 1970-01-01 of a day in the Gregorian calendar, and back, for
 * years from 0 on.  The year is taken to begin in March, so that the leap day
 * is its last; 400 years have 146,097 days.
 */
static int64_t
days_of_date(int64_t year, int64_t month, int64_t day)
{
	int64_t y = (month <= 2 ? year - 1 : year) + 400; /* never below 0 */
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 146097 - 719468;
}

static void
date_of_days(int64_t days, int *year, int *month, int *day)
{
	int64_t d = days + 719468 + 146097; /* since 0000-03-01, 400 years added */
	int64_t era = d / 146097, rest = d % 146097;
	int64_t y = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	int64_t day_of_year = rest - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * day_of_year + 2) / 153;

	*day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 3 : m - 9);
	*year = (int)(era * 400 + y - 400 + (*month <= 2));
}

/* "dst" gets `digits` decimal digits of `value`. */
static char *
put_digits(char *dst, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		dst[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return dst + digits;
}

#define TIME_MIN (-INT64_C(62167219200)) /* 0000-01-01T00:00:00Z */
#define TIME_MAX INT64_C(253402300799)   /* 9999-12-31T23:59:59Z */

void
print_time(char dst[PRINT_TIME_ROOM], const struct timespec *when)
{
	int64_t seconds = when->tv_sec, of_day;
	int year, month, day;

	if (seconds < TIME_MIN)
		seconds = TIME_MIN;
	if (seconds > TIME_MAX)
		seconds = TIME_MAX;
	of_day = (seconds - TIME_MIN) % 86400;
	date_of_days((seconds - of_day) / 86400, &year, &month, &day);
	dst = put_digits(dst, year, 4);
	dst = put_digits(dst, month, 2);
	dst = put_digits(dst, day, 2);
	*dst++ = 'T';
	dst = put_digits(dst, (int)(of_day / 3600), 2);
	dst = put_digits(dst, (int)(of_day / 60 % 60), 2);
	dst = put_digits(dst, (int)(of_day % 60), 2);
	*dst++ = '.';
	dst = put_digits(dst, (int)(when->tv_nsec / 1000), 6);
	*dst++ = 'Z';
	*dst = '\0';
}

static int
days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

int
parse_time(const char *s, size_t len, struct timespec *out)
{
	static const char shape[] = "ddddddddTdddddd.ddddddZ";
	static const int widths[] = {4, 2, 2, 2, 2, 2, 6};
	int part[7]; /* year, month, day, hour, minute, second, microsecond */
	size_t at = 0;

	if (len != sizeof shape - 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
			return -1;
	}
	for (size_t i = 0; i < 7; i++) {
		part[i] = 0;
		for (int k = 0; k < widths[i]; k++)
			part[i] = part[i] * 10 + (s[at++] - '0');
		if (i == 2 || i == 5) /* step over 'T' and '.' */
			at++;
	}
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 ||
	    part[2] > days_in_month(part[0], part[1]) || part[3] > 23 || part[4] > 59 ||
	    part[5] > 59)
		return -1;
	out->tv_sec = (time_t)(days_of_date(part[0], part[1], part[2]) * 86400 +
	    part[3] * 3600 + part[4] * 60 + part[5]);
	out->tv_nsec = part[6] * 1000L;
	return 0;
}

static int
is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int
is_plain_name(const char *s, size_t len, size_t max)
{
	if (len < 1 || len > max || !is_letter_or_digit(s[0]))
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (!is_letter_or_digit(s[i]) && s[i] != '.' && s[i] != '-' && s[i] != '_')
			return 0;
	}
	return 1;
}

int
is_hex(const char *s, size_t len, size_t want)
{
	if (len != want)
		return 0;
	for (size_t i = 0; i < len; i++) {
		if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f'))
			return 0;
	}
	return 1;
}
