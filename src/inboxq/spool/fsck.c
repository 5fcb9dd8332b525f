/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "inboxq/spool/fsck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inboxq/spool/counts.h"
#include "inboxq/spool/fsck_parts.h"
#include "inboxq/spool/machine.h"
#include "inboxq/spool/mark.h"
#include "lib/disk.h"
#include "lib/escape.h"

#define ODD_TRIES 1000

void
fsck_note(const struct fsck *fsck, const char *fmt, ...)
{
	struct why text;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text.text, sizeof text.text, fmt, ap);
	va_end(ap);
	fsck->say(fsck->ctx, FSCK_NOTE, text.text);
}

void
fsck_tell(struct fsck *fsck, const char *text, int rc, const char *done)
{
	struct why line;

	fsck->counts->wrong++;
	if (!fsck->repair) {
		fsck->say(fsck->ctx, FSCK_FOUND, text);
		return;
	}
	if (rc == 0) {
		fsck->counts->repaired++;
		why_say(&line, "%s: %s", text, done);
	} else {
		why_say(&line, "%s: not repaired: %s", text, strerror(errno));
	}
	fsck->say(fsck->ctx, rc == 0 ? FSCK_REPAIRED : FSCK_FAILED, line.text);
}

const char *
fsck_name(char dst[FSCK_NAME_ROOM], const char *name)
{
	escape_bytes(dst, FSCK_NAME_ROOM, name, strlen(name));
	return dst;
}

static int
open_odd(const struct fsck *fsck)
{
	int top = spool_folder(fsck->spool, SPOOL_TOP);

	if (mkdirat(top, SPOOL_ODD, 0700) == 0) {
		if (disk_sync_dir(top) < 0)
			return -1;
	} else if (errno != EEXIST) {
		return -1;
	}
	return disk_open_dir(top, SPOOL_ODD);
}

int
fsck_move_to_odd(const struct fsck *fsck, enum spool_part from, const char *name)
{
	static const char *const parts[SPOOL_PARTS] = {"top", "tmp", "queue", "failed"};
	int odd = open_odd(fsck), rc = -1;
	char new_name[NAME_MAX + 1];

	if (odd < 0)
		return -1;
	errno = EEXIST;
	for (unsigned i = 0; i < ODD_TRIES && rc < 0 && errno == EEXIST; i++) {
		/* One with the longest of names keeps what there is room for. */
		if (i == 0)
			snprintf(new_name, sizeof new_name, "%s-%.240s", parts[from], name);
		else
			snprintf(new_name, sizeof new_name, "%s-%.230s.%u", parts[from], name, i);
		rc = disk_publish(spool_folder(fsck->spool, from), name, odd, new_name);
	}
	if (rc == 0)
		rc = disk_sync_dir(odd);
	if (rc == 0)
		rc = disk_sync_dir(spool_folder(fsck->spool, from));
	disk_close(odd);
	return rc;
}

/* ---- the spool's own files */

static int
raise_last(const struct fsck *fsck, uint64_t n)
{
	int rc;

	if (spool_lock(fsck->spool) < 0)
		return -1;
	rc = spool_raise_last(fsck->spool, n);
	spool_unlock(fsck->spool);
	return rc;
}

static int
check_last(struct fsck *fsck)
{
	int top = spool_folder(fsck->spool, SPOOL_TOP);
	uint64_t ended, last;
	struct why text;

	if (sentlines_highest(top, &ended) < 0)
		return -1;
	if (faccessat(top, "last", F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		fsck_tell(fsck, "last, below which no number is given again, is missing",
		    fsck->repair ? raise_last(fsck, ended) : -1, "made anew from sent.log");
	else if (spool_last(fsck->spool, &last) < 0 && errno == EILSEQ)
		fsck_tell(fsck, "last, below which no number is given again, is damaged",
		    fsck->repair ? raise_last(fsck, ended) : -1,
		    "written anew from sent.log and the items");
	else if (spool_last(fsck->spool, &last) < 0)
		fsck_tell(fsck, "last, below which no number is given again, cannot be read",
		    fsck->repair ? fsck_move_to_odd(fsck, SPOOL_TOP, "last") : -1,
		    "moved to odd/; the next add makes another");
	else if (last < ended) {
		why_say(&text, "last says that number %" PRIu64 " was the highest to leave, and "
		    "sent.log tells of %" PRIu64, last, ended);
		fsck_tell(fsck, text.text, fsck->repair ? raise_last(fsck, ended) : -1, "raised");
	}
	return 0;
}

/* Under the lock, lest an add is amid its work. */
static int
check_counts(struct fsck *fsck)
{
	uint64_t items, bytes, real_items = 0, real_bytes = 0;
	struct why text;
	int rc = 0;

	if (spool_lock(fsck->spool) < 0)
		return -1;
	if (counts_look(fsck->spool, &items, &bytes) == 0) {
		rc = counts_now(fsck->spool, &real_items, &real_bytes);
		if (rc == 0 && (items != real_items || bytes != real_bytes)) {
			why_say(&text, "counts says that %" PRIu64 " items of %" PRIu64 " bytes "
			    "lie here, and it is %" PRIu64 " of %" PRIu64, items, bytes, real_items,
			    real_bytes);
			fsck_tell(fsck, text.text, fsck->repair ? counts_renew(fsck->spool) : -1,
			    "counted anew");
		}
	}
	spool_unlock(fsck->spool);
	return rc;
}

/* What stands in the spool's folder, and whose it is not. */
static int
check_top(struct fsck *fsck)
{
	static const char *const ours[] = {".", "..", "tmp", "queue", "failed", SPOOL_ODD,
	    SENTLINES_NAME, SENTLINES_OLD, "queue-id", "queue-id.old", "queue-id.damaged",
	    "machine", "last", "next", "counts", "lock", "run.lock", "run.state", "held",
	    "lost+found"};
	DIR *dir = disk_list(spool_folder(fsck->spool, SPOOL_TOP));
	char name[FSCK_NAME_ROOM];
	struct dirent *entry;
	int error;

	if (!dir)
		return -1;
	while (errno = 0, (entry = readdir(dir))) {
		size_t i = 0;

		while (i < sizeof ours / sizeof *ours && strcmp(entry->d_name, ours[i]) != 0)
			i++;
		if (i == sizeof ours / sizeof *ours)
			fsck_note(fsck, "%s in the spool's folder is not inboxq's",
			    fsck_name(name, entry->d_name));
	}
	error = errno;
	closedir(dir);
	errno = error;
	return error ? -1 : 0;
}

/* Lines that a crash or a full disk cut say nothing of their items, and are passed over. */
static void
check_lines(const struct fsck *fsck, const char *name)
{
	int fd = openat(spool_folder(fsck->spool, SPOOL_TOP), name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	struct sentlog_line line;
	uint64_t broken = 0;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;

	if (!file) {
		disk_close(fd);
		return;
	}
	while ((len = getline(&text, &room, file)) > 0)
		if (text[len - 1] != '\n' ||
		    (len > 1 && sentlines_parse(text, (size_t)len - 1, &line) < 0))
			broken++;
	free(text);
	fclose(file);
	if (broken)
		fsck_note(fsck, "%s has %" PRIu64 " %s that a crash or a full disk cut; %s passed "
		    "over", name, broken, broken == 1 ? "line" : "lines",
		    broken == 1 ? "it is" : "they are");
}

static void
check_machine(const struct fsck *fsck)
{
	char here[ID_ROOM], noted[ID_ROOM];

	if (machine_id(here) == 0 &&
	    id_read(spool_folder(fsck->spool, SPOOL_TOP), "machine", noted) == 0 &&
	    strcmp(here, noted) != 0)
		fsck_note(fsck, "the spool was copied from another machine: the next run gives "
		    "the queue an id of its own");
}

int
fsck_spool(struct spool *spool, int repair, fsck_say *say, void *ctx, struct fsck_counts *counts)
{
	struct fsck fsck = {
	    .spool = spool, .repair = repair, .say = say, .ctx = ctx, .counts = counts};
	int rc = 0, error;

	memset(counts, 0, sizeof *counts);
	if (repair) {
		fsck.sentlog = sentlog_open(spool);
		if (!fsck.sentlog)
			return -1;
	}
	/* What was damaged in failed/ goes first out of the way of what comes there. */
	if (check_top(&fsck) < 0 || check_last(&fsck) < 0 || fsck_drafts(&fsck) < 0 ||
	    fsck_items(&fsck, SPOOL_FAILED) < 0 || fsck_items(&fsck, SPOOL_QUEUE) < 0 ||
	    check_counts(&fsck) < 0)
		rc = -1;
	error = errno;
	check_lines(&fsck, SENTLINES_OLD);
	check_lines(&fsck, SENTLINES_NAME);
	check_machine(&fsck);
	sentlog_close(fsck.sentlog);
	errno = error;
	return rc;
}
