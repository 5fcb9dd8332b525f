/* SPDX-License-Identifier: ISC */
/* The page /metrics: all counters, gauges and histograms, for Prometheus and for lib/health.h. */
#ifndef INBOXD_STATUS_METRICS_H
#define INBOXD_STATUS_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "inboxd/base/stats.h"
#include "inboxd/status/source.h"
#include "lib/attr.h"

/* In OpenMetrics 1.0 if asked, else in the Prometheus text format 0.0.4.  A text to be freed,
 * closed by NUL, or NULL where memory is out. */
MUST_CHECK char *metrics_page(const struct status_source *source,
    const uint64_t values[STATS_CELLS], int openmetrics);

/* The head of a metric whose samples follow: a counter, if its name ends in "_total", which its
 * family has not in OpenMetrics; or a gauge. */
void metrics_put_family(FILE *out, const char *metric, const char *help, int openmetrics);

#endif
