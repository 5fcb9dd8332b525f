/* SPDX-License-Identifier: ISC */
/*
 * An array, as long as what is in it: most queues never have a gap, and those that have one or two
 * pay for these.  Adding to it costs what moving 32 of them costs.
 */
#include "inboxd/commit/gaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "inboxd/base/fatal.h"

size_t
gaps_count(const struct gaps *gaps)
{
	return gaps->list ? gaps->list->count : 0;
}

const struct gap *
gaps_at(const struct gaps *gaps, size_t i)
{
	return &gaps->list->gap[i];
}

uint64_t
gaps_total(const struct gaps *gaps)
{
	uint64_t total = 0;

	for (size_t i = 0; i < gaps_count(gaps); i++)
		total += gaps->list->gap[i].count;
	return total;
}

uint64_t
gaps_unknown(const struct gaps *gaps)
{
	uint64_t unknown = 0;

	for (size_t i = 0; i < gaps_count(gaps); i++)
		unknown += gaps->list->gap[i].known ? 0 : gaps->list->gap[i].count;
	return unknown;
}

/* ---- the array */

static int
is_merged(const struct gap *gap)
{
	return gap->missing != gap->last - gap->first + 1;
}

/* Where the first one stands that ends no earlier than `number`. */
static size_t
place_of(const struct gaps *gaps, uint64_t number)
{
	size_t i = 0;

	while (i < gaps_count(gaps) && gaps->list->gap[i].last < number)
		i++;
	return i;
}

static void
resize(struct gaps *gaps, size_t count)
{
	struct gap_list *list;

	if (count == 0) {
		free(gaps->list);
		gaps->list = NULL;
		return;
	}
	list = realloc(gaps->list, sizeof *list + count * sizeof list->gap[0]);
	if (!list)
		fatal(EX_OSERR, "out_of_memory", "what=gaps");
	list->count = count;
	gaps->list = list;
}

static void
insert(struct gaps *gaps, size_t at, const struct gap *gap)
{
	size_t count = gaps_count(gaps);

	resize(gaps, count + 1);
	memmove(&gaps->list->gap[at + 1], &gaps->list->gap[at],
	    (count - at) * sizeof gaps->list->gap[0]);
	gaps->list->gap[at] = *gap;
}

static void
remove_at(struct gaps *gaps, size_t at)
{
	size_t count = gaps_count(gaps);

	memmove(&gaps->list->gap[at], &gaps->list->gap[at + 1],
	    (count - at - 1) * sizeof gaps->list->gap[0]);
	resize(gaps, count - 1);
}

/* ---- not too many */

static void
merge_oldest(struct gaps *gaps)
{
	struct gap *one = &gaps->list->gap[0], *two = &gaps->list->gap[1];

	one->last = two->last;
	one->missing += two->missing;
	one->count += two->count;
	if (one->since == 0 || (two->since != 0 && two->since < one->since))
		one->since = two->since;
	remove_at(gaps, 1);
}

static void
make_room(struct gaps *gaps)
{
	while (gaps_count(gaps) > GAPS_MAX) {
		size_t i = 0;
		while (i < gaps_count(gaps) && !gaps->list->gap[i].known)
			i++;
		if (i < gaps_count(gaps))
			remove_at(gaps, i);
		else
			merge_oldest(gaps);
	}
}

/* ---- changing */

void
gaps_add(struct gaps *gaps, const struct gap *gap)
{
	size_t at = place_of(gaps, gap->first);
	struct gap *there = at < gaps_count(gaps) ? &gaps->list->gap[at] : NULL;

	if (there && there->first <= gap->last) {
		/* One number more of those that are missing in it. */
		if (is_merged(there) && gap->first == gap->last)
			there->missing++;
		return;
	}
	insert(gaps, at, gap);
	make_room(gaps);
}

const struct gap *
gaps_find(const struct gaps *gaps, uint64_t number)
{
	size_t at = place_of(gaps, number);
	const struct gap *gap = at < gaps_count(gaps) ? &gaps->list->gap[at] : NULL;

	return gap && gap->first <= number && !is_merged(gap) ? gap : NULL;
}

/* The one at `at`, of which all is missing, ends before `number` from now on, and another one
 * begins there. */
static void
split(struct gaps *gaps, size_t at, uint64_t number)
{
	struct gap behind = gaps->list->gap[at];

	behind.first = number;
	behind.missing = behind.last - number + 1;
	behind.count = 1;
	insert(gaps, at + 1, &behind);
	gaps->list->gap[at].last = number - 1;
	gaps->list->gap[at].missing = number - gaps->list->gap[at].first;
	gaps->list->gap[at].count = 1;
}

int
gaps_close(struct gaps *gaps, uint64_t number, struct gap *was)
{
	const struct gap *gap = gaps_find(gaps, number);
	size_t at = place_of(gaps, number);

	if (!gap)
		return 0;
	*was = *gap;
	was->first = was->last = number;
	was->missing = 1;
	was->count = 1;
	if (gap->first < number) {
		split(gaps, at, number);
		at++;
	}
	if (gaps->list->gap[at].last > number)
		split(gaps, at, number + 1);
	remove_at(gaps, at);
	make_room(gaps);
	return 1;
}

/* Does the range end within the gap, and not with it? */
static int
is_cut(const struct gap *gap, uint64_t first, uint64_t last)
{
	return (gap->first < first && first <= gap->last) ||
	    (gap->first <= last && last < gap->last);
}

enum gaps_confirmed
gaps_confirm(struct gaps *gaps, uint64_t first, uint64_t last, uint64_t *count)
{
	size_t from = place_of(gaps, first), at;

	*count = 0;
	if (from == gaps_count(gaps) || gaps->list->gap[from].first > last)
		return GAPS_NONE;
	for (at = from; at < gaps_count(gaps); at++) {
		if (is_cut(&gaps->list->gap[at], first, last) && is_merged(&gaps->list->gap[at]))
			return GAPS_MERGED;
	}
	if (gaps->list->gap[from].first < first && !gaps->list->gap[from].known)
		split(gaps, from++, first);
	for (at = from; at < gaps_count(gaps) && gaps->list->gap[at].first <= last; at++) {
		if (gaps->list->gap[at].known)
			continue;
		if (gaps->list->gap[at].last > last)
			split(gaps, at, last + 1);
		*count += gaps->list->gap[at].count;
		gaps->list->gap[at].known = 1;
	}
	make_room(gaps);
	return GAPS_CONFIRMED;
}

void
gaps_clear(struct gaps *gaps)
{
	resize(gaps, 0);
}
