/* SPDX-License-Identifier: ISC */
/*
 * What may be taken: files that wait are judged, and claimed; claims are judged again, since who
 * opened the file by its name before it was claimed may still have it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/counts.h"
#include "inboxq/watch/folder_parts.h"
#include "inboxq/watch/ready.h"
#include "lib/clock.h"
#include "lib/disk.h"
#include "lib/log.h"

#define LOOKS 4096                     /* at waiting files, in one go */
#define WRITER_EVERY CLOCK_SECOND      /* inotify mostly is sooner */
#define BATCH_BYTES (64 * 1024 * 1024) /* a batch ends with the file that fills it */

static int
is_batch_full(const struct folder *folder, const struct batch *batch)
{
	return batch->count >= folder->batch_max || batch->bytes >= BATCH_BYTES;
}

/* Leases tell, but not of this file: it is another user's. */
static void
say_unsure(struct folder *folder)
{
	if (folder->is_unsure)
		return;
	folder->is_unsure = 1;
	log_event(LOG_NOTICE, "watch_unsure",
	    "folder=%s note=\"without CAP_LEASE nobody tells who writes to other users' files\"",
	    folder->printed);
}

/* May it be taken?  If not, sight->due says when to ask again. */
static int
may_take(struct folder *folder, struct sight *sight, int fd, const struct stat *st,
    int *is_sure)
{
	enum ready ready = folder->tells ? ready_ask(fd) : READY_UNKNOWN;
	int64_t settle = (int64_t)folder->settings->settle * CLOCK_SECOND;
	int64_t wait = (int64_t)folder->settings->after_close * CLOCK_SECOND;
	int64_t now = clock_monotonic();
	struct look look = look_of(st);

	if (sight->since == 0 || !look_is_same(&look, &sight->look))
		sight->since = now;
	sight->look = look;
	*is_sure = ready == READY_YES;
	if (folder->tells && ready == READY_UNKNOWN)
		say_unsure(folder);
	if (ready == READY_WRITER) {
		sight->since = now;
		sight->due = now + WRITER_EVERY;
		return 0;
	}
	if (wait < settle && (st->st_size == 0 || (ready == READY_UNKNOWN && !sight->is_closed)))
		wait = settle;
	sight->due = sight->since + wait;
	return now >= sight->due;
}

static int64_t
tried_again(int error)
{
	return clock_monotonic() + (disk_is_shortage(error) ? FOLDER_SOON : FOLDER_LATER);
}

int
folder_is_too_large(struct folder *folder, struct sight *sight, const char *name,
    const struct stat *st)
{
	uint64_t largest = *folder->setup.largest;

	if (largest == 0 || st->st_size < 0 || (uint64_t)st->st_size <= largest)
		return 0;
	folder_say(folder, sight, name, FOLDER_SAY_SIZE,
	    "larger than all of the queue may be ([queue] bytes)");
	sight->due = clock_monotonic() + FOLDER_LATER;
	return 1;
}

/* Opens a waiting file that may be taken; -1: it may not now, and it is known when to look
 * again, or it is gone. */
static int
open_waiting(struct folder *folder, struct waiting_file *file, struct stat *st)
{
	int fd = -1;

	if (fstatat(folder->dir, file->name, st, AT_SYMLINK_NOFOLLOW) < 0)
		goto failed;
	/* Not even opened: a device does something then. */
	if (!S_ISREG(st->st_mode)) {
		folder_say(folder, &file->sight, file->name, FOLDER_SAY_KIND, "not a regular file");
		file->sight.due = clock_monotonic() + FOLDER_LATER;
		return -1;
	}
	fd = openat(folder->dir, file->name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
failed:
	if (fd >= 0 || errno == ENOENT) {
		file->sight.due = 0; /* another one has come in its place, or none has */
	} else {
		folder_say(folder, &file->sight, file->name, errno, strerror(errno));
		file->sight.due = tried_again(errno);
	}
	if (fd < 0 && errno == ENOENT)
		waiting_drop(folder->waiting, file);
	disk_close(fd);
	return -1;
}

/* The claim is as the file was, but for the time of the renaming. */
static void
carry_sight(const struct folder *folder, struct claim *claim, const struct sight *sight)
{
	struct stat st;
	int fd = claims_read(&folder->claims, claim, &st);

	if (fd < 0)
		return;
	close(fd);
	if (st.st_ino == sight->look.inode && st.st_size == sight->look.size &&
	    look_is_time(st.st_mtim, sight->look.written)) {
		claim->sight.is_closed = sight->is_closed;
		claim->sight.since = sight->since;
		claim->sight.look = look_of(&st);
	}
}

/* -1: no more can be claimed now. */
static int
claim_file(struct folder *folder, struct batch *batch, struct waiting_file *file)
{
	struct claim *claim;
	struct why why;
	int error;

	/* While the queue is full it stays where it is. */
	if (counts_refuse(folder->setup.spool, (uint64_t)file->sight.look.size, &why)) {
		folder_be_full(folder, why.text);
		return -1;
	}
	if (!batch->id[0] && claims_begin(&folder->claims, batch->id) < 0) {
		batch->id[0] = '\0';
		if (disk_is_full(errno))
			folder_be_full(folder, strerror(errno));
		else
			folder_complain(folder, CLAIM_FOLDER " in it: ", strerror(errno));
		return -1;
	}
	claim = claim_new(&folder->claimed, batch->id, file->name);
	if (!claim)
		return -1;
	if (claims_take(&folder->claims, batch->id, file->name) == 0) {
		claim->state = CLAIM_HELD;
		carry_sight(folder, claim, &file->sight);
		batch->at[batch->count++] = claim;
		batch->bytes += (uint64_t)file->sight.look.size;
		waiting_drop(folder->waiting, file);
		return 0;
	}
	error = errno;
	claim_free(&folder->claimed, claim);
	if (!folder->claimed || strcmp(folder->claimed->id, batch->id) != 0) {
		claims_end(&folder->claims, batch->id); /* there is none in it */
		batch->id[0] = '\0';
	}
	if (disk_is_full(error)) {
		folder_be_full(folder, strerror(error));
		return -1;
	}
	file->sight.due = 0;
	if (error == EEXIST || error == ENOENT)
		return 0; /* the next batch takes it, or it is gone */
	file->sight.due = clock_monotonic() + FOLDER_LATER;
	folder_say(folder, &file->sight, file->name, error, strerror(error));
	return 0;
}

int
folder_gather_waiting(struct folder *folder, struct batch *batch)
{
	struct waiting_file *file = waiting_first(folder->waiting), *next;
	int64_t now = clock_monotonic();
	struct stat st;

	for (int looks = 0; file; file = next) {
		int fd, may, is_sure;

		next = file->next;
		if (file->sight.due > now)
			continue;
		if (is_batch_full(folder, batch) || looks++ == LOOKS)
			return 1;
		fd = open_waiting(folder, file, &st);
		if (fd < 0)
			continue;
		may = !folder_is_too_large(folder, &file->sight, file->name, &st) &&
		    may_take(folder, &file->sight, fd, &st, &is_sure);
		close(fd);
		if (may && claim_file(folder, batch, file) < 0)
			return 0;
	}
	return 0;
}

int
folder_gather_held(struct folder *folder, struct batch *batch)
{
	int64_t now = clock_monotonic();

	for (struct claim *claim = folder->claimed; claim; claim = claim->next) {
		if (claim->state != CLAIM_HELD || claim->sight.due > now)
			continue;
		if (is_batch_full(folder, batch))
			return 1;
		batch->at[batch->count++] = claim;
		batch->bytes += (uint64_t)claim->sight.look.size;
	}
	return 0;
}

int
folder_open_claim(struct folder *folder, struct claim *claim)
{
	struct stat st;
	int fd = claims_read(&folder->claims, claim, &st);

	if (fd >= 0 && !S_ISREG(st.st_mode)) {
		folder_say(folder, &claim->sight, claim->name, FOLDER_SAY_KIND,
		    "not a regular file");
		claim->sight.due = clock_monotonic() + FOLDER_LATER;
		close(fd);
		return -1;
	}
	if (fd >= 0 && !folder_is_too_large(folder, &claim->sight, claim->name, &st) &&
	    may_take(folder, &claim->sight, fd, &st, &claim->is_sure))
		return fd;
	if (fd < 0) {
		folder_say(folder, &claim->sight, claim->name, errno, strerror(errno));
		claim->sight.due = tried_again(errno);
	}
	disk_close(fd);
	return -1;
}
