/* SPDX-License-Identifier: ISC */
#include "inboxd/recover/beside_item.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "inboxd/base/fatal.h"
#include "inboxd/commit/clients.h"
#include "inboxd/drafts/meta.h"
#include "lib/disk.h"
#include "lib/record.h"

/* By its record in the journal.  NULL: that cannot be read. */
static char *
text_of_frame(const struct recovery *r, const struct unfinished *u)
{
	char accept[RECORD_LINE_MAX + 1];

	if (!u->frame || u->frame->is_damaged ||
	    journal_read_frame(r->root->journal, u->frame, accept, NULL) < 0)
		return NULL;
	return meta_text_of(u->inbox, accept);
}

/* By what is remembered of it: all but its name there, and the time. */
static char *
text_of_memory(const struct unfinished *u)
{
	const struct meta meta = {
	    .client = u->item.queue->identity,
	    .queue = u->item.queue->id,
	    .inbox = u->item.inbox,
	    .number = u->item.number,
	    .hint = "",
	    .sha256 = u->item.sha256,
	};

	return meta_text(u->inbox, &meta);
}

int
beside_item_write(struct recovery *r, const struct unfinished *u, struct fresh_sync *sync)
{
	char *text;
	int fd, is_seen = u->verdict == VISIBLE || u->verdict == LEAVE || u->verdict == REPLACE;

	if (u->verdict == VOID || u->verdict == CLAIMED || u->inbox->meta_dir < 0)
		return 0;
	/* Who has claimed it since it was judged has perhaps dealt with both. */
	if (is_seen && (meta_is_there(u->inbox, u->item.name) ||
	    faccessat(u->inbox->new, u->item.name, F_OK, AT_SYMLINK_NOFOLLOW) < 0))
		return 0;
	text = text_of_frame(r, u);
	/* A damaged frame is no reason to spoil what may be whole. */
	if (!text && meta_is_there(u->inbox, u->item.name))
		return 0;
	if (!text)
		text = text_of_memory(u);
	fd = meta_write(u->inbox, u->item.name, text);
	free(text);
	if (fd < 0 || fresh_keep(sync, u->inbox, fd) < 0)
		return recovery_fail(r, "write", u->item.inbox, "meta/");
	return 0;
}

int
beside_item_rename(struct recovery *r, const struct unfinished *u, const char *name)
{
	if (u->inbox->meta_dir < 0)
		return 0;
	if (meta_rename(u->inbox, u->item.name, name) < 0)
		return recovery_fail(r, "rename", u->item.inbox, "meta/");
	if (disk_sync_dir(u->inbox->meta_dir) < 0)
		fatal_sync("folder");
	return 0;
}
