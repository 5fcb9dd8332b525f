/* SPDX-License-Identifier: ISC */
#include "inboxd/serve/ticket.h"

#include <stddef.h>

#include "inboxd/serve/shop.h"

void
ticket_dismiss(struct ticket *ticket)
{
	ticket->dismiss.kind = TICKET_DISMISS;
	mailbox_post(ticket->worker, &ticket->dismiss);
}

struct ticket *
ticket_of(struct message *message)
{
	size_t at = offsetof(struct ticket, dismiss);

	if (message->kind == TICKET_SHAKEN)
		at = offsetof(struct ticket, shaken);
	else if (message->kind == TICKET_LEFT)
		at = offsetof(struct ticket, left);
	return (struct ticket *)((char *)message - at);
}

void
ticket_shaken(struct shop *shop, struct ticket *ticket)
{
	if (!ticket)
		return;
	ticket->handshake = NULL;
	ticket->shaken.kind = TICKET_SHAKEN;
	shop->tell(shop, &ticket->shaken);
}

void
ticket_left(struct shop *shop, struct ticket *ticket)
{
	if (!ticket)
		return;
	ticket->handshake = NULL;
	ticket->left.kind = TICKET_LEFT;
	shop->tell(shop, &ticket->left);
}
