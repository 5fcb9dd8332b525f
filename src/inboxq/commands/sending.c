/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/commands/sending.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inboxq/spool/item.h"

void
sending_begin(struct sending *sending, const struct spool *spool)
{
	memset(sending, 0, sizeof *sending);
	sending->spool = spool;
	sending->place = sentlog_tail(spool, 1); /* behind the last line */
}

void
sending_free(struct sending *sending)
{
	free(sending->items);
	sending->items = NULL;
}

int
sending_add(struct sending *sending, uint64_t n, const char *file)
{
	struct spool_item item;
	struct why why;
	int fd;

	if (sending->count == sending->room) {
		size_t room = sending->room ? 2 * sending->room : 16;
		struct sent_item *more = reallocarray(sending->items, room, sizeof *more);

		if (!more)
			return -1;
		sending->items = more;
		sending->room = room;
	}
	/* It may have been sent already: then its size is of no interest. */
	fd = item_open(sending->spool, SPOOL_QUEUE, n, &item, &why);
	if (fd >= 0)
		close(fd);
	sending->items[sending->count++] = (struct sent_item){
	    .n = n, .size = fd >= 0 ? item.size : 0, .file = file ? file : "standard input"};
	sending->bytes += fd >= 0 ? item.size : 0;
	sending->left++;
	return 0;
}

static int
compare(const void *key, const void *item)
{
	uint64_t n = *(const uint64_t *)key, other = ((const struct sent_item *)item)->n;

	return (n > other) - (n < other);
}

static struct sent_item *
find(const struct sending *sending, uint64_t n)
{
	return sending->count
	    ? bsearch(&n, sending->items, sending->count, sizeof *sending->items, compare)
	    : NULL;
}

static void
on_line(void *ctx, const struct sentlog_line *line)
{
	static const enum sent_state states[SENTLOG_ENDS] = {[SENTLOG_STORED] = SENT_STORED,
	    [SENTLOG_REFUSED] = SENT_REFUSED, [SENTLOG_REMOVED] = SENT_REMOVED};
	struct sending *sending = ctx;
	struct sent_item *item = find(sending, line->n);
	char reason[SPOOL_REASON_MAX + 1] = "";
	char server[SENTLOG_SERVER_ROOM];

	if (!item || item->state != SENT_WAITS)
		return;
	item->state = states[line->end];
	sending->left--;
	sending->ended_bytes += item->size;
	if (item->state == SENT_REFUSED)
		item_read_reason(sending->spool, line->n, reason);
	memcpy(server, line->server, sizeof server);
	server[strcspn(server, "/")] = '\0';
	if (sending->on_end)
		sending->on_end(sending->ctx,
		    &(struct sent_end){item, server, line->there, reason});
}

int
sending_follow(struct sending *sending)
{
	return sentlog_read(sending->spool, &sending->place, on_line, sending);
}

void
sending_look(struct sending *sending, const struct runstate *state)
{
	sending->under_way = 0;
	for (size_t i = 0; i < RUNSTATE_UPLOADS; i++) {
		const struct runstate_upload *upload = &state->upload[i];
		const struct sent_item *item = upload->n ? find(sending, upload->n) : NULL;

		if (item && item->state == SENT_WAITS)
			sending->under_way +=
			    upload->bytes < item->size ? upload->bytes : item->size;
	}
}
