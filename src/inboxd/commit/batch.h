/* SPDX-License-Identifier: ISC */
/* Items in order of arrival. */
#ifndef INBOXD_COMMIT_BATCH_H
#define INBOXD_COMMIT_BATCH_H

#include <stddef.h>

#include "inboxd/commit/request.h"

struct batch {
	struct item *first, **last;
};

static inline void
batch_clear(struct batch *batch)
{
	batch->first = NULL;
	batch->last = &batch->first;
}

static inline void
batch_add(struct batch *batch, struct item *item)
{
	item->next = NULL;
	*batch->last = item;
	batch->last = &item->next;
}

static inline struct item *
batch_pop(struct batch *batch)
{
	struct item *item = batch->first;

	if (item)
		batch->first = item->next;
	if (!batch->first)
		batch->last = &batch->first;
	return item;
}

#endif
