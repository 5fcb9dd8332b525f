/* SPDX-License-Identifier: ISC */
/* The page of Prometheus: its text format 0.0.4, or OpenMetrics 1.0. */
#include "config.h"

#include "inboxd/status/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inboxd/status/metrics_inboxes.h"

#define USEC_PER_SEC 1000000
#define DIGITS_ROOM 32

static void
put_seconds(FILE *out, uint64_t value)
{
	fprintf(out, "%" PRIu64 ".%06" PRIu64 "\n", value / USEC_PER_SEC, value % USEC_PER_SEC);
}

void
metrics_put_family(FILE *out, const char *metric, const char *help, int openmetrics)
{
	static const char end[] = "_total";
	size_t len = strlen(metric), cut = sizeof end - 1;
	int is_counter = len > cut && strcmp(metric + len - cut, end) == 0;

	if (openmetrics && is_counter)
		len -= cut;
	fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, metric, help, (int)len, metric,
	    is_counter ? "counter" : "gauge");
}

/* A bucket's bound as the format wants it: OpenMetrics has a point in each number. */
static void
print_bound(char text[DIGITS_ROOM], enum histogram_unit unit, uint64_t bound, int openmetrics)
{
	uint64_t one = unit == HISTOGRAM_TIME ? USEC_PER_SEC : 1;

	snprintf(text, DIGITS_ROOM, "%.10g%s", (double)bound / (double)one,
	    openmetrics && bound % one == 0 ? ".0" : "");
}

static void
put_histogram(
    FILE *out, enum histogram which, const uint64_t values[STATS_CELLS], int openmetrics)
{
	const struct histogram_row *row = &histogram_rows[which];
	const uint64_t *cells = &values[stats_cell(which, 0)], *bounds;
	size_t count = histogram_bounds(row->unit, &bounds);
	char bound[DIGITS_ROOM];
	uint64_t sum = 0;

	fprintf(out, "# HELP %s %s\n# TYPE %s histogram\n", row->metric, row->help, row->metric);
	for (size_t i = 0; i <= count; i++) {
		sum += cells[i];
		if (i < count)
			print_bound(bound, row->unit, bounds[i], openmetrics);
		fprintf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", row->metric,
		    i < count ? bound : "+Inf", sum);
	}
	fprintf(out, "%s_sum ", row->metric);
	if (row->unit == HISTOGRAM_TIME)
		put_seconds(out, cells[HISTOGRAM_SUM]);
	else
		fprintf(out, "%" PRIu64 "\n", cells[HISTOGRAM_SUM]);
	fprintf(out, "%s_count %" PRIu64 "\n", row->metric, sum);
}

char *
metrics_page(const struct status_source *source, const uint64_t values[STATS_CELLS],
    int openmetrics)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < STATS_COUNT; i++) {
		const struct stats_row *row = &stats_rows[i];
		if (i == 0 || strcmp(row->metric, stats_rows[i - 1].metric) != 0)
			metrics_put_family(out, row->metric, row->help, openmetrics);
		if (*row->label != '\0')
			fprintf(out, "%s{%s} ", row->metric, row->label);
		else
			fprintf(out, "%s ", row->metric);
		uint64_t value = stats_told(values, i);
		if (row->kind == STATS_TIME)
			put_seconds(out, value);
		else
			fprintf(out, "%" PRIu64 "\n", value);
	}
	for (int i = 0; i < HISTOGRAM_COUNT; i++)
		put_histogram(out, (enum histogram)i, values, openmetrics);
	metrics_put_inboxes(out, source, openmetrics);
	if (openmetrics)
		fputs("# EOF\n", out);
	int failed = ferror(out);
	if (fclose(out) == EOF || failed) {
		free(text);
		return NULL;
	}
	return text;
}
