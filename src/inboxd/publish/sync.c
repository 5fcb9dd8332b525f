/* SPDX-License-Identifier: ISC */
#include "inboxd/publish/sync.h"

#include <errno.h>
#include <stdlib.h>

#include "inboxd/base/crew.h"
#include "inboxd/base/fatal.h"
#include "inboxd/base/settings.h"
#include "inboxd/drafts/meta.h"
#include "inboxd/publish/beside.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/filesystem.h"

/* What is thought before it is known, microseconds. */
#define A_FILE 250
#define A_FILESYSTEM 2500

/* How much of a cost the last round tells; and how much of that of the way not taken is
 * forgiven each time, so that it is tried again some day. */
#define NEWEST 0.25
#define FORGIVEN 0.99

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
	folders->fds =
	    must_grow(folders->fds, folders->count, &folders->room, sizeof *folders->fds);
	folders->fds[folders->count++] = fd;
}

/* What the journal does not carry has been synced before it was acknowledged; and what is lost is
 * no file. */
static int
has_to_be_synced(const struct publication *p)
{
	return p->frame.has_item && !p->is_lost;
}

static int
sync_draft(void *ctx, size_t i)
{
	struct publication *p = ((struct publication **)ctx)[i];

	if (beside_is_open(p))
		beside_sync(p);
	if (!has_to_be_synced(p) || meta_sync(p->draft.inbox, p->draft.fd) == 0)
		return 0;
	if (draft_failure(errno) != DRAFT_FULL)
		fatal_sync("draft");
	p->is_lost = 1;
	return 0;
}

/* Each waits for the disk, or for a host further off: so they wait together. */
static void
sync_drafts(const struct sync_how *how, struct publication *fresh)
{
	size_t count = 0, room = 0;
	struct publication **all = NULL;

	for (struct publication *p = fresh; p; p = p->next) {
		all = must_grow(all, count, &room, sizeof *all);
		all[count++] = p;
	}
	(void)!crew_run(how->crew, count, sync_draft, all); /* what fails ends the program */
	free(all);
}

static void
sync_files(const struct sync_how *how, struct publication *fresh,
    const struct publication *visible)
{
	struct folders folders = {0};

	for (const struct publication *p = fresh; p; p = p->next) {
		if (beside_is_open(p)) {
			disk_sync_start(p->beside_fd);
			add_folder(&folders, p->draft.inbox->meta_dir);
		}
		if (!has_to_be_synced(p))
			continue;
		disk_sync_start(p->draft.fd);
		add_folder(&folders, p->draft.inbox->tmp);
	}
	for (const struct publication *p = visible; p; p = p->next) {
		add_folder(&folders, p->draft.inbox->new);
		add_folder(&folders, p->draft.inbox->tmp);
	}
	sync_drafts(how, fresh);
	for (size_t i = 0; i < folders.count; i++) {
		if (disk_sync_dir(folders.fds[i]) < 0)
			fatal_sync("folder");
	}
	if (how->ledger >= 0 && disk_sync_data(how->ledger) < 0)
		fatal_sync("ledger");
	free(folders.fds);
}

static void
sync_filesystem(const struct sync_how *how, struct publication *fresh,
    const struct publication *visible)
{
	if (disk_sync_fs(how->root) == 0)
		return;
	if (draft_failure(errno) != DRAFT_FULL)
		fatal_sync("filesystem");
	/* Whose bytes found no room is not told here; each descriptor that was open then tells. */
	sync_files(how, fresh, visible);
}

static void
learn(double *cost, double now)
{
	*cost = *cost * (1 - NEWEST) + now * NEWEST;
}

static void
sync_auto(struct sync_how *how, struct publication *fresh, const struct publication *visible)
{
	int64_t began = clock_monotonic();
	double count = 1; /* for the folders */

	for (const struct publication *p = fresh; p; p = p->next)
		count += has_to_be_synced(p) + beside_is_open(p);
	if (how->a_file * count < how->a_filesystem) {
		sync_files(how, fresh, visible);
		learn(&how->a_file, (double)(clock_monotonic() - began) / count);
		how->a_filesystem *= FORGIVEN;
	} else {
		sync_filesystem(how, fresh, visible);
		learn(&how->a_filesystem, (double)(clock_monotonic() - began));
		how->a_file *= FORGIVEN;
	}
}

int
sync_choose(int root, int way)
{
	return way == SYNC_AUTO && !filesystem_trusts_syncfs(root) ? SYNC_FILES : way;
}

void
sync_begin(struct sync_how *how, int root, int way)
{
	*how = (struct sync_how){.root = root, .way = sync_choose(root, way), .ledger = -1,
	    .a_file = A_FILE, .a_filesystem = A_FILESYSTEM};
	/* With auto and filesystem it is a few files, or those of a disk that is full. */
	how->crew = crew_new(how->way == SYNC_FILES ? CREW_MAX : 1, 1);
}

void
sync_end(struct sync_how *how)
{
	disk_close(how->ledger);
	crew_free(how->crew);
}

int
sync_check(int root, int way, struct why *why)
{
	char name[FILESYSTEM_ROOM];

	if (way != SYNC_FILESYSTEM || filesystem_trusts_syncfs(root))
		return 0;
	if (!disk_has_syncfs())
		return why_say(why,
		    "sync = filesystem needs syncfs(2), which this system lacks: set files");
	filesystem_name(root, name);
	return why_say(why,
	    "sync = filesystem needs a syncfs(2) that writes all out and tells of each error, as "
	    "that of %s on this system is not known to: set files, or auto", name);
}

void
sync_round(struct sync_how *how, struct publication *fresh, const struct publication *visible)
{
	switch ((enum settings_sync)how->way) {
	case SYNC_AUTO:
		sync_auto(how, fresh, visible);
		break;
	case SYNC_FILES:
		sync_files(how, fresh, visible);
		break;
	case SYNC_FILESYSTEM:
		sync_filesystem(how, fresh, visible);
		break;
	}
}
