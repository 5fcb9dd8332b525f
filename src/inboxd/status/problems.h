/* SPDX-License-Identifier: ISC */
/* What is wrong with this receiver, by lib/health.h and its own page /metrics. */
#ifndef INBOXD_STATUS_PROBLEMS_H
#define INBOXD_STATUS_PROBLEMS_H

#include <stdint.h>

#include "inboxd/base/stats.h"
#include "inboxd/status/source.h"
#include "inboxd/status/values.h"
#include "lib/attr.h"
#include "lib/health.h"

/* As an array, most severe first; NULL: no memory.  `now`: seconds since 1970 UTC. */
MUST_CHECK json_t *problems_json(const struct status_source *source,
    const uint64_t values[STATS_CELLS], int64_t now);
/* The most severe of them, and its sentence; "" and HEALTH_OK where nothing is wrong, or memory is
 * out. */
enum health_severity problems_worst(const struct status_source *source,
    const uint64_t values[STATS_CELLS], int64_t now, char text[HEALTH_TEXT_ROOM]);

#endif
