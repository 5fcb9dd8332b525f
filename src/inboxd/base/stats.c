/* SPDX-License-Identifier: ISC */
#include "inboxd/base/stats.h"

#include <assert.h>

const struct stats_row stats_rows[] = {
#define X(name, metric, label, help) {metric, label, help, STATS_COUNTER},
    STATS_COUNTERS(X)
#undef X
#define X(name, metric, label, help) {metric, label, help, STATS_TIME},
    STATS_TIMES(X)
#undef X
#define X(name, metric, label, help) {metric, label, help, STATS_GAUGE},
    STATS_GAUGES(X)
#undef X
};

enum counter
stats_of_code(enum proto_code code)
{
	switch (code) {
	case CODE_LATER_DIGEST:
		return STAT_LATER_DIGEST;
	case CODE_LATER_FULL:
		return STAT_LATER_FULL;
	case CODE_LATER_TROUBLE:
		return STAT_LATER_TROUBLE;
	case CODE_LATER_UNSETTLED:
		return STAT_LATER_UNSETTLED;
	case CODE_LATER_BUSY:
		return STAT_LATER_BUSY;
	case CODE_LATER_USE_OPEN:
		return STAT_LATER_USE_OPEN;
	case CODE_LATER_USE_PUT:
		return STAT_LATER_USE_PUT;
	case CODE_LATER_NO_INBOX:
		return STAT_LATER_NO_INBOX;
	case CODE_LATER_NOT_ALLOWED:
		return STAT_LATER_NOT_ALLOWED;
	case CODE_LATER_TOO_LARGE:
		return STAT_LATER_TOO_LARGE;
	case CODE_LATER_PAUSED:
		return STAT_LATER_PAUSED;
	case CODE_LATER_INBOX_FULL:
		return STAT_LATER_INBOX_FULL;
	case CODE_REFUSED_NO_INBOX:
		return STAT_REFUSED_NO_INBOX;
	case CODE_REFUSED_NOT_ALLOWED:
		return STAT_REFUSED_NOT_ALLOWED;
	case CODE_REFUSED_TOO_LARGE:
		return STAT_REFUSED_TOO_LARGE;
	case CODE_GOAWAY_STOPPING:
	case CODE_GOAWAY_IDLE:
	case CODE_GOAWAY_SUPERSEDED:
	case CODE_GOAWAY_CROWDED:
	case CODE_ERROR_LINE:
	case CODE_ERROR_VERB:
	case CODE_ERROR_STATE:
	case CODE_ERROR_FIELD:
	case CODE_ERROR_VERSION:
	case CODE_ERROR_IDENTITY:
	case PROTO_CODE_COUNT:
		break;
	}
	assert(0 && "a code that ends an item");
	return STATS_COUNT;
}

void
stats_observe(struct stats *stats, enum histogram which, uint64_t value)
{
	stats_add(stats, stats_cell(which, histogram_cell(histogram_rows[which].unit, value)), 1);
	stats_add(stats, stats_cell(which, HISTOGRAM_SUM), value);
}

uint64_t
stats_told(const uint64_t values[STATS_CELLS], size_t row)
{
	if (stats_rows[row].kind == STATS_GAUGE && values[row] > INT64_MAX)
		return 0;
	return values[row];
}
