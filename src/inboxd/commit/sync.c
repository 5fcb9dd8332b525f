/* SPDX-License-Identifier: ISC */
#include "inboxd/commit/sync.h"

#include <errno.h>
#include <stdlib.h>

#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "lib/disk.h"

/* The folders to sync, each once. */
struct folders {
	int *fds;
	size_t count, room;
};

static void
add_folder(struct folders *folders, int fd)
{
	for (size_t i = 0; i < folders->count; i++) {
		if (folders->fds[i] == fd)
			return;
	}
	if (folders->count == folders->room) {
		folders->room = folders->room ? folders->room * 2 : 16;
		folders->fds = realloc(folders->fds, folders->room * sizeof *folders->fds);
		if (!folders->fds)
			fatal(EX_OSERR, "out_of_memory", "what=folders");
	}
	folders->fds[folders->count++] = fd;
}

static void
sync_drafts(struct item *drafts)
{
	for (struct item *item = drafts; item; item = item->next) {
		if (item_is_duplicate(item) || disk_sync_data(item->draft.fd) == 0)
			continue;
		if (draft_failure(errno) != DRAFT_FULL)
			fatal_sync("draft");
		item->no_room = 1;
	}
}

static void
sync_files(const struct sync_how *how, struct item *drafts, const struct item *published)
{
	struct folders folders = {0};

	for (const struct item *item = drafts; item; item = item->next) {
		if (item_is_duplicate(item))
			continue;
		disk_sync_start(item->draft.fd);
		add_folder(&folders, item->draft.inbox->tmp);
	}
	for (const struct item *item = published; item; item = item->next) {
		if (item_is_duplicate(item))
			continue;
		add_folder(&folders, item->draft.inbox->new);
		add_folder(&folders, item->draft.inbox->tmp);
	}
	/* First: a journal's commit takes along what consumers have done with the items of the
	 * last turn, and recovery needs the mark to know that these had been there. */
	if (disk_sync_data(how->ledger) < 0)
		fatal_sync("ledger");
	sync_drafts(drafts);
	for (size_t i = 0; i < folders.count; i++) {
		if (disk_sync_dir(folders.fds[i]) < 0)
			fatal_sync("folder");
	}
	free(folders.fds);
}

static void
sync_filesystem(const struct sync_how *how, struct item *drafts, const struct item *published)
{
	(void)drafts, (void)published;
	if (disk_sync_fs(how->root) < 0)
		fatal_sync("filesystem");
}

const char *
sync_lacks(int sync)
{
	return sync == SYNC_FILESYSTEM && !disk_has_syncfs()
	    ? "sync = filesystem needs syncfs(2), which this system lacks: set files"
	    : NULL;
}

/* By enum settings_sync. */
static void (*const ways[])(
    const struct sync_how *how, struct item *drafts, const struct item *published) = {
#define X(value, word) sync_##word,
    SETTINGS_SYNCS(X)
#undef X
};

void
sync_turn(const struct sync_how *how, struct item *drafts, const struct item *published)
{
	ways[how->sync](how, drafts, published);
}
