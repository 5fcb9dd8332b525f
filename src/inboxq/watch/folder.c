/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/watch/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/spool.h"
#include "inboxq/watch/folder_parts.h"
#include "inboxq/watch/known.h"
#include "inboxq/watch/ready.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

#define OPEN_EVERY (5 * CLOCK_SECOND)  /* until a folder that is not there is tried again */
#define FULL_EVERY (5 * CLOCK_SECOND)
#define LIST_EVERY (30 * CLOCK_SECOND) /* where inotify tells what happens; else each second */
#define LIST_SHARE 20                  /* listing takes one of so many parts of the time at most */

struct folder *
folder_new(const struct folder_setup *setup, const struct settings_watch *settings)
{
	struct folder *folder = calloc(1, sizeof *folder);

	if (!folder)
		return NULL;
	folder->setup = *setup;
	folder->batch_max = INTAKE_BATCH;
	folder->dir = folder->number = folder->claims.folder = folder->claims.lock = -1;
	folder_configure(folder, settings);
	folder->waiting = waiting_new();
	if (folder->waiting)
		return folder;
	folder_free(folder);
	return NULL;
}

void
folder_configure(struct folder *folder, const struct settings_watch *settings)
{
	folder->settings = settings;
	folder->must_list = 1; /* other names may be passed over */
	escape_bytes(folder->printed, sizeof folder->printed, settings->folder,
	    strlen(settings->folder));
}

/* What was deleted stays away from here on. */
static int
settle(struct folder *folder)
{
	int rc = folder->must_settle ? claims_settle(&folder->claims) : 0;

	folder->must_settle = 0;
	return rc;
}

/* What was claimed is found again when it is opened the next time. */
static void
close_folder(struct folder *folder)
{
	(void)!settle(folder); /* of one that is gone, perhaps */
	if (folder->number >= 0)
		notice_remove(folder->setup.notice, folder->number);
	folder->number = -1;
	claims_close(&folder->claims);
	disk_close(folder->dir);
	folder->dir = -1;
	while (folder->claimed)
		claim_free(&folder->claimed, folder->claimed);
	while (folder->waiting && waiting_first(folder->waiting))
		waiting_drop(folder->waiting, waiting_first(folder->waiting));
}

void
folder_free(struct folder *folder)
{
	if (!folder)
		return;
	close_folder(folder);
	waiting_free(folder->waiting);
	free(folder);
}

const char *
folder_path(const struct folder *folder)
{
	return folder->settings->folder;
}

int
folder_is(const struct folder *folder, dev_t device, ino_t inode)
{
	return folder->dir >= 0 && folder->device == device && folder->inode == inode;
}

void
folder_count(const struct folder *folder, struct folder_counts *counts)
{
	counts->served += folder->dir >= 0;
	counts->full += folder->full_until != 0;
	counts->queued += folder->queued;
	counts->left += waiting_count(folder->waiting);
	for (const struct claim *claim = folder->claimed; claim; claim = claim->next)
		counts->left += claim->state == CLAIM_HELD;
}

int
folder_check(const struct settings_watch *settings, struct why *why)
{
	int dir = disk_open_dir(AT_FDCWD, settings->folder), rc = -1;

	if (dir >= 0)
		rc = faccessat(dir, ".", R_OK | W_OK | X_OK, AT_EACCESS);
	if (rc < 0)
		why_say(why, "[watch %s] %s: %s", settings->name, settings->folder,
		    strerror(errno));
	disk_close(dir);
	return rc;
}

void
folder_complain(struct folder *folder, const char *what, const char *detail)
{
	struct why why;

	why_say(&why, "%s%s", what, detail);
	if (strcmp(why.text, folder->trouble.text) == 0)
		return;
	folder->trouble = why;
	log_event(LOG_ERR, "watch_trouble", "folder=%s error=\"%s\"", folder->printed, why.text);
}

void
folder_say(struct folder *folder, struct sight *sight, const char *name, int code,
    const char *why)
{
	char printed[ESCAPE_ROOM(NAME_MAX)];

	if (sight->said == code)
		return;
	sight->said = code;
	escape_bytes(printed, sizeof printed, name, strlen(name));
	log_event(LOG_WARNING, "watch_not_taken", "folder=%s file=%s reason=\"%s\"",
	    folder->printed, printed, why);
}

void
folder_be_full(struct folder *folder, const char *why)
{
	if (!folder->full_until)
		log_event(LOG_ERR, "watch_full", "folder=%s error=\"%s\"", folder->printed, why);
	folder->full_until = clock_monotonic() + FULL_EVERY;
}

/* Is it a folder of the spool?  Its files are no items to come. */
static int
is_of_spool(const struct spool *spool, const struct stat *st)
{
	struct stat ours;

	for (int part = SPOOL_TOP; part < SPOOL_PARTS; part++)
		if (fstat(spool_folder(spool, (enum spool_part)part), &ours) == 0 &&
		    ours.st_dev == st->st_dev && ours.st_ino == st->st_ino)
			return 1;
	return 0;
}

/* Opens it and finds out what is known there.  -1 with the reason. */
static int
open_parts(struct folder *folder, struct why *why)
{
	struct stat st;

	folder->dir = disk_open_dir(AT_FDCWD, folder->settings->folder);
	if (folder->dir < 0 || fstat(folder->dir, &st) < 0)
		return why_say(why, "%s", strerror(errno));
	if (is_of_spool(folder->setup.spool, &st))
		return why_say(why, "it is a folder of the spool");
	if (folder->setup.is_taken(folder->setup.ctx, folder, st.st_dev, st.st_ino))
		return why_say(why, "another section has the same folder");
	folder->device = st.st_dev;
	folder->inode = st.st_ino;
	if (claims_open(&folder->claims, folder->dir, why) < 0)
		return -1;
	if (claims_find(&folder->claims, &folder->claimed) < 0)
		return why_say(why, "cannot read " CLAIM_FOLDER " in it: %s", strerror(errno));
	if (known_tell(folder->setup.spool, folder->claimed) < 0)
		return why_say(why, "cannot look into the spool for what was claimed: %s",
		    strerror(errno));
	return 0;
}

static void
open_folder(struct folder *folder)
{
	const char *how = "listing";
	size_t left = 0;
	struct why why;

	folder->open_due = clock_monotonic() + OPEN_EVERY;
	if (open_parts(folder, &why) < 0) {
		folder_complain(folder, why.text, "");
		folder->device = 0;
		folder->inode = 0;
		close_folder(folder);
		return;
	}
	folder->is_shared = ready_is_shared(folder->dir);
	folder->tells = ready_tells(folder->claims.folder, "probe");
	if (folder->setup.notice) {
		folder->number = notice_add(folder->setup.notice, folder->dir);
		if (folder->number >= 0 && !folder->is_shared)
			how = "inotify";
	}
	folder->must_list = 1;
	folder->list_due = 0;
	folder->trouble.text[0] = '\0';
	for (const struct claim *claim = folder->claimed; claim; claim = claim->next)
		left++;
	if (folder->claims.lock < 0)
		log_event(LOG_WARNING, "watch_unlocked",
		    "folder=%s note=\"nothing can be locked there: let it have one watch\"",
		    folder->printed);
	log_event(LOG_NOTICE, "watch_began", "folder=%s inbox=%s by=%s writers=%s claimed=%zu",
	    folder->printed, folder->settings->inbox, how, folder->tells ? "told" : "unknown",
	    left);
}

/* Passed over, whatever they are: names that say "not yet". */
static int
is_passed_over(const struct folder *folder, const char *name)
{
	const struct conf_list *ignore = &folder->settings->ignore;

	if (name[0] == '.')
		return 1;
	for (size_t i = 0; i < ignore->count; i++)
		if (fnmatch(ignore->items[i], name, 0) == 0)
			return 1;
	return 0;
}

static struct waiting_file *
see(struct folder *folder, const char *name)
{
	struct waiting_file *file;

	if (is_passed_over(folder, name))
		return NULL;
	file = waiting_see(folder->waiting, name);
	if (!file)
		folder->must_list = 1; /* once there is room again */
	return file;
}

void
folder_notice(struct folder *folder, enum notice_kind kind, int number, const char *name)
{
	struct waiting_file *file;

	if (kind == NOTICE_MISSED) {
		folder->must_list = 1;
		folder->list_due = 0;
		return;
	}
	if (folder->dir < 0 || number != folder->number)
		return;
	if (kind == NOTICE_GONE) {
		folder->number = -1;
		folder_complain(folder, "it is gone", "");
		close_folder(folder);
		folder->open_due = 0;
		return;
	}
	file = name[0] ? see(folder, name) : NULL;
	if (!file)
		return;
	file->sight.due = 0;
	if (kind == NOTICE_MADE)
		file->sight.is_closed = 0;
	if (kind == NOTICE_CLOSED) {
		file->sight.is_closed = 1;
		file->sight.since = clock_monotonic();
	}
}

/* May there be what no listing and no notice has shown? */
static int
is_list_due(const struct folder *folder, const struct stat *st)
{
	if (clock_monotonic() < folder->list_due)
		return 0;
	/* Where there are more than there is room for, once some of these have gone, or all have
	 * been looked at, and those that cannot be taken give way. */
	if (folder->must_list)
		return waiting_count(folder->waiting) <= WAITING_MAX / 2 || folder->is_idle;
	return seen_may_differ(&folder->listed, st);
}

static void
list(struct folder *folder, const struct stat *st)
{
	int64_t begin = clock_monotonic(), next;
	DIR *dir = disk_list(folder->dir);
	struct dirent *entry;

	if (!dir) {
		folder_complain(folder, "cannot list it: ", strerror(errno));
		folder->list_due = begin + OPEN_EVERY;
		return;
	}
	folder->must_list = 0;
	seen_note(&folder->listed, st);
	while ((errno = 0, entry = readdir(dir)))
		(void)see(folder, entry->d_name);
	if (errno != 0) {
		folder_complain(folder, "cannot list it: ", strerror(errno));
		folder->must_list = 1;
	}
	closedir(dir);
	next = LIST_SHARE * (clock_monotonic() - begin);
	if (next < LIST_EVERY && folder->number >= 0 && !folder->is_shared && !folder->must_list)
		next = LIST_EVERY;
	folder->list_due = begin + (next < CLOCK_SECOND ? CLOCK_SECOND : next);
}

/* Does the path still lead to what is open?  A folder may be replaced, mounted over, deleted. */
static int
is_there(const struct folder *folder)
{
	struct stat st;

	/* What is open may be stale, on NFS. */
	return fstat(folder->dir, &st) == 0 && stat(folder->settings->folder, &st) == 0 &&
	    st.st_dev == folder->device && st.st_ino == folder->inode;
}

void
folder_tick(struct folder *folder)
{
	struct stat st;

	if (folder->dir >= 0 && !is_there(folder)) {
		folder_complain(folder, "it is gone, or another one has its name", "");
		close_folder(folder);
		folder->open_due = 0;
	}
	if (folder->dir < 0 && clock_monotonic() >= folder->open_due)
		open_folder(folder);
	if (folder->dir >= 0 && settle(folder) < 0)
		folder_complain(folder, "cannot sync " CLAIM_FOLDER " in it: ", strerror(errno));
	if (folder->dir >= 0 && fstat(folder->dir, &st) == 0 && is_list_due(folder, &st))
		list(folder, &st);
}
