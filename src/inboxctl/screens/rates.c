/* SPDX-License-Identifier: ISC */
#include "inboxctl/screens/rates.h"

#include <string.h>

#define MICROS 1e6

/* Are they of the same bounds?  A receiver that was replaced by another version has another life,
 * so this is about nonsense. */
static int
have_same_bounds(const struct rates_buckets *from, const struct rates_buckets *to)
{
	if (from->count != to->count || to->count == 0 || to->all < from->all)
		return 0;
	for (size_t i = 0; i < to->count; i++)
		if (from->bounds[i] < to->bounds[i] || from->bounds[i] > to->bounds[i] ||
		    to->below[i] < from->below[i])
			return 0;
	return 1;
}

/*
 * The value that `part` of those between the samples are no larger than.  Within a bucket values
 * are taken to lie evenly, as Prometheus' histogram_quantile() does, so that both say the same.
 */
static struct rates_quantile
quantile(const struct rates_buckets *from, const struct rates_buckets *to, double part)
{
	double rank, before = 0, low = 0;

	if (!have_same_bounds(from, to) || to->all == from->all)
		return (struct rates_quantile){RATES_UNKNOWN, 0};
	rank = part * (double)(to->all - from->all);
	for (size_t i = 0; i < to->count; i++) {
		double below = (double)(to->below[i] - from->below[i]), high = to->bounds[i];
		if (below >= rank && below > before)
			return (struct rates_quantile){RATES_KNOWN,
			    low + (high - low) * (rank - before) / (below - before)};
		before = below;
		low = high;
	}
	return (struct rates_quantile){RATES_ABOVE, low};
}

int
rates_between(const struct sample *from, const struct sample *to, struct rates *rates)
{
	memset(rates, 0, sizeof *rates);
	if (from->since != to->since || from->pid != to->pid || to->at <= from->at)
		return -1;
	rates->seconds = (double)(to->at - from->at) / MICROS;
	for (int i = 0; i < RATES_COUNTERS; i++) {
		if (to->counters[i] < from->counters[i])
			return -1;
		rates->per_second[i] =
		    (double)(to->counters[i] - from->counters[i]) / rates->seconds;
	}
	for (int i = 0; i < RATES_HISTOGRAMS; i++) {
		const struct rates_buckets *a = &from->histograms[i], *b = &to->histograms[i];
		rates->half[i] = quantile(a, b, 0.5);
		rates->most[i] = quantile(a, b, 0.99);
	}
	return 0;
}
