/* SPDX-License-Identifier: ISC */
/*
 * Numbers, sizes, times: from text and to text, strictly.  Nothing here reads
 * past the length given, needs a NUL, or knows a locale.
 */
#ifndef LIB_PARSE_H
#define LIB_PARSE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/attr.h"

/*
 * A decimal number of 1 to 19 digits, without sign, blank or leading zero, at
 * most `max`.  0, or -1 and *out untouched.
 */
MUST_CHECK int parse_u64(const char *s, size_t len, uint64_t max, uint64_t *out);

/* Bytes: a number and K, M, G or T (powers of 1,024), or none ("64M"). */
MUST_CHECK int parse_size(const char *s, size_t len, uint64_t *out);

/* Seconds: a number and s, m, h or d, or none ("5m"). */
MUST_CHECK int parse_seconds(const char *s, size_t len, uint64_t *out);

/* The shortest text that parse_size and parse_seconds read as the value (which
 * must be below 10^19, or be one that they gave). */
#define PARSE_TEXT_ROOM 24
void print_size(char dst[PARSE_TEXT_ROOM], uint64_t bytes);
void print_seconds(char dst[PARSE_TEXT_ROOM], uint64_t seconds);

/* UTC as "20261122T141103.123456Z": sorts as text.  A time outside the years 0
 * to 9999 is shown as their first or last second. */
#define PRINT_TIME_ROOM 24
void print_time(char dst[PRINT_TIME_ROOM], const struct timespec *when);

/* The reverse of print_time.  0, or -1. */
MUST_CHECK int parse_time(const char *s, size_t len, struct timespec *out);

/*
 * A name by which an inbox, an item or a host goes: 1 to `max` letters,
 * digits, '.', '-', '_', a letter or digit first.
 */
int is_plain_name(const char *s, size_t len, size_t max);

/* Lower-case hexadecimal, exactly `len` digits. */
int is_hex(const char *s, size_t len, size_t want);

#endif
