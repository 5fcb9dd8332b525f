/* SPDX-License-Identifier: ISC */
#include "inboxd/base/histogram.h"

const struct histogram_row histogram_rows[HISTOGRAM_COUNT] = {
#define X(name, metric, unit, help) [HISTOGRAM_##name] = {metric, help, unit},
    HISTOGRAMS(X)
#undef X
};

/* A tenth of a millisecond is a sync on a good disk; what takes a minute, others have noticed. */
static const uint64_t times[] = {100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000,
    200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 60000000};
static const uint64_t counts[] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192};

#define TIMES (sizeof times / sizeof times[0])
#define COUNTS (sizeof counts / sizeof counts[0])
_Static_assert(TIMES <= HISTOGRAM_BOUNDS && COUNTS <= HISTOGRAM_BOUNDS,
    "each bucket has a cell");

size_t
histogram_bounds(enum histogram_unit unit, const uint64_t **bounds)
{
	*bounds = unit == HISTOGRAM_TIME ? times : counts;
	return unit == HISTOGRAM_TIME ? TIMES : COUNTS;
}

/* From below: most of what is counted is small. */
size_t
histogram_cell(enum histogram_unit unit, uint64_t value)
{
	const uint64_t *bounds;
	size_t i = 0, count = histogram_bounds(unit, &bounds);

	while (i < count && value > bounds[i])
		i++;
	return i;
}
