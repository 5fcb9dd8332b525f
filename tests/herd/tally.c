/* SPDX-License-Identifier: ISC */
/* See tally.h. */
#include "config.h"

#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "run.h"

static void
make_room(struct series_data *series, size_t more)
{
	while (series->room - series->count < more) {
		series->room = series->room ? 2 * series->room : 1024;
		series->value = realloc(series->value, series->room * sizeof *series->value);
		if (!series->value)
			run_die("out of memory");
	}
}

void
tally_time(struct tally *tally, enum series which, int64_t took)
{
	struct series_data *series = &tally->series[which];

	make_room(series, 1);
	series->value[series->count++] = took < 0 ? 0 :
	    took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
}

void
tally_add(struct tally *to, struct tally *from)
{
	for (size_t i = 0; i < COUNTS; i++)
		to->count[i] += from->count[i];
	for (size_t i = 0; i < PROTO_CODE_COUNT; i++)
		to->code[i] += from->code[i];
	for (size_t i = 0; i < FAULT_COUNT; i++)
		to->fault[i] += from->fault[i];
	for (size_t i = 0; i < SERIES_COUNT; i++) {
		struct series_data *a = &to->series[i], *b = &from->series[i];

		if (b->count == 0)
			continue;
		make_room(a, b->count);
		memcpy(a->value + a->count, b->value, b->count * sizeof *b->value);
		a->count += b->count;
	}
	tally_free(from);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void
tally_sort(struct tally *tally)
{
	for (size_t i = 0; i < SERIES_COUNT; i++)
		if (tally->series[i].count > 0)
			qsort(tally->series[i].value, tally->series[i].count, sizeof(uint32_t),
			    compare);
}

uint32_t
tally_rank(const struct tally *tally, enum series which, double share)
{
	const struct series_data *series = &tally->series[which];
	size_t at = (size_t)(share * (double)series->count);

	if (series->count == 0)
		return 0;
	return series->value[at < series->count ? at : series->count - 1];
}

void
tally_free(struct tally *tally)
{
	for (size_t i = 0; i < SERIES_COUNT; i++) {
		free(tally->series[i].value);
		memset(&tally->series[i], 0, sizeof tally->series[i]);
	}
}
