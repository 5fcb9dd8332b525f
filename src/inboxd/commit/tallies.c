/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/tallies.h"

void
tallies_take(struct queue *queue, const struct untold *untold)
{
	if (untold->later == 0 && untold->refused == 0)
		return;
	queue->figures.tally.later += untold->later;
	queue->figures.tally.refused += untold->refused;
	queue->is_behind = 1;
}

/* Which code is the answer?  PROTO_CODE_COUNT: none. */
static enum proto_code
code_of(const struct item *item)
{
	if (item->outcome == ITEM_LATER || (item->outcome == ITEM_UNKNOWN && item->refusal))
		return item->code;
	return PROTO_CODE_COUNT;
}

void
tallies_count(const struct item *item)
{
	enum proto_code code = code_of(item);
	struct untold given = item->untold;

	if (item->outcome == ITEM_AGAIN) {
		item->queue->figures.tally.again++;
		item->queue->is_behind = 1;
	}
	if (code != PROTO_CODE_COUNT && proto_code_verb(code) == VERB_LATER)
		given.later++;
	else if (code != PROTO_CODE_COUNT)
		given.refused++;
	tallies_take(item->queue, &given);
}
