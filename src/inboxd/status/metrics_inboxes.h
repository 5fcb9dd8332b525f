/* SPDX-License-Identifier: ISC */
/* The part of the page of Prometheus that is of the inboxes; for metrics.c. */
#ifndef INBOXD_STATUS_METRICS_INBOXES_H
#define INBOXD_STATUS_METRICS_INBOXES_H

#include <stdio.h>

#include "inboxd/status/source.h"

void metrics_put_inboxes(FILE *out, const struct status_source *source, int openmetrics);

#endif
