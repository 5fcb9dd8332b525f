/* SPDX-License-Identifier: ISC */
/*
 * A folder's names are gathered before anything moves: what is renamed while a listing goes on may
 * come twice in it, or never.
 */
#include "config.h"

#include "inboxq/spool/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inboxq/spool/fsck_parts.h"
#include "inboxq/spool/item.h"
#include "lib/disk.h"

#define REASON ".reason"
#define DRAFT_AGE (24 * 60 * 60) /* seconds; as spool_sweep() */

struct names {
	char **at;
	size_t count, room;
};

static void
free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->at[i]);
	free(names->at);
}

static int
add_name(struct names *names, const char *name)
{
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		char **more = realloc(names->at, room * sizeof *more);

		if (!more)
			return -1;
		names->at = more;
		names->room = room;
	}
	names->at[names->count] = strdup(name);
	return names->at[names->count] ? (names->count++, 0) : -1;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names of a folder, sorted; to be freed in any case. */
static int
gather(const struct fsck *fsck, enum spool_part part, struct names *names)
{
	DIR *dir = disk_list(spool_folder(fsck->spool, part));
	struct dirent *entry;
	int error = 0;

	if (!dir)
		return -1;
	while (error == 0 && (errno = 0, (entry = readdir(dir))))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    add_name(names, entry->d_name) < 0)
			error = ENOMEM;
	if (error == 0)
		error = errno;
	closedir(dir);
	if (names->count)
		qsort(names->at, names->count, sizeof *names->at, compare);
	errno = error;
	return error ? -1 : 0;
}

static const char *
folder_name(enum spool_part part)
{
	return part == SPOOL_QUEUE ? "queue" : "failed";
}

/* ---- items */

/* As `run` does it: number, reason, the line, and only then the move. */
static int
set_aside_locked(struct fsck *fsck, uint64_t n, const char *why, const struct spool_item *item)
{
	char reason[SPOOL_REASON_MAX];

	snprintf(reason, sizeof reason, "damaged: %s (set aside by fsck)", why);
	if (spool_raise_last(fsck->spool, n) < 0 ||
	    item_write_reason(fsck->spool, n, reason) < 0 ||
	    sentlog_add(fsck->sentlog, n, SENTLOG_REFUSED, NULL, "damaged", item) < 0 ||
	    sentlog_sync(fsck->sentlog) < 0 || item_set_aside(fsck->spool, n) < 0)
		return -1;
	return item_sync_moves(fsck->spool);
}

static int
set_aside(struct fsck *fsck, uint64_t n, const char *why, const struct spool_item *item)
{
	int rc;

	if (spool_lock(fsck->spool) < 0)
		return -1;
	rc = set_aside_locked(fsck, n, why, item);
	spool_unlock(fsck->spool);
	return rc;
}

/* Why the item is not what was added, or NULL; it may have gone, too. */
static const char *
judge_item(const struct fsck *fsck, enum spool_part part, uint64_t n, struct spool_item *item,
    struct why *why)
{
	unsigned char sha256[DIGEST_SIZE];
	char text[DIGEST_TEXT_ROOM];
	unsigned long long size;
	int fd = item_open(fsck->spool, part, n, item, why);

	if (fd < 0)
		return item_is_to_blame(errno) ? why->text : NULL;
	why->text[0] = '\0';
	if (digest_file(fd, SPOOL_HEADER, sha256, &size) < 0) {
		if (item_is_to_blame(errno))
			why_say(why, "its bytes cannot be read: %s", strerror(errno));
	} else {
		digest_print(text, sha256);
		if (size != item->size || strcmp(text, item->sha256) != 0)
			why_say(why, "its bytes are not those that were added");
	}
	disk_close(fd);
	return why->text[0] ? why->text : NULL;
}

static void
check_failed_item(struct fsck *fsck, uint64_t n)
{
	static const char unknown[] = "unknown: nothing was found beside it";
	char reason[SPOOL_REASON_MAX + 1];
	struct spool_item item;
	struct why why, text;
	const char *wrong;

	item_read_reason(fsck->spool, n, reason);
	wrong = judge_item(fsck, SPOOL_FAILED, n, &item, &why);
	if (wrong && strncmp(reason, "damaged:", 8) != 0)
		fsck_note(fsck, "item %" PRIu64 " in failed/ is damaged: %s", n, wrong);
	if (reason[0])
		return;
	why_say(&text, "item %" PRIu64 " in failed/ has no reason beside it", n);
	fsck_tell(fsck, text.text,
	    fsck->repair ? item_write_reason(fsck->spool, n, wrong ? "damaged: found so" : unknown)
	                 : -1,
	    "given one");
}

/* Is it in failed/ as well?  Two names of one file are what a power cut leaves. */
static void
check_twice(struct fsck *fsck, uint64_t n, const char *name, const struct stat *st)
{
	struct stat other;
	struct why text;

	if (fstatat(spool_folder(fsck->spool, SPOOL_FAILED), name, &other,
		AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (other.st_ino == st->st_ino) {
		fsck_note(fsck, "item %" PRIu64 " has a name in queue/ and in failed/, as a power "
		    "cut may leave it: it is sent", n);
		return;
	}
	why_say(&text, "number %" PRIu64 " is in queue/ and, another item, in failed/", n);
	fsck_tell(fsck, text.text,
	    fsck->repair ? fsck_move_to_odd(fsck, SPOOL_FAILED, name) : -1,
	    "the one in failed/ moved to odd/");
}

static void
check_queued_item(struct fsck *fsck, uint64_t n, const char *name, const struct stat *st)
{
	struct spool_item item;
	struct why why, text;
	const char *wrong;

	check_twice(fsck, n, name, st);
	wrong = judge_item(fsck, SPOOL_QUEUE, n, &item, &why);
	if (!wrong)
		return;
	why_say(&text, "item %" PRIu64 " in queue/ is damaged: %s", n, wrong);
	fsck_tell(fsck, text.text, fsck->repair ? set_aside(fsck, n, wrong, &item) : -1,
	    "moved to failed/");
}

static void
check_stray(struct fsck *fsck, enum spool_part part, const char *name)
{
	char shown[FSCK_NAME_ROOM];
	struct why text;

	why_say(&text, "%s in %s/ is no item's name", fsck_name(shown, name), folder_name(part));
	fsck_tell(fsck, text.text, fsck->repair ? fsck_move_to_odd(fsck, part, name) : -1,
	    "moved to odd/");
}

/* N.reason of an item that is there. */
static int
is_reason(const struct fsck *fsck, const char *name)
{
	int queue = spool_folder(fsck->spool, SPOOL_QUEUE);
	int failed = spool_folder(fsck->spool, SPOOL_FAILED);
	char item[SPOOL_NAME_ROOM];
	struct stat st;

	if (strlen(name) != 20 + sizeof REASON - 1 || strcmp(name + 20, REASON) != 0)
		return 0;
	snprintf(item, sizeof item, "%.20s", name);
	/* It is written before the item moves there. */
	return spool_name_number(item) &&
	    (fstatat(failed, item, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	        fstatat(queue, item, &st, AT_SYMLINK_NOFOLLOW) == 0);
}

static void
check_name(struct fsck *fsck, enum spool_part part, const char *name)
{
	uint64_t n = spool_name_number(name);
	struct stat st;

	if (fstatat(spool_folder(fsck->spool, part), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* it has just left */
	if (n == 0) {
		if (part != SPOOL_FAILED || !is_reason(fsck, name))
			check_stray(fsck, part, name);
		return;
	}
	fsck->counts->items++;
	if (st.st_uid != geteuid())
		fsck_note(fsck, "item %" PRIu64 " in %s/ belongs to user %lu", n, folder_name(part),
		    (unsigned long)st.st_uid);
	if (part == SPOOL_FAILED)
		check_failed_item(fsck, n);
	else
		check_queued_item(fsck, n, name, &st);
}

int
fsck_items(struct fsck *fsck, enum spool_part part)
{
	struct names names = {0};
	int rc = gather(fsck, part, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++)
		check_name(fsck, part, names.at[i]);
	free_names(&names);
	return rc;
}

/* ---- drafts */

static void
check_draft(struct fsck *fsck, const char *name)
{
	char shown[FSCK_NAME_ROOM];
	long pid = strtol(name, NULL, 10);
	struct why text;
	struct stat st;

	if (fstatat(spool_folder(fsck->spool, SPOOL_TMP), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (pid <= 0 || !S_ISREG(st.st_mode)) {
		why_say(&text, "%s in tmp/ is no draft's name", fsck_name(shown, name));
		fsck_tell(fsck, text.text,
		    fsck->repair ? fsck_move_to_odd(fsck, SPOOL_TMP, name) : -1, "moved to odd/");
	} else if (kill((pid_t)pid, 0) < 0 && errno == ESRCH) {
		fsck_note(fsck,
		    "%s in tmp/ was never queued: its add was killed; run deletes it %s",
		    fsck_name(shown, name),
		    time(NULL) - st.st_mtime < DRAFT_AGE ? "after a day" : "once it is active");
	}
}

int
fsck_drafts(struct fsck *fsck)
{
	struct names names = {0};
	int rc = gather(fsck, SPOOL_TMP, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++)
		check_draft(fsck, names.at[i]);
	free_names(&names);
	return rc;
}
