/* SPDX-License-Identifier: ISC */
#include "inboxctl/root/copies.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mix.h"

static uint64_t
number_of(const struct copies *copies, const struct record *accept)
{
	uint64_t digest;

	memcpy(&digest, accept->sha256, sizeof digest);
	digest = mix(digest ^ mix(accept->n));
	return mix_text(mix_text(digest, accept->identity), accept->queue) & copies->of_number;
}

/* ---- the first time */

int
copies_note(struct copies *copies, const struct record *accept)
{
	if (copies->number_count == copies->number_room) {
		size_t room = copies->number_room ? 2 * copies->number_room : 1024;
		uint64_t *more = reallocarray(copies->numbers, room, sizeof *more);
		if (!more)
			return -1;
		copies->numbers = more;
		copies->number_room = room;
	}
	copies->numbers[copies->number_count++] = number_of(copies, accept);
	return 0;
}

static int
compare_numbers(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

void
copies_narrow(struct copies *copies)
{
	uint64_t *numbers = copies->numbers;
	size_t kept = 0, next;

	if (copies->number_count == 0)
		return;
	qsort(numbers, copies->number_count, sizeof *numbers, compare_numbers);
	for (size_t i = 0; i < copies->number_count; i = next) {
		for (next = i + 1; next < copies->number_count && numbers[next] == numbers[i];)
			next++;
		if (next - i > 1)
			numbers[kept++] = numbers[i];
	}
	copies->number_count = kept;
}

/* ---- the second time */

static const char *
put(char **at, const char *text)
{
	const char *put = *at;

	*at = stpcpy(*at, text) + 1;
	return put;
}

static struct copy *
copy_new(const struct entry *entry)
{
	const struct record *record = &entry->record;
	const char *name = entry->renamed[0] ? entry->renamed : record->name;
	struct copy *new = malloc(sizeof *new + strlen(record->identity) + strlen(record->queue) +
	    strlen(record->inbox) + strlen(name) + strlen(record->hint) + 5);
	char *at = (char *)(new + 1);

	if (!new)
		return NULL;
	*new = (struct copy){.time = record->time, .outcome = entry->outcome, .n = record->n,
	    .size = record->size};
	memcpy(new->sha256, record->sha256, sizeof new->sha256);
	new->identity = put(&at, record->identity);
	new->queue = put(&at, record->queue);
	new->inbox = put(&at, record->inbox);
	new->name = put(&at, name);
	new->hint = put(&at, record->hint);
	return new;
}

int
copies_take(struct copies *copies, const struct entry *entry, size_t at)
{
	uint64_t number = number_of(copies, &entry->record);
	struct copy *new;

	if (copies->number_count == 0 ||
	    !bsearch(&number, copies->numbers, copies->number_count, sizeof number,
	        compare_numbers))
		return 0;
	if (copies->count == copies->room) {
		size_t room = copies->room ? 2 * copies->room : 64;
		struct copy **more = reallocarray(copies->all, room, sizeof *more);
		if (!more)
			return -1;
		copies->all = more;
		copies->room = room;
	}
	new = copy_new(entry);
	if (!new)
		return -1;
	new->number = number;
	new->at = at;
	copies->all[copies->count++] = new;
	return 0;
}

/* ---- the end */

static int
compare_keys(const struct copy *a, const struct copy *b)
{
	int order = (a->number > b->number) - (a->number < b->number);

	if (order == 0)
		order = memcmp(a->sha256, b->sha256, sizeof a->sha256);
	if (order == 0)
		order = (a->n > b->n) - (a->n < b->n);
	if (order == 0)
		order = strcmp(a->queue, b->queue);
	return order ? order : strcmp(a->identity, b->identity);
}

int
copies_are_one(const struct copy *a, const struct copy *b)
{
	return compare_keys(a, b) == 0;
}

/* An item's copies in turn, as they were stored; the items by their last copies, which are all 0 at
 * first. */
static int
compare_copies(const void *one, const void *two)
{
	const struct copy *a = *(struct copy *const *)one, *b = *(struct copy *const *)two;
	int order = (a->latest > b->latest) - (a->latest < b->latest);

	if (order == 0)
		order = compare_keys(a, b);
	if (order == 0)
		order = (a->time > b->time) - (a->time < b->time);
	return order ? order : (a->at > b->at) - (a->at < b->at);
}

void
copies_finish(struct copies *copies, int64_t since)
{
	struct copy **all = copies->all;
	size_t count = copies->count, kept = 0, next;

	if (count == 0)
		return;
	qsort(all, count, sizeof *all, compare_copies);
	for (size_t i = 0; i < count; i = next) {
		for (next = i + 1; next < count && compare_keys(all[i], all[next]) == 0;)
			next++;
		int64_t latest = all[next - 1]->time;
		int is_told = next - i > 1 && latest >= since;
		for (size_t k = i; k < next; k++) {
			all[k]->latest = latest;
			if (is_told)
				all[kept++] = all[k];
			else
				free(all[k]);
		}
	}
	copies->count = kept;
	if (kept > 0)
		qsort(all, kept, sizeof *all, compare_copies);
}

void
copies_free(struct copies *copies)
{
	for (size_t i = 0; i < copies->count; i++)
		free(copies->all[i]);
	free(copies->all);
	free(copies->numbers);
	copies->all = NULL;
	copies->numbers = NULL;
	copies->count = copies->number_count = 0;
}
