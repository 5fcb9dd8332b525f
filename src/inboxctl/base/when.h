/* SPDX-License-Identifier: ISC */
/* Times as people write them, and as RFC 3339 does. */
#ifndef INBOXCTL_BASE_WHEN_H
#define INBOXCTL_BASE_WHEN_H

#include <stdint.h>

#include "lib/attr.h"

/*
 * UTC microseconds since 1970 of "2026-11-22", "2026-11-22T14:11", with ":03",
 * ".123456" and "Z" behind it or not, of the same as print_time() has it, or of
 * "24h": so long before `now`.  0, or -1.
 */
MUST_CHECK int when_parse(const char *text, int64_t now, int64_t *out);

int64_t when_now(void);

/* "2026-11-22T14:11:03.123456Z" (RFC 3339), or without the fraction. */
#define WHEN_ROOM 32
void when_print(char dst[WHEN_ROOM], int64_t micros, int fraction);

#endif
