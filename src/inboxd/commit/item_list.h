/* SPDX-License-Identifier: ISC */
/* Items in order of arrival. */
#ifndef INBOXD_COMMIT_ITEM_LIST_H
#define INBOXD_COMMIT_ITEM_LIST_H

#include <stddef.h>

#include "inboxd/commit/request.h"

struct item_list {
	struct item *first, **last;
};

static inline void
item_list_clear(struct item_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void
item_list_add(struct item_list *list, struct item *item)
{
	item->next = NULL;
	*list->last = item;
	list->last = &item->next;
}

static inline struct item *
item_list_pop(struct item_list *list)
{
	struct item *item = list->first;

	if (item)
		list->first = item->next;
	if (!list->first)
		list->last = &list->first;
	return item;
}

#endif
