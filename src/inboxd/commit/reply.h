/* SPDX-License-Identifier: ISC */
/* How requests go back to who made them, and an item is answered: counted for its queue, too. */
#ifndef INBOXD_COMMIT_REPLY_H
#define INBOXD_COMMIT_REPLY_H

#include "inboxd/commit/request.h"

void reply_give_back(struct request *request);
/* Its bytes go; its queue holds it no more. */
void reply_item(struct item *item, enum item_outcome outcome);
/* For one that stands in no journal: its draft is deleted then. */
void reply_later(struct item *item, enum proto_code code);

#endif
