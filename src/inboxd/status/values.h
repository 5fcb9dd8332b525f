/* SPDX-License-Identifier: ISC */
/* Values as JSON, as all pages have them.  Each is a new reference, NULL: no memory. */
#ifndef INBOXD_STATUS_VALUES_H
#define INBOXD_STATUS_VALUES_H

#include <jansson.h>
#include <stdint.h>

#include "lib/attr.h"

struct pause;

#define VALUES_DUMP (JSON_ENSURE_ASCII | JSON_COMPACT)

MUST_CHECK json_t *json_count(uint64_t value);
/* Since 1970 UTC; 0 gives null. */
MUST_CHECK json_t *json_time(int64_t seconds);
/* "" and NULL give null.  A text that is not UTF-8 is escaped. */
MUST_CHECK json_t *json_text(const char *text);
/* {since, uid, reason}; NULL gives null. */
MUST_CHECK json_t *json_pause(const struct pause *pause);

#endif
