/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/strands.h"

#include <stddef.h>

static void
add_strand(struct strand_list *list, struct strand *strand)
{
	strand->next = NULL;
	if (list->first)
		list->last->next = strand;
	else
		list->first = strand;
	list->last = strand;
}

static struct strand *
take_strand(struct strand_list *list)
{
	struct strand *strand = list->first;

	list->first = strand->next;
	return strand;
}

static int
is_alone(const struct strands *strands, const struct item *item)
{
	return !item->next && item->strand->served <= strands->round;
}

void
strands_begin_round(struct strands *strands)
{
	strands->round++;
}

void
strands_add(struct strands *strands, struct item *item)
{
	struct strand *strand = item->strand;

	if (!strand->items.first) {
		item_list_clear(&strand->items);
		add_strand(&strands->waiting, strand);
	}
	item_list_add(&strand->items, item);
}

int
strands_are_empty(const struct strands *strands)
{
	return !strands->waiting.first && !strands->passed.first;
}

int
strands_find(struct strands *strands,
    int (*has_room)(const void *ctx, const struct item *item, int is_alone), const void *ctx)
{
	const struct item *item = strands->passed.first ? strands->passed.first->items.first : NULL;

	strands->is_passed = item && has_room(ctx, item, is_alone(strands, item));
	if (strands->is_passed)
		return 1;
	while (strands->waiting.first) {
		item = strands->waiting.first->items.first;
		if (has_room(ctx, item, is_alone(strands, item)))
			return 1;
		if (is_alone(strands, item))
			return 0;
		add_strand(&strands->passed, take_strand(&strands->waiting));
	}
	return 0;
}

struct item *
strands_pop(struct strands *strands)
{
	struct strand *strand =
	    take_strand(strands->is_passed ? &strands->passed : &strands->waiting);
	struct item *item = item_list_pop(&strand->items);

	strand->served = strands->round + 1;
	if (strand->items.first)
		add_strand(&strands->waiting, strand);
	return item;
}
