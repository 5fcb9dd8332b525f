/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/reply.h"

#include <stdlib.h>

#include "inboxd/commit/clients.h"
#include "inboxd/commit/tallies.h"

void
reply_give_back(struct request *request)
{
	mailbox_post(request->reply, &request->message);
}

void
reply_item(struct item *item, enum item_outcome outcome)
{
	free(item->bytes);
	item->bytes = NULL;
	item->outcome = outcome;
	tallies_count(item);
	queue_release(item->queue);
	reply_give_back(&item->request);
}

void
reply_later(struct item *item, enum proto_code code)
{
	item->code = code;
	reply_item(item, ITEM_LATER);
}
