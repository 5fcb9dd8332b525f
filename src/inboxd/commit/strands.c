/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/strands.h"

#include <stddef.h>

static void
add_strand(struct strands *strands, struct strand *strand)
{
	strand->next = NULL;
	if (strands->first)
		strands->last->next = strand;
	else
		strands->first = strand;
	strands->last = strand;
}

static struct strand *
take_strand(struct strands *strands)
{
	struct strand *strand = strands->first;

	strands->first = strand->next;
	return strand;
}

void
strands_add(struct strands *strands, struct item *item)
{
	struct strand *strand = item->strand;

	if (!strand->items.first) {
		item_list_clear(&strand->items);
		add_strand(strands, strand);
	}
	item_list_add(&strand->items, item);
}

int
strands_find(struct strands *strands,
    int (*has_room)(const void *ctx, const struct item *item, int is_alone), const void *ctx)
{
	const struct strand *begin = strands->first;

	while (strands->first) {
		const struct item *item = strands->first->items.first;
		int is_alone = !item->next;

		if (has_room(ctx, item, is_alone))
			return 1;
		if (is_alone)
			return 0;
		add_strand(strands, take_strand(strands));
		if (strands->first == begin)
			return 0;
	}
	return 0;
}

struct item *
strands_pop(struct strands *strands)
{
	struct strand *strand = take_strand(strands);
	struct item *item = item_list_pop(&strand->items);

	if (strand->items.first)
		add_strand(strands, strand);
	return item;
}
