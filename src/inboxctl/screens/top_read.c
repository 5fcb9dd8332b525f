/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxctl/screens/top_read.h"

#include <jansson.h>
#include <string.h>

#include "inboxctl/pages/show_cells.h"

/* As show_sum(); what is below 0 is nonsense. */
static uint64_t
count_of(const json_t *object, const char *key)
{
	int64_t sum = show_sum(object, key);

	return sum > 0 ? (uint64_t)sum : 0;
}

static void
read_buckets(struct rates_buckets *buckets, const json_t *histogram)
{
	json_t *list = json_object_get(histogram, "buckets"), *pair;
	size_t i;

	buckets->all = count_of(histogram, "count");
	json_array_foreach (list, i, pair) {
		double bound = json_number_value(json_array_get(pair, 0));
		json_int_t below = json_integer_value(json_array_get(pair, 1));
		/* Nonsense: there is no histogram then. */
		if (i == RATES_BUCKETS || below < 0 || bound < 0 ||
		    (i > 0 && bound <= buckets->bounds[i - 1])) {
			memset(buckets, 0, sizeof *buckets);
			return;
		}
		buckets->bounds[i] = bound;
		buckets->below[i] = (uint64_t)below;
		buckets->count = i + 1;
	}
}

void
top_read(struct sample *sample, const json_t *status, int64_t at)
{
	static const char *const items[] = {[RATES_STORED] = "stored", [RATES_AGAIN] = "again",
	    [RATES_LATER] = "later", [RATES_REFUSED] = "refused", [RATES_CUT_OFF] = "cut_off"};
	static const char *const histograms[RATES_HISTOGRAMS] = {
	    [RATES_ACKNOWLEDGE] = "inboxd_acknowledge_seconds",
	    [RATES_PUBLISH] = "inboxd_publish_lag_seconds",
	    [RATES_BATCH] = "inboxd_batch_items",
	    [RATES_SYNC] = "inboxd_journal_sync_seconds"};
	const json_t *counters = json_object_get(status, "counters");
	const json_t *told = json_object_get(status, "histograms");

	memset(sample, 0, sizeof *sample);
	sample->since = show_integer(status, "since");
	sample->pid = show_integer(status, "pid");
	sample->at = at;
	for (size_t i = 0; i < sizeof items / sizeof items[0]; i++)
		if (items[i])
			sample->counters[i] = count_of(json_object_get(status, "items"), items[i]);
	sample->counters[RATES_BYTES] = count_of(counters, "inboxd_stored_bytes_total");
	sample->counters[RATES_SYNCS] = count_of(counters, "inboxd_syncs_total");
	for (int i = 0; i < RATES_HISTOGRAMS; i++)
		read_buckets(&sample->histograms[i], json_object_get(told, histograms[i]));
}
